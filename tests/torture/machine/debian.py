"""A Debian root that boots its own systemd under systemd-nspawn, without a network.

The peers of the tests run beside it in its network namespace, where 127.0.0.1 is the machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import wait_until

PACKAGES = "systemd,dbus,python3-venv,systemd-timesyncd"
"""What a Debian machine has, and what the first line of the guide installs: later there is no network."""
TOOLS = ("debootstrap", "systemd-nspawn", "unshare", "nsenter", "dpkg-deb")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BOOT = """
mkdir -p /run/systemd/nspawn && mount -t tmpfs t /run/systemd/nspawn
exec systemd-nspawn --quiet -D "$0" --private-network --register=no --keep-unit --boot --link-journal=no \
  --console=pipe "$@"
"""


def missing() -> str | None:
    """What this machine lacks to boot another one, or None."""
    if os.geteuid() != 0:
        return "only root may make and boot a machine"
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


def debian(root: Path, cached: Path | None = None) -> Path:
    """An empty Debian 12 at `root`, from the network or as a copy of `cached`."""
    if cached is not None:
        subprocess.run(["cp", "-a", "--reflink=auto", str(cached), str(root)], check=True, timeout=600)
        return root
    argv = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(root)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=1800)
    if done.returncode:
        raise AssertionError(f"debootstrap failed: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    return root


@dataclass(frozen=True, slots=True)
class Machine:
    """A booted machine; `pid` is its first process as seen from here."""

    root: Path
    pid: int

    def run(self, command: str, *, timeout_s: float = 600.0) -> subprocess.CompletedProcess[str]:
        """Run a line of shell on the machine as root."""
        return self._entered(["-m", "-p", "-n", "-u", "-i"], ["sh", "-c", command], timeout_s)

    def text(self, command: str, *, timeout_s: float = 600.0) -> str:
        """What a line of shell prints that must succeed."""
        done = self.run(command, timeout_s=timeout_s)
        if done.returncode:
            raise AssertionError(
                f"{command}: exit {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
        return done.stdout.strip()

    def beside(self, argv: Sequence[str]) -> list[str]:
        """A command of this side in the machine's network."""
        return ["nsenter", "-t", str(self.pid), "-n", "--", *argv]

    def show(self, unit: str, key: str) -> str:
        """A property of a unit."""
        return self.text(f"systemctl show --value -p {key} {unit}")

    def _entered(
        self, spaces: list[str], argv: list[str], timeout_s: float
    ) -> subprocess.CompletedProcess[str]:
        enter = ["nsenter", "-t", str(self.pid), *spaces, "env", "-i", PATH, "HOME=/root", "LANG=C.UTF-8"]
        return subprocess.run(
            [*enter, *argv], capture_output=True, text=True, check=False, timeout=timeout_s, cwd="/"
        )


@contextmanager
def booted(root: Path, binds: Sequence[tuple[Path, str]] = ()) -> Iterator[Machine]:
    """The machine while it runs; `binds` are folders of this one that it sees read-only."""
    seen = [f"--bind-ro={here}:{there}" for here, there in binds]
    with (root.parent / f"{root.name}.console").open("ab") as console:
        argv = ["unshare", "-m", "sh", "-c", BOOT, str(root), *seen]
        nspawn = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        try:
            machine = Machine(root, wait_until(lambda: _first_process(nspawn), "the machine's first process"))
            wait_until(lambda: _is_up(machine), "systemd on the machine to be up", 240)
            yield machine
        finally:
            nspawn.terminate()
            try:
                nspawn.wait(90)
            except subprocess.TimeoutExpired:
                nspawn.kill()
                nspawn.wait(30)


def _first_process(nspawn: subprocess.Popen[bytes]) -> int | None:
    """The child of nspawn that became systemd."""
    if nspawn.poll() is not None:
        raise AssertionError("systemd-nspawn ended: see the console file beside the root")
    children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children")
    found = children.read_text(encoding="ascii").split()
    for pid in found:
        with suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip() == "systemd":
                return int(pid)
    return None


def _is_up(machine: Machine) -> bool:
    state = machine.run("systemctl is-system-running").stdout.strip()
    return state in ("running", "degraded")
