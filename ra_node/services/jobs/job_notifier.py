"""Notifies the roles of this machine of new work, so that they need not poll.

A role waits at its named pipes in the folder of lock files; a process that has committed work for it writes a
byte. A lost notification, or one for another machine, costs only the poll interval: the ledger alone holds
the work.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

SUFFIX = ".wake"
_STOP_S = 0.2
"""Longest delay until a waiting role notices the stop."""


@dataclass(frozen=True, slots=True)
class JobNotifier:
    """Notifies all waiters of some topics on this machine."""

    folder: Path

    def ring(self, things: Collection[str]) -> None:
        """Wake the waiters of these topics; never raises and never blocks."""
        with suppress(OSError):
            for name in os.listdir(self.folder):  # noqa: PTH208 - names are all that is needed, of every commit
                thing, _, rest = name.partition("+")
                if thing in things and rest.endswith(SUFFIX):
                    _write(self.folder / name)


def _write(pipe: Path) -> None:
    with suppress(OSError):  # a full pipe has been notified already; without a reader its owner has ended
        handle = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(handle, b"!")
        finally:
            os.close(handle)


@dataclass
class JobListener:
    """Waits at its pipes; without any it only sleeps."""

    stop: threading.Event
    pipes: list[int] = field(default_factory=list)

    def wait(self, most_s: float) -> bool:
        """Wait for a notification, the time-out or the stop; return whether there was one."""
        end = time.monotonic() + most_s
        poll = select.poll()
        for pipe in self.pipes:
            poll.register(pipe, select.POLLIN)
        while not self.stop.is_set():
            left_s = min(_STOP_S, end - time.monotonic())
            rung = poll.poll(max(0.0, left_s) * 1000)
            for pipe, _ in rung:
                os.read(pipe, 65_536)
            if rung or left_s <= 0:
                return bool(rung)
        return False


@contextmanager
def listening(
    folder: Path, owner: str, things: Collection[str], stop: threading.Event
) -> Iterator[JobListener]:
    """Wait for some topics as `owner`; by time-out only where pipes cannot be created."""
    paths = [folder / f"{thing}+{owner}{SUFFIX}" for thing in things]
    ear = JobListener(stop)
    try:
        for path in paths:
            with suppress(OSError):
                os.mkfifo(path, 0o600)
                ear.pipes.append(os.open(path, os.O_RDWR | os.O_NONBLOCK))
        yield ear
    finally:
        for pipe in ear.pipes:
            os.close(pipe)
        for path in paths:
            path.unlink(missing_ok=True)


def silence(folder: Path, owner: str) -> None:
    """Remove the pipes of an owner that has ended."""
    for path in folder.glob(f"*+{owner}{SUFFIX}"):
        path.unlink(missing_ok=True)
