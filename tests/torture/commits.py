"""kill -9 before and after every commit of a piece of work, one commit at a time, without processes.

A kill is an exception that nothing of the product catches; what the process held in memory is gone, and its
leases are given back as the scheduler does. Then the work is done to its end, and the caller judges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest

from ra_node.ledger.database.engine import Ledger

MOST_COMMITS = 200


class Killed(BaseException):
    """The process has ended here."""


@contextmanager
def killed_at(nth: int, when: Literal["before", "after"]) -> Iterator[list[int]]:
    """End the process before or after the nth commit; the list counts all of them."""
    passed: list[int] = []
    original = Ledger.write

    @contextmanager
    def write(ledger: Ledger) -> Iterator[Any]:
        with original(ledger) as connection:
            yield connection
            passed.append(len(passed) + 1)
            if len(passed) == nth and when == "before":
                raise Killed
        if len(passed) == nth:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "write", write)
        yield passed


def at_every_commit(
    begin: Callable[[], Any],
    work: Callable[[Any], None],
    judge: Callable[[Any], None],
    *,
    first: int = 1,
    step: int = 1,
) -> int:
    """Kill `work` at its commits, repeat it until it ends, and judge each time; return the number of kills.

    `begin` makes a fresh state, in which `work` may be repeated after a kill. Commits are those from `first`
    on, each `step`-th.
    """
    kills = 0
    for nth in range(first, MOST_COMMITS, step):
        reached = False
        for when in ("before", "after"):
            state = begin()
            try:
                with killed_at(nth, when):
                    work(state)
            except Killed:
                kills, reached = kills + 1, True
                work(state)
            judge(state)
        if not reached:
            return kills
    raise AssertionError(f"expected fewer than {MOST_COMMITS} commits")
