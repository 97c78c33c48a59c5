"""What a process holds: memory, handles and threads, as the kernel counts them; and one role to look at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import wait_until
from tests.node.harness import Node

OWN_AE = "TORTURE"


@dataclass(frozen=True, slots=True)
class Holdings:
    """Resident memory in MiB, open file handles, threads."""

    memory_mib: float
    handles: int
    threads: int


def holdings(pid: int) -> Holdings:
    """Count what a process holds now; FileNotFoundError when it has died."""
    proc = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (proc / "status").read_text(encoding="ascii").splitlines())
    return Holdings(
        int(status["VmRSS"].split()[0]) / 1024,
        sum(1 for _ in (proc / "fd").iterdir()),
        int(status["Threads"].strip()),
    )


@dataclass
class Listening:
    """A listener in a process of its own, in a folder beside which nothing may appear."""

    node: Node

    @property
    def port(self) -> int:
        return self.node.port

    def holdings(self) -> Holdings:
        return holdings(self.node.roles["listen"].pid)

    def at_rest(self, threads: int, timeout_s: float = 600.0) -> Holdings:
        """Wait until the threads of the connections have ended, then count."""
        wait_until(
            lambda: self.holdings().threads <= threads, "the threads of the connections to end", timeout_s
        )
        return self.holdings()

    @property
    def is_alive(self) -> bool:
        return self.node.roles["listen"].poll() is None

    def complaints(self) -> list[str]:
        """Lines that a program prints when something of it has crashed."""
        marks = ("Traceback", "Exception in thread", "Fatal Python error", "Segmentation fault")
        return [line for line in self.node.log("listen").splitlines() if line.startswith(marks)]


@contextmanager
def listening(folder: Path, extra: str = "[limits]\nmin_free_gib = 0.1") -> Iterator[Listening]:
    """Run a real listener with its SQLite ledger until the block ends."""
    node = Node(folder / "node", [], sources=[OWN_AE], extra=extra)
    node.start(["listen"])
    try:
        yield Listening(node)
    finally:
        node.kill("listen")
