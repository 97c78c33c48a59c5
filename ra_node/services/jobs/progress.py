"""Progress of work: a lease is renewed, and a role counts as alive, only while its work makes progress.

Code calls `mark` after each step, such as an image read or an object sent. The progress of a thread is a
context variable, so that it need not be passed on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(eq=False)
class Progress:
    """Time of the last step of a piece of work, and whether its lease is still held.

    `moved` is called after each step.
    """

    clock: Callable[[], float] = time.monotonic
    moved: Callable[[], None] = lambda: None
    at: float = 0.0
    lost: bool = False

    def __post_init__(self) -> None:
        self.at = self.clock()

    def mark(self) -> None:
        self.at = self.clock()
        self.moved()

    def idle_s(self) -> float:
        return self.clock() - self.at


_current: ContextVar[Progress | None] = ContextVar("progress", default=None)


@contextmanager
def working(progress: Progress) -> Iterator[None]:
    """Set the current piece of work of this thread for the block."""
    token = _current.set(progress)
    try:
        yield
    finally:
        _current.reset(token)


def mark() -> None:
    """Record a step of the work of this thread."""
    progress = _current.get()
    if progress is not None:
        progress.mark()


def lost() -> bool:
    """Whether the lease of this thread's work is lost, so that it should stop."""
    progress = _current.get()
    return progress is not None and progress.lost
