"""Tells the machine's faults from those of an image: what the machine could not do is not the image's end.

A disk that gives I/O errors, handles, threads or memory that ran out, a GPU whose context is broken and
a library that does not load fail whatever is tried. Such a failure costs a job no attempt, raises an
alarm, and where the state of the process may be broken, ends the process.
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
"""So often one job meets faults of the machine, while a known-good image is analysed, until it is the job:
a quarter of an hour."""

_OF_THE_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP})
_OF_THE_PROCESS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})
_SIGNS = (
    "cuda", "cudnn", "cublas", "cufft", "nvml", "hip error", "out of memory", "allocate memory",
    "insufficient memory", "failed to allocate", "start new thread",
)  # fmt: skip
"""Words of PyTorch, OpenCV and Python, lower case, which have no types for it."""
_HARMLESS = ("start new thread",)
"""After these the process goes on as before."""


class ProcessBroken(NodeError):
    """This process may give wrong answers or none: it must end, and another take its place."""


def is_machine_fault(error: BaseException) -> bool:
    """Tell whether the machine, not the job, is to blame for an error or for one that it came from."""
    return any(_is_fault(one) for one in _causes(error))


def breaks_process(error: BaseException) -> bool:
    """Tell whether the process may be broken after it: memory ran out, or the GPU's context is gone."""
    return any(
        isinstance(one, MemoryError) or _sign_of(one) not in (None, *_HARMLESS) for one in _causes(error)
    )


def _is_fault(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno is not None and error.errno not in _OF_THE_FILE
    known = isinstance(error, (MachineFault, LedgerUnavailable, MemoryError, ProcessBroken))
    return known or type(error) is DatabaseError or _sign_of(error) is not None


def _sign_of(error: BaseException) -> str | None:
    """The word by which an error of a library without types of its own is known."""
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
    """Tell whether the next image would fail as well; one file of an archive may have an I/O error alone."""
    return any(
        one.errno in _OF_THE_PROCESS if isinstance(one, OSError) else _is_fault(one) for one in _causes(error)
    )


def raise_machine_alarm(ledger: Ledger, subject: str, reason: str) -> None:
    """Keep an alarm for what this machine cannot do; the ledger may be what is broken."""
    with suppress(Exception):
        if raise_alarm(ledger, AlarmKind.MACHINE, subject, reason):
            structlog.get_logger().error("machine_fault_detected", subject=subject, error=reason)


def clear_machine_alarms(ledger: Ledger) -> None:
    """End the alarms of those kinds of job of which none waits for the machine any more."""
    kinds = {kind.value for kind in JobKind}
    for alarm in alarms(ledger):
        mine = alarm.kind is AlarmKind.MACHINE and alarm.subject in kinds
        if mine and not waiting_for_machine(ledger, JobKind(alarm.subject)):
            clear_alarm(ledger, AlarmKind.MACHINE, alarm.subject)


def watched(ledger: Ledger, name: str, run: Callable[[], T]) -> Callable[[], T]:
    """A task that alarms while the machine keeps it from its work."""
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
