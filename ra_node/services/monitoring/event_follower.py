"""Follows the event log: each event is counted once, and an update reads only new ones."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.events import events_after
from ra_node.services.monitoring.event_counters import EventCounters

AT_ONCE = 5000
LATE_S = 120.0
"""How long earlier ids are read again: PostgreSQL may show an event after one with a larger id."""


class EventFollower:
    """Counters that are kept up to date; thread-safe."""

    def __init__(self, ledger: Ledger, at_once: int = AT_ONCE) -> None:
        self._ledger, self._at_once = ledger, at_once
        self._lock = threading.Lock()
        self._tally = EventCounters()
        self._read_to = 0
        self._seen: set[int] = set()
        self._catching_up = False
        self.caught_up = False
        """Whether the whole history has been read; before that, totals would jump."""

    @contextmanager
    def tally(self) -> Iterator[EventCounters]:
        """A snapshot of the counters. Raises LedgerUnavailable.

        While `catch_up` reads the history, the snapshot holds what it has read so far.
        """
        with self._lock:
            if not self._catching_up:
                self._follow()
            yield self._tally

    def catch_up(self) -> None:
        """Read the history in parts, so that other threads can run. Raises LedgerUnavailable."""
        self._catching_up = True
        try:
            position, more = self._read_to, True
            while more:
                with self._lock:
                    position, more = self._part(position)
        finally:
            self._catching_up = False
        self.caught_up = True

    def _follow(self) -> None:
        position, more = self._read_to, True
        while more:
            position, more = self._part(position)
        self.caught_up = True

    def _part(self, after: int) -> tuple[int, bool]:
        """Count the next events after an id; return the last id read, and whether there are more."""
        read, counted_to = (
            events_after(self._ledger, after, EventCounters.kinds, self._at_once),
            self._read_to,
        )
        for event in read:
            if event.id > counted_to and event.id not in self._seen:
                self._seen.add(event.id)
                self._tally.add(event)
        certain_before = self._ledger.clock() - LATE_S
        self._read_to = max([self._read_to, *(one.id for one in read if one.at < certain_before)])
        self._seen = {one for one in self._seen if one > self._read_to}
        return (read[-1].id if read else after), len(read) == self._at_once
