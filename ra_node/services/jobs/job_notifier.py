"""Tells the roles of this machine at once that there is something to do, so that they need not look for it.

A role waits at named pipes of its own in the folder of presence; whoever has committed work for it
writes a byte into them. A ring that is lost, or for another machine, costs no more than the wait: the
ledger alone says what there is to do.
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
"""How late a waiting role may hear that it is to stop."""


@dataclass(frozen=True, slots=True)
class JobNotifier:
    """Rings for everybody on this machine who waits for one of some things."""

    folder: Path

    def ring(self, things: Collection[str]) -> None:
        """Wake those who wait for any of these; never raises and never waits."""
        with suppress(OSError):
            for name in os.listdir(self.folder):  # noqa: PTH208 - names are all that is needed, of every commit
                thing, _, rest = name.partition("+")
                if thing in things and rest.endswith(SUFFIX):
                    _write(self.folder / name)


def _write(pipe: Path) -> None:
    with suppress(OSError):  # a full pipe has rung already; without a reader its owner is dead
        handle = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(handle, b"!")
        finally:
            os.close(handle)


@dataclass
class JobListener:
    """Hears the bells of its pipes; without any it only waits."""

    stop: threading.Event
    pipes: list[int] = field(default_factory=list)

    def wait(self, most_s: float) -> bool:
        """Wait for a ring, at most so long and no longer than to the stop; tell whether it rang."""
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
    """Wait for some things as `owner`; where pipes cannot be made, by time alone."""
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
    """Remove the pipes of an owner that has died."""
    for path in folder.glob(f"*+{owner}{SUFFIX}"):
        path.unlink(missing_ok=True)
