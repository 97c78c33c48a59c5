"""Says whether work moves, which a heartbeat cannot: only while it does is a lease renewed, and a role alive.

Whoever works calls `mark` after each step: an image read, an object sent. It needs to know nothing of who
watches: the progress of a thread is a context variable.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(eq=False)
class Progress:
    """When one piece of work last came a step further, and whether it still has its lease.

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
    """Let what this thread does until the end of the block be that piece of work."""
    token = _current.set(progress)
    try:
        yield
    finally:
        _current.reset(token)


def mark() -> None:
    """Note that the work of this thread came a step further."""
    progress = _current.get()
    if progress is not None:
        progress.mark()


def lost() -> bool:
    """Tell whether the work of this thread is another's by now, so that going on is of no use."""
    progress = _current.get()
    return progress is not None and progress.lost
