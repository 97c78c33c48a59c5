"""Thread pool for jobs. A job that was running when its worker died is retried alone.

Reading, the networks and compression release the GIL. On a GPU, which one process uses alone, the threads
keep the cores busy; on a CPU each worker is a process (`ra_node.runtime.worker_processes`) that runs one job
at a time. A crash of the process interrupts every running job. Such a job is therefore not started beside
others, so that a second crash identifies it.
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
"""Longest wait of a full pool before its owner gets control."""


class JobPool:
    """A few threads, each of which runs up to `most` / `threads` jobs together by `do`; not thread-safe.

    With one thread everything runs in the caller's thread. Exceptions of `do` are raised by a later call of
    `work`; at the end of the block only those that are not Retryable.
    """

    def __init__(self, do: Callable[[Sequence[Job]], None], threads: int = 1, most: int = 1) -> None:
        self._do, self._threads, self._share = do, threads, max(1, most // threads)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="job")
        self._busy: set[Future[None]] = set()
        self._clearing = False

    def __enter__(self) -> Self:
        """Start every thread now, because a later failure to start one would block claimed jobs."""
        if self._threads > 1:
            there = threading.Barrier(self._threads)
            wait([self._pool.submit(there.wait) for _ in range(self._threads)])
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True)
        while self._busy:
            with suppress(Retryable):  # the ledger is unreachable; the leases expire
                self._collect()

    def work(self, claim: Callable[[int], list[Job]], give_back: Callable[[Job], object]) -> bool:
        """Claim jobs for free threads and start them; return whether there were any, or no free thread."""
        self._collect()
        free = self._threads - len(self._busy)
        if free == 0 or (self._clearing and self._busy):
            wait(self._busy, LOOK_S, ALL_COMPLETED if self._clearing else FIRST_COMPLETED)
            return True
        jobs = claim(free * self._share)
        self._clearing = any(job.tried_before for job in jobs)
        if self._clearing and self._busy:
            for job in jobs:
                give_back(job)
        elif jobs and (self._clearing or self._threads == 1):
            self._do(jobs)
        else:
            self._begin(jobs, free)
        return bool(jobs)

    def _begin(self, jobs: Sequence[Job], free: int) -> None:
        """Distribute the jobs evenly, so that the images of one study are analysed in parallel."""
        for hand in (jobs[at::free] for at in range(min(free, len(jobs)))):
            self._busy.add(self._pool.submit(self._do, hand))

    def _collect(self) -> None:
        for done in [one for one in self._busy if one.done()]:
            self._busy.remove(done)
            done.result()
