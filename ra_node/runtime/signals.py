"""Turns SIGINT and SIGTERM into a request to stop in good order; the second one stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Stop:
    """The signal that requested the stop; 0 without one."""

    event: threading.Event = field(default_factory=threading.Event)
    number: int = 0

    def ask(self, number: int, _frame: object = None) -> None:
        """Record a signal. Raises KeyboardInterrupt at the second one."""
        if self.number:
            raise KeyboardInterrupt
        self.number = number
        self.event.set()


@contextmanager
def stopping() -> Iterator[Stop]:
    """Handle both signals during the block; main thread only."""
    stop = Stop()
    before = {number: signal.signal(number, stop.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
