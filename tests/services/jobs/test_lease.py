"""What is the machine's fault costs a job no attempt, and only work that moves keeps its lease."""

from __future__ import annotations

import errno
import threading
from random import Random

import pytest

from ra_node.domain.job import JobKind, JobState
from ra_node.errors import MachineFault, Retryable
from ra_node.ledger.alarms import AlarmKind, alarms
from ra_node.ledger.database.engine import LedgerUnavailable
from ra_node.ledger.jobs.queue import abandon, finish
from ra_node.ledger.overview import buried_jobs, jobs_of
from ra_node.services.jobs.lease import held, postpone
from ra_node.services.jobs.machine_faults import breaks_process, clear_machine_alarms
from ra_node.services.jobs.progress import Progress, lost, mark
from tests.conftest import wait_until
from tests.dicom.builders import source
from tests.ledger.builders import FakeClock

STUDY = str(source().StudyInstanceUID)


def cuda_error():
    return RuntimeError("CUDA error: device-side assert triggered")


def handled(error):
    """An error that a library raised in the place of another."""
    raised = ValueError("odd")
    raised.__cause__ = error
    return raised


FAULTS = [
    OSError(errno.ENOSPC, "No space left"),
    OSError(errno.EDQUOT, "quota"),
    LedgerUnavailable("away"),
    OSError(errno.EIO, "I/O error"),
    OSError(errno.EMFILE, "Too many open files"),
    OSError(errno.ESTALE, "Stale file handle"),
    BlockingIOError(errno.EAGAIN, "fork"),
    MemoryError(),
    MachineFault("no decoder"),
    RuntimeError("can't start new thread"),
    RuntimeError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
    handled(OSError(errno.EIO, "I/O error")),
]


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: f"{type(error).__name__}-{error}"[:40])
def test_a_fault_of_the_machine_is_waited_out_however_long_it_lasts(bench, error):
    """A full disk, one with I/O errors or a dead GPU must not bury what an hour later would be answered."""
    bench.keep(source())
    for _ in range(20):
        (job,) = bench.claim(JobKind.EXAMINE)
        assert not job.tried_before
        postpone(bench.ledger, job, error, Random(1))
        (waiting,) = jobs_of(bench.ledger, STUDY)
        assert waiting.run_at - bench.clock.now <= 60.0, "the machine may be well again in a minute"
        bench.clock.advance(60)
    assert [job.state for job in jobs_of(bench.ledger, STUDY)] == [JobState.READY]
    assert buried_jobs(bench.ledger) == []


def test_a_fault_of_the_machine_alarms_until_no_job_waits_for_it(bench):
    bench.keep(source())
    (job,) = bench.claim(JobKind.EXAMINE)
    postpone(bench.ledger, job, OSError(errno.EIO, "I/O error"), Random(1))
    clear_machine_alarms(bench.ledger)
    (alarm,) = alarms(bench.ledger)
    assert (alarm.kind, alarm.subject) == (AlarmKind.MACHINE, "examine")
    assert "EIO" in alarm.detail
    bench.clock.advance(60)
    finish(bench.ledger, *bench.claim(JobKind.EXAMINE))
    clear_machine_alarms(bench.ledger)
    assert alarms(bench.ledger) == []


def test_a_full_disk_has_signs_of_its_own(bench):
    bench.keep(source())
    postpone(bench.ledger, *bench.claim(JobKind.EXAMINE), OSError(errno.ENOSPC, "full"), Random(1))
    assert alarms(bench.ledger) == []


@pytest.mark.parametrize(
    "error",
    [FileNotFoundError(errno.ENOENT, "gone"), ValueError("odd"), Retryable("not now"), OSError("cut")],
)
def test_everything_else_uses_up_its_attempts(bench, error):
    bench.keep(source())
    while jobs := bench.claim(JobKind.EXAMINE):
        postpone(bench.ledger, jobs[0], error, Random(1))
        bench.clock.advance(4000)
    (job,) = buried_jobs(bench.ledger)
    assert job.attempt == job.max_attempts


def test_what_counted_before_a_fault_counts_after_it(bench):
    """Or a poisonous image would have its three attempts again after each I/O error."""
    bench.keep(source())
    for error in (ValueError("odd"), OSError(errno.EIO, "I/O error"), ValueError("odd"), ValueError("odd")):
        postpone(bench.ledger, *bench.claim(JobKind.EXAMINE), error, Random(1))
        bench.clock.advance(4000)
    (job,) = buried_jobs(bench.ledger)
    assert (job.attempt, job.excused) == (4, 1)


@pytest.mark.parametrize(
    ("error", "broken"),
    [
        (MemoryError(), True),
        (cuda_error(), True),
        (handled(MemoryError()), True),
        (OSError(errno.EIO, "I/O error"), False),
        (RuntimeError("can't start new thread"), False),
        (ValueError("CUDA"), False),
    ],
)
def test_a_process_is_replaced_where_memory_ran_out_or_the_gpu_failed(error, broken):
    assert breaks_process(error) is broken


def test_a_lease_is_renewed_only_while_the_work_moves(bench, monkeypatch):
    """A thread that beats for ever would hold an image that hangs for ever."""
    clock, beats = FakeClock(), []
    monkeypatch.setattr("ra_node.services.jobs.lease.heartbeat", lambda *_: beats.append(clock.now) or True)
    bench.keep(source())
    jobs, progress = bench.claim(JobKind.EXAMINE), Progress(clock)
    with held(bench.ledger, jobs, 0.003, 100.0, progress):
        wait_until(lambda: beats, "the first renewal")
        clock.advance(99)
        mark()
        clock.advance(99)
        so_far = len(beats)
        wait_until(lambda: len(beats) > so_far + 1, "renewals after a step")
        clock.advance(2)
        thread = next(one for one in threading.enumerate() if one.name == "heartbeat")
        thread.join(60)
        assert not thread.is_alive()


def test_who_lost_every_lease_knows_it(bench):
    """A process that was stopped for longer than its lease must not go on sending."""
    bench.keep(source())
    jobs = bench.claim(JobKind.EXAMINE)
    abandon(bench.ledger, "worker")
    assert bench.claim(JobKind.EXAMINE)
    with held(bench.ledger, jobs, 0.003):
        wait_until(lost, "the loss to be known")
    assert not lost()


def test_without_a_thread_for_the_heartbeat_jobs_are_given_back_untouched(bench, monkeypatch):
    def start(_self):
        raise RuntimeError("can't start new thread")

    bench.keep(source())
    jobs = bench.claim(JobKind.EXAMINE)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(MachineFault), held(bench.ledger, jobs, 60.0):
            raise AssertionError("the work must not begin")
    (job,) = jobs_of(bench.ledger, STUDY)
    assert (job.state, job.attempt) == (JobState.READY, 0)
