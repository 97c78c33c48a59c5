"""What was found in an image commits with the end of its examination, and is told with its failure."""

from __future__ import annotations

from ra_node.domain.job import JobKind, JobState
from ra_node.ledger.findings import findings_of, finish_examination
from ra_node.ledger.inbox import find_instance, settle_now
from ra_node.ledger.jobs.queue import bury
from ra_node.ledger.overview import job_counts
from tests.ledger.builders import (
    claim_one,
    cut_at_every_statement,
    examine_all,
    keep,
    lose_leases,
)


def test_what_was_found_is_recorded_with_the_end_of_its_job(ledger, clock):
    """A finding without its job's end, or the reverse, cannot be."""
    image = keep(ledger, "1.2.3.1.1")
    clock.advance(3)
    finish_examination(ledger, claim_one(ledger), '{"hands": []}', "previews/a.png", "bundle")
    found = find_instance(ledger, image.id)
    assert (found.finding_json, found.preview_path, found.bundle_sha256, found.examined_at) == (
        '{"hands": []}',
        "previews/a.png",
        "bundle",
        clock.now,
    )
    assert job_counts(ledger) == {(JobKind.EXAMINE, JobState.DONE): 1}


def test_recording_an_examination_is_all_or_nothing(ledger):
    """A crash before the commit means that the image is examined again."""
    keep(ledger, "1.2.3.1.1")
    job = claim_one(ledger)
    assert cut_at_every_statement(ledger, lambda: finish_examination(ledger, job, "{}", None, None)) >= 4


def test_a_failed_examination_is_a_finding_with_its_reason(ledger, clock):
    """The report goes out and says that the analysis failed."""
    keep(ledger, "1.2.3.1.1")
    clock.advance(1)
    keep(ledger, "1.2.3.1.2")
    keep(ledger, "1.2.3.9.9", counts=False)
    bury(ledger, claim_one(ledger), "out of memory")
    examine_all(ledger)
    settle_now(ledger, "1.2.3")
    failed, examined = findings_of(ledger, "1.2.3", 1)
    assert (failed.finding_json, failed.failure) == (None, "out of memory")
    assert (examined.finding_json, examined.failure) == ('{"hands": []}', None)


def test_an_error_that_passed_is_no_failure(ledger, clock):
    """An image examined on its second attempt is examined."""
    keep(ledger, "1.2.3.1.1")
    claim_one(ledger)
    lose_leases(ledger, clock)
    examine_all(ledger)
    settle_now(ledger, "1.2.3")
    assert [finding.failure for finding in findings_of(ledger, "1.2.3", 1)] == [None]
