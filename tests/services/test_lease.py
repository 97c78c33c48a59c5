"""What is the machine's fault costs a job no attempt."""

from __future__ import annotations

import errno
from random import Random

import pytest

from ra_node.domain.job import JobKind, JobState
from ra_node.errors import Retryable
from ra_node.ledger.engine import LedgerUnavailable
from ra_node.ledger.overview import buried_jobs, jobs_of
from ra_node.services.lease import postpone
from tests.dicom.builders import source

STUDY = str(source().StudyInstanceUID)


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left"), OSError(errno.EDQUOT, "quota"), LedgerUnavailable("away")],
)
def test_a_shortage_is_waited_out_however_long_it_lasts(bench, error):
    """A full disk must not bury what an hour later would be answered."""
    bench.keep(source())
    for _ in range(20):
        (job,) = bench.claim(JobKind.EXAMINE)
        postpone(bench.ledger, job, error, Random(1))
        bench.clock.advance(4000)
    assert [job.state for job in jobs_of(bench.ledger, STUDY)] == [JobState.READY]
    assert buried_jobs(bench.ledger) == []


@pytest.mark.parametrize("error", [OSError(errno.EIO, "I/O error"), ValueError("odd"), Retryable("not now")])
def test_everything_else_uses_up_its_attempts(bench, error):
    bench.keep(source())
    while jobs := bench.claim(JobKind.EXAMINE):
        postpone(bench.ledger, jobs[0], error, Random(1))
        bench.clock.advance(4000)
    (job,) = buried_jobs(bench.ledger)
    assert job.attempt == job.max_attempts
