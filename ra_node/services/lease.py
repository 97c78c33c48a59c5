"""Holds claimed jobs while somebody works on them, and puts back what failed."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

import structlog

from ra_node.domain.job import Job, retry_delay_s
from ra_node.errors import NodeError, Retryable
from ra_node.ledger.engine import Ledger, LedgerUnavailable
from ra_node.ledger.queue import LeaseLost, heartbeat, retry

BEATS_PER_LEASE = 3


@contextmanager
def held(ledger: Ledger, jobs: Sequence[Job], lease_s: float) -> Iterator[None]:
    """Renew the leases of `jobs` every third of `lease_s` until the block ends."""
    done = threading.Event()
    beat = threading.Thread(target=_beat, args=(ledger, jobs, lease_s, done), name="heartbeat", daemon=True)
    beat.start()
    try:
        yield
    finally:
        done.set()
        beat.join()


def _beat(ledger: Ledger, jobs: Sequence[Job], lease_s: float, done: threading.Event) -> None:
    while not done.wait(lease_s / BEATS_PER_LEASE):
        for job in jobs:
            try:
                heartbeat(ledger, job, lease_s)
            except Retryable as error:
                structlog.get_logger().warning("heartbeat_missed", job_id=job.id, error=str(error))


def postpone(ledger: Ledger, job: Job, error: Exception, random: Random) -> None:
    """Put a failed job back for later, or bury it after its last attempt.

    A full disk or an absent ledger is no fault of the job: it waits as long as that lasts.
    """
    reason = describe(error)
    give_up_after_s = float("inf") if is_shortage(error) else None
    structlog.get_logger().warning(
        "job_failed", job_id=job.id, kind=job.kind, attempt=job.attempt, error=reason
    )
    run_at = ledger.clock() + retry_delay_s(job.attempt, random)
    unless_lost(lambda: retry(ledger, job, reason, run_at, give_up_after_s=give_up_after_s), job)


def is_shortage(error: Exception) -> bool:
    """Tell whether the machine, not the job, is to blame: no space, or no ledger for now."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
    return full or isinstance(error, LedgerUnavailable)


def describe(error: Exception) -> str:
    """An error in words that may be kept: a foreign message could hold a value of the data set."""
    return str(error) if isinstance(error, NodeError) else f"{type(error).__name__} in {_where(error)}"


def _where(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


def unless_lost(end: Callable[[], object], job: Job) -> None:
    """End a job, unless somebody else holds it by now: then it is theirs to end."""
    try:
        end()
    except LeaseLost:
        structlog.get_logger().warning("lease_lost", job_id=job.id)
