"""Distinguishes faults of the machine from those of an image.

I/O errors, exhausted handles, threads or memory, a broken GPU context and a library that does not load affect
every job. Such a failure does not count as attempt, raises an alarm, and ends the process where its state may
be broken.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TypeVar

import structlog
from sqlalchemy.exc import DatabaseError

from ra_node.domain.job import JobKind
from ra_node.errors import MachineFault, NodeError
from ra_node.ledger.alarms import AlarmKind, alarms, clear_alarm, raise_alarm
from ra_node.ledger.database.engine import Ledger, LedgerUnavailable
from ra_node.ledger.jobs.queue import EXCUSED, waiting_for_machine

T = TypeVar("T")

PATIENCE_ATTEMPTS = 20
"""Machine faults of one job while a known-good image is analysed; then the job is at fault: 15 minutes."""

_OF_THE_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP})
_OF_THE_PROCESS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})
_SIGNS = (
    "cuda", "cudnn", "cublas", "cufft", "nvml", "hip error", "out of memory", "allocate memory",
    "insufficient memory", "failed to allocate", "start new thread",
)  # fmt: skip
"""Messages of PyTorch, OpenCV and Python, lower case, for errors without types of their own."""
_HARMLESS = ("start new thread",)
"""After these errors the process continues."""


class ProcessBroken(NodeError):
    """The state of this process may be broken: it must end and be replaced."""


def is_machine_fault(error: BaseException) -> bool:
    """Whether an error or one of its causes is a fault of the machine."""
    return any(_is_fault(one) for one in _causes(error))


def breaks_process(error: BaseException) -> bool:
    """Whether the process may be broken afterwards: out of memory, or GPU context lost."""
    return any(
        isinstance(one, MemoryError) or _sign_of(one) not in (None, *_HARMLESS) for one in _causes(error)
    )


def _is_fault(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno is not None and error.errno not in _OF_THE_FILE
    known = isinstance(error, (MachineFault, LedgerUnavailable, MemoryError, ProcessBroken))
    return known or type(error) is DatabaseError or _sign_of(error) is not None


def _sign_of(error: BaseException) -> str | None:
    """The message that identifies an error of a library without types of its own."""
    if isinstance(error, (NodeError, OSError, ValueError, LookupError, TypeError)):
        return None
    text = f"{type(error).__name__} {error}".lower()
    return next((sign for sign in _SIGNS if sign in text), None)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def stops_everything(error: BaseException) -> bool:
    """Whether the next image would fail as well; a single file of an archive may have an I/O error."""
    return any(
        one.errno in _OF_THE_PROCESS if isinstance(one, OSError) else _is_fault(one) for one in _causes(error)
    )


def raise_machine_alarm(ledger: Ledger, subject: str, reason: str) -> None:
    """Raise the alarm for a machine fault; the ledger itself may be unreachable."""
    with suppress(Exception):
        if raise_alarm(ledger, AlarmKind.MACHINE, subject, reason):
            structlog.get_logger().error("machine_fault_detected", subject=subject, error=reason)


def clear_machine_alarms(ledger: Ledger) -> None:
    """Clear the alarms of kinds of job of which none waits for the machine any more."""
    kinds = {kind.value for kind in JobKind}
    for alarm in alarms(ledger):
        mine = alarm.kind is AlarmKind.MACHINE and alarm.subject in kinds
        if mine and not waiting_for_machine(ledger, JobKind(alarm.subject)):
            clear_alarm(ledger, AlarmKind.MACHINE, alarm.subject)


def watched(ledger: Ledger, name: str, run: Callable[[], T]) -> Callable[[], T]:
    """Wrap a task: an alarm while the machine prevents it."""
    failing = True  # an earlier process may have raised the alarm

    def task() -> T:
        nonlocal failing
        try:
            done = run()
        except Exception as error:
            if is_machine_fault(error) and not isinstance(error, LedgerUnavailable):
                failing = True
                raise_machine_alarm(ledger, name, f"{EXCUSED}{type(error).__name__}")
            raise
        if failing:
            failing = not _cleared(ledger, name)
        return done

    return task


def _cleared(ledger: Ledger, name: str) -> bool:
    with suppress(LedgerUnavailable):
        clear_alarm(ledger, AlarmKind.MACHINE, name)
        return True
    return False
