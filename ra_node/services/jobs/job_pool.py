"""Does several jobs at a time for one owner, in a thread each; one that may have done harm goes alone.

Reading, the networks and packing let go of Python's lock. On a GPU, which one process uses alone, so many
threads keep its cores busy; on a CPU each lane is a process (`ra_node.runtime.worker_processes`) that does
one job at a time. What kills the process takes every job down that is under way. A job that was under
way when that happened is therefore not begun beside others, and none beside it: whoever dies again was to
blame.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Self

from ra_node.domain.job import Job
from ra_node.errors import Retryable

LOOK_S = 1.0
"""How long a crew without a free hand waits at most before its owner looks after other things."""


class JobPool:
    """A few lanes, each of which does up to `most` / `lanes` jobs together by `do`; not shared among threads.

    With one lane everything is done in the caller's own thread. What `do` raises comes out of a later
    call of `work`; out of the end of the block only what is not Retryable.
    """

    def __init__(self, do: Callable[[Sequence[Job]], None], lanes: int = 1, most: int = 1) -> None:
        self._do, self._lanes, self._share = do, lanes, max(1, most // lanes)
        self._pool = ThreadPoolExecutor(lanes, thread_name_prefix="lane")
        self._busy: set[Future[None]] = set()
        self._clearing = False

    def __enter__(self) -> Self:
        """Start every thread now: where none can be started later, jobs that were claimed would be lost."""
        if self._lanes > 1:
            there = threading.Barrier(self._lanes)
            wait([self._pool.submit(there.wait) for _ in range(self._lanes)])
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True)
        while self._busy:
            with suppress(Retryable):  # the ledger is away, and the leases run out by themselves
                self._collect()

    def work(self, claim: Callable[[int], list[Job]], give_back: Callable[[Job], object]) -> bool:
        """Claim for the lanes that are free and begin; tell whether there was anything, or no free lane."""
        self._collect()
        free = self._lanes - len(self._busy)
        if free == 0 or (self._clearing and self._busy):
            wait(self._busy, LOOK_S, ALL_COMPLETED if self._clearing else FIRST_COMPLETED)
            return True
        jobs = claim(free * self._share)
        self._clearing = any(job.tried_before for job in jobs)
        if self._clearing and self._busy:
            for job in jobs:
                give_back(job)
        elif jobs and (self._clearing or self._lanes == 1):
            self._do(jobs)
        else:
            self._begin(jobs, free)
        return bool(jobs)

    def _begin(self, jobs: Sequence[Job], free: int) -> None:
        """Deal the jobs out evenly, so that the images of one study are looked at side by side."""
        for hand in (jobs[at::free] for at in range(min(free, len(jobs)))):
            self._busy.add(self._pool.submit(self._do, hand))

    def _collect(self) -> None:
        for done in [one for one in self._busy if one.done()]:
            self._busy.remove(done)
            done.result()
