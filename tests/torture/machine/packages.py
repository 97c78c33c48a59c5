"""What is laid down on a machine: a wheel of this code or of the first version, and packages of this side."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

from tests.node.harness import REPOSITORY

FIRST_VERSION = "1882387d19d06b191be6b9d6e8a6760cd5dca732"
"""The state of 0.1.0 from which upgrades are proved."""


def wheel(sources: Path, to: Path) -> Path:
    """Build the node's wheel of a source folder."""
    argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(to)]
    subprocess.run(argv, cwd=sources, check=True, capture_output=True, timeout=240)
    (built,) = to.glob("*.whl")
    return built


def first_version(to: Path) -> Path | None:
    """The sources of the first version, or None where the history is missing."""
    known = ["git", "-C", str(REPOSITORY), "cat-file", "-e", FIRST_VERSION]
    try:
        if subprocess.run(known, capture_output=True, check=False).returncode:
            return None
    except FileNotFoundError:
        return None
    to.mkdir(parents=True)
    archive = to.parent / f"{to.name}.tar"
    argv = ["git", "-C", str(REPOSITORY), "archive", "-o", str(archive), FIRST_VERSION]
    subprocess.run(argv, check=True, capture_output=True, timeout=120)
    with tarfile.open(archive) as opened:
        opened.extractall(to, filter="data")
    archive.unlink()
    return to


def site_packages() -> list[tuple[Path, str]]:
    """Folders with packages of this interpreter, and where the machine sees them."""
    found = dict.fromkeys(Path(one) for one in sys.path if Path(one).name == "site-packages")
    return [(path, f"/mnt/packages{number}") for number, path in enumerate(found)]


def environment(root: Path) -> None:
    """An environment in /opt/ra-node of the machine's own Python that takes its packages from here."""
    argv = ["chroot", str(root), "python3", "-m", "venv", "/opt/ra-node"]
    subprocess.run(argv, check=True, capture_output=True, timeout=300)
    (folder,) = (root / "opt/ra-node/lib").glob("python3.*/site-packages")
    if folder.parent.name != f"python3.{sys.version_info.minor}":
        raise AssertionError(f"the packages here are for Python 3.{sys.version_info.minor}, not {folder}")
    lines = "".join(f"{there}\n" for _, there in site_packages())
    (folder / "packages.pth").write_text(lines, encoding="utf-8")
    for _, there in site_packages():
        (root / there.lstrip("/")).mkdir(parents=True)
