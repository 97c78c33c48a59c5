"""Renews the leases of running jobs while they make progress, and postpones failed ones."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random

import structlog

from ra_node.domain.job import Job, machine_delay_s, retry_delay_s
from ra_node.errors import MachineFault, NodeError
from ra_node.ledger.database.engine import Ledger, LedgerUnavailable
from ra_node.ledger.jobs.queue import LeaseLost, excuse, heartbeat, release, retry
from ra_node.services.jobs.machine_faults import is_machine_fault, raise_machine_alarm
from ra_node.services.jobs.progress import Progress, working

BEATS_PER_LEASE = 3
STALL_S = 300.0
"""How long one step of a job may take ([limits] stall_s): an image, a report, an object."""


@contextmanager
def held(
    ledger: Ledger,
    jobs: Sequence[Job],
    lease_s: float,
    stall_s: float = STALL_S,
    progress: Progress | None = None,
) -> Iterator[None]:
    """Renew the leases of `jobs` every third of `lease_s` until the block ends or makes no progress.

    Without a `mark` for `stall_s` the leases expire. Raises MachineFault where no thread can be started; the
    jobs are then released.
    """
    progress = progress or Progress()
    done = threading.Event()
    beating = (ledger, jobs, lease_s, stall_s, progress, done)
    beat = threading.Thread(target=_beat, args=beating, name="heartbeat", daemon=True)
    try:
        beat.start()
    except RuntimeError as error:
        for job in jobs:
            release(ledger, job)
        raise MachineFault("expected a new thread, found that none can be started") from error
    try:
        with working(progress):
            yield
    finally:
        done.set()
        beat.join()


def _beat(
    ledger: Ledger,
    jobs: Sequence[Job],
    lease_s: float,
    stall_s: float,
    progress: Progress,
    done: threading.Event,
) -> None:
    while not done.wait(lease_s / BEATS_PER_LEASE):
        if progress.idle_s() > stall_s:
            for job in jobs:
                structlog.get_logger().error("job_stalled", job_id=job.id, kind=job.kind, after_s=stall_s)
            return
        kept = [_renewed(ledger, job, lease_s) for job in jobs]
        progress.lost = not any(kept)


def _renewed(ledger: Ledger, job: Job, lease_s: float) -> bool:
    """Whether the job may still be ours."""
    try:
        return heartbeat(ledger, job, lease_s)
    except Exception as error:  # noqa: BLE001 - a thread that ended here would lose every lease
        structlog.get_logger().warning("heartbeat_missed", job_id=job.id, error=describe(error))
        return True


def postpone(ledger: Ledger, job: Job, error: Exception, random: Random) -> None:
    """Postpone a failed job, or bury it after its last attempt.

    A fault of the machine does not count: the job waits at most a minute at a time while the fault lasts,
    with an alarm.
    """
    reason = describe(error)
    structlog.get_logger().warning(
        "job_failed", job_id=job.id, kind=job.kind, attempt=job.attempt, error=reason
    )
    if is_machine_fault(error):
        run_at = ledger.clock() + machine_delay_s(job.attempt, random)
        unless_lost(partial(excuse, ledger, job, reason, run_at), job)
        if not is_shortage(error):
            raise_machine_alarm(ledger, job.kind, reason)
        return
    run_at = ledger.clock() + retry_delay_s(job.attempt, random)
    unless_lost(lambda: retry(ledger, job, reason, run_at), job)


def is_shortage(error: Exception) -> bool:
    """Whether the error is a full disk or an unreachable ledger, which have reports of their own."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
    return full or isinstance(error, LedgerUnavailable)


def describe(error: Exception) -> str:
    """An error as text without foreign messages, which could hold a value of the data set."""
    if isinstance(error, NodeError):
        return str(error)
    number = getattr(error, "errno", None)
    name = f"{type(error).__name__} {errno.errorcode.get(number, number)}" if number else type(error).__name__
    return f"{name} in {_where(error)}"


def _where(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


def unless_lost(end: Callable[[], object], job: Job) -> None:
    """End a job unless its lease was lost."""
    try:
        end()
    except LeaseLost:
        structlog.get_logger().warning("lease_lost", job_id=job.id)
