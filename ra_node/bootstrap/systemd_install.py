"""Installs the node as systemd services: account, folders, units, pages of the guide, command in the PATH.

Safe to repeat, as after an upgrade: files of the node are replaced, the configuration is not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ra_node.bootstrap.package_data import shipped
from ra_node.errors import Fatal
from ra_node.filesystem.os_errors import node_error

PROGRAM_IN_UNITS = "/opt/ra-node/bin/ra-node"
GUIDE = Path(__file__).resolve().parents[1] / "guide"
COMMAND = """#!/bin/sh
# ra-node under the account of the node, so that no file of its data folder belongs to root.
if [ "$(id -u)" = 0 ] && [ "$1" != init ]; then
  exec runuser -u ra-node -- {program} "$@"
fi
exec {program} "$@"
"""
Run = Callable[[Sequence[str]], None]


def install_services(root: Path = Path("/"), run: Run | None = None) -> list[Path]:
    """Write all files below `root` and make account and folders; return the written files.

    Raises Fatal without the rights of root, and where a program of systemd is missing or fails.
    """
    program = Path(sys.prefix) / "bin" / "ra-node"
    if os.geteuid() != 0:
        raise Fatal(f"expected the rights of root for init --systemd: sudo {program} init --systemd")
    _expect_visible(Path(sys.base_prefix))
    try:
        written = [*_units(root, program), *_pages(root), _command(root, program)]
    except OSError as error:
        raise node_error(error, "cannot install the services") from error
    for argv in _programs(root):
        (run or _run)(argv)
    return written


def _expect_visible(interpreter: Path) -> None:
    """ProtectHome= hides these folders: the units would fail with 203/EXEC for ever."""
    if any(interpreter.is_relative_to(home) for home in ("/root", "/home", "/run/user")):
        raise Fatal(
            f"expected a Python outside of home folders, found {interpreter}, which the services cannot see:"
            " make the environment with the system's own, /usr/bin/python3 -m venv /opt/ra-node"
        )


def _units(root: Path, program: Path) -> list[Path]:
    """Units with the path of this installation, and the files for sysusers.d and tmpfiles.d."""
    written = []
    for unit in sorted(shipped("systemd").iterdir()):
        text = unit.read_text(encoding="utf-8").replace(PROGRAM_IN_UNITS, str(program))
        kind = unit.suffixes[-2].removeprefix(".") if unit.suffix == ".conf" else ""
        target = root / "etc" / (f"{kind}.d/ra-node.conf" if kind else f"systemd/system/{unit.name}")
        written.append(_public(target, text))
    return written


def _pages(root: Path) -> list[Path]:
    """The pages that `Documentation=` of the units names, and all others."""
    folder = root / "usr/share/doc/ra-node"
    return [
        _public(folder / page.name, page.read_text(encoding="utf-8")) for page in sorted(GUIDE.glob("*.md"))
    ]


def _command(root: Path, program: Path) -> Path:
    return _public(root / "usr/local/bin/ra-node", COMMAND.format(program=program), mode=0o755)


def _public(target: Path, text: str, mode: int = 0o644) -> Path:
    """Write a file that everybody may read, whatever the umask of this command."""
    missing = [one for one in target.parents if not one.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        folder.chmod(0o755)
    target.write_text(text, encoding="utf-8")
    target.chmod(mode)
    return target


def _programs(root: Path) -> list[list[str]]:
    programs = [
        ["systemd-sysusers", f"--root={root}", "ra-node.conf"],
        ["systemd-tmpfiles", "--create", f"--root={root}", "ra-node.conf"],
    ]
    if root == Path("/") and Path("/run/systemd/system").is_dir():
        programs.append(["systemctl", "daemon-reload"])
    return programs


def _run(argv: Sequence[str]) -> None:
    found = shutil.which(argv[0])
    if found is None:
        raise Fatal(f"expected the program {argv[0]} of systemd, found none: apt install systemd")
    done = subprocess.run([found, *argv[1:]], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if done.returncode:
        raise Fatal(f"{' '.join(argv)} failed: {done.stderr.strip()}")
