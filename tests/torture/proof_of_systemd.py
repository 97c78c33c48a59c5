"""Parts of the proof on a Debian machine: the guide's commands, the units, upgrade and rollback."""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import wait_until
from tests.node.harness import REPOSITORY
from tests.torture.machine import packages, services
from tests.torture.machine.debian import Machine, booted, debian, missing
from tests.torture.machine.guide import commands
from tests.torture.machine.site import Site, beside, write_configuration
from tests.torture.released import taken_over
from tests.torture.table import Row

CONFIG = "RA_NODE_CONFIG=/etc/ra-node/node.toml"


def systemd(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """The units under a running systemd, then an upgrade from the first version and the way back."""
    reason = missing()
    if reason:
        return [("skipped", reason, True)]
    root = debian(_made(folder) / "root", asked.debian)
    packages.environment(root)
    with booted(root, packages.site_packages()) as machine, beside(machine, folder) as site:
        new = packages.wheel(REPOSITORY, folder / "new")
        rows = [*_laid_down(machine, new), *_configured(machine)]
        rows.append(_routed(site, asked.seed))
        rows.append(services.active(machine))
        rows += [*services.credentials(machine), *services.sandbox(machine)]
        hung = services.hang(machine)
        rows.append(services.watchdog(machine, site, hung, asked.seed + 1))
        rows.append(services.killed(machine, site, asked.seed + 2))
        rows += [*services.journal(machine), services.stopped(machine)]
        rows += _upgraded(machine, site, folder, new, asked.seed + 10)
    return rows


def offline(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """The tar of `make offline` on an empty Debian 12 without a network, to a routed study."""
    return _from_file(folder, asked, "ra-node-offline.tar", "Packages without a network")


def deb(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """The Debian package of `make deb` on an empty Debian 12 without a network, to a routed study."""
    return _from_file(folder, asked, "ra-node.deb", "A Debian package")


def upgrade(folder: Path, _asked: argparse.Namespace) -> list[Row]:
    """A node of 0.1.0 with work in flight, taken over by today's roles on its data folder."""
    sources = packages.first_version(_made(folder) / "first")
    if sources is None:
        return [("skipped", f"no commit {packages.FIRST_VERSION[:7]} in this history", True)]
    return taken_over(folder, sources)


def _from_file(folder: Path, asked: argparse.Namespace, name: str, section: str) -> list[Row]:
    path, reason = REPOSITORY / "dist" / name, missing()
    if reason or not path.exists():
        return [("skipped", reason or f"no dist/{name}", True)]
    root = debian(_made(folder) / "root", asked.debian)
    (root / "root" / name).hardlink_to(path) if _same_disk(path, root) else shutil.copy(path, root / "root")
    started = time.monotonic()
    try:
        with booted(root) as machine, beside(machine, folder) as site:
            rows: list[Row] = [
                ("network of the machine", machine.text("cat /proc/net/dev | sed -n 's/:.*//p'"), True)
            ]
            rows += [_ran(machine, line) for line in commands(section)]
            rows += [*_configured(machine), _routed(site, asked.seed)]
            rows.append(_size_and_time(root, path, time.monotonic() - started))
            rows.append(services.stopped(machine))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return rows


def _size_and_time(root: Path, path: Path, seconds: float) -> Row:
    sizes = (
        f"{path.stat().st_size / 1e9:.2f} GB file, {services.size_mib(root, 'opt/ra-node') / 1024:.2f} GiB"
    )
    return ("size and time, boot to routed study", f"{sizes} in /opt/ra-node, {seconds:.0f} s", True)


def _same_disk(one: Path, other: Path) -> bool:
    return one.resolve().stat().st_dev == other.stat().st_dev and not one.is_symlink()


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _ran(machine: Machine, line: str) -> Row:
    """Run one line of the guide in root's home folder."""
    started = time.monotonic()
    done = machine.run(f"cd /root && {line}", timeout_s=1200)
    words = (done.stdout + done.stderr).strip().splitlines()
    last = words[-1][:80] if words else ""
    if done.returncode:
        last = " | ".join(words[-12:])
    return (
        line[:78],
        f"exit {done.returncode}, {time.monotonic() - started:.0f} s {last}",
        not done.returncode,
    )


def _laid_down(machine: Machine, wheel: Path) -> list[Row]:
    """The guide's lines from the wheel on; the packages before it are this machine's, bound read-only."""
    _put(machine, wheel)
    lines = commands("Packages from the network")
    first = next(at for at, line in enumerate(lines) if "ra_node-" in line)
    return [_ran(machine, line.replace("pip install", "pip install --no-index")) for line in lines[first:]]


def _put(machine: Machine, wheel: Path) -> None:
    for old in (machine.root / "root").glob("ra_node-*.whl"):
        old.unlink()
    shutil.copy(wheel, machine.root / "root")


def _configured(machine: Machine) -> list[Row]:
    rows = []
    for line in commands("Configure and start"):
        if line.startswith("editor "):
            write_configuration(machine)
        elif " check " in line:
            rows.append(_checked(machine, line))
        else:
            rows.append(_ran(machine, line))
    return rows


def _checked(machine: Machine, line: str) -> Row:
    """Before the start `check` says that the node does not run yet; all else must be in order."""
    done = machine.run(f"cd /root && {line}")
    words = (done.stdout + done.stderr).strip().splitlines()
    return (line[:78], f"exit {done.returncode}: {' | '.join(words[-2:])[:400]}", done.returncode == 0)


def _routed(site: Site, seed: int) -> Row:
    started = time.monotonic()
    answers = site.wait_for_answers(site.send(seed))
    return ("a study routed", f"{time.monotonic() - started:.0f} s, the PACS has {answers}", "SR" in answers)


def _upgraded(machine: Machine, site: Site, folder: Path, new: Path, seed: int) -> list[Row]:
    """From the first version with work in flight to this one and back, by the guide's lines."""
    sources = packages.first_version(folder / "first")
    if sources is None:
        return [("upgrade: skipped", f"no commit {packages.FIRST_VERSION[:7]} in this history", True)]
    old = packages.wheel(sources, folder / "old")
    with _first_version_at_work(machine, site, old, seed) as flying:
        _put(machine, new)
        rows = [_ran(machine, f"export {CONFIG}; {line}") for line in commands("Upgrade")]
        answers = site.wait_for_answers(flying)
    rows.append(("study received by 0.1.0, answered after the upgrade", str(answers), "SR" in answers))
    rows.append(_routed(site, seed + 1))
    _put(machine, old)
    lines = [line for line in commands("Rollback") if not line.startswith("ra-node ready")]
    rows += [_ran(machine, f"export {CONFIG}; {line}") for line in lines]
    wait_until(site.listens, "0.1.0 to answer C-ECHO", 240)
    rows.append(_routed(site, seed + 2))
    return rows


@contextmanager
def _first_version_at_work(machine: Machine, site: Site, old: Path, seed: int) -> Iterator[str]:
    """The first version with its own configuration; a study is answered, one waits for analysis."""
    machine.text("rm -rf /var/lib/ra-node/* /var/lib/ra-node/.[!.]*; true")
    _put(machine, old)
    machine.text("/opt/ra-node/bin/pip install -q --no-deps --no-index --force-reinstall /root/ra_node-*.whl")
    machine.text(
        "rm /etc/ra-node/node.toml && /opt/ra-node/bin/ra-node init /etc/ra-node --data /var/lib/ra-node"
    )
    write_configuration(machine)
    machine.text("systemd-tmpfiles --create ra-node.conf")
    machine.text("systemctl start ra-node.target")
    wait_until(site.listens, "the first version to answer C-ECHO", 240)
    site.wait_for_answers(site.send(seed))
    machine.text("systemctl stop ra-node-work")
    yield site.send(seed + 5)
