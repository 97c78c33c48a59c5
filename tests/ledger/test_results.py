"""An answer, its objects and their deliveries commit together, once."""

from __future__ import annotations

import pytest

from ra_node.domain.job import JobKind
from ra_node.ledger.database.schema import DeliveryState, StudyState
from ra_node.ledger.deliveries import deliveries_of, pending_deliveries
from ra_node.ledger.inbox import settle_now
from ra_node.ledger.jobs.queue import LeaseLost, claim
from ra_node.ledger.overview import find_study, jobs_of
from ra_node.ledger.results import earlier_result, find_result, finish_report, latest_result, objects_of
from tests.ledger.builders import (
    LEASE_S,
    answer,
    answered_study,
    claim_one,
    cut_at_every_statement,
    examine_all,
    keep,
    lose_leases,
    picture,
    result_of,
)

SR, OVERLAY = "1.2.3.9.1.1", "1.2.3.9.1.2"


@pytest.fixture
def report_job(ledger):
    keep(ledger, "1.2.3.1.1")
    examine_all(ledger)
    settle_now(ledger, "1.2.3")
    return claim_one(ledger, JobKind.REPORT)


def finish(ledger, job, *peers):
    result, objects = result_of(job)
    pairs = [(made.sop_instance_uid, peer) for made in objects for peer in peers]
    return finish_report(ledger, job, result, objects, pairs)


def test_a_report_brings_its_objects_its_deliveries_and_their_jobs(ledger, report_job):
    """One delivery for each object and peer, one job for each peer."""
    assert finish(ledger, report_job, "archive", "viewer")
    result, objects = result_of(report_job)
    assert find_result(ledger, "1.2.3", 1) == result
    assert sorted(objects_of(ledger, "1.2.3", 1), key=lambda made: made.sop_instance_uid) == objects
    deliveries = deliveries_of(ledger, "1.2.3")
    assert {(one.object.sop_instance_uid, one.peer) for one in deliveries} == {
        (uid, peer) for uid in (SR, OVERLAY) for peer in ("archive", "viewer")
    }
    assert {(one.state, one.attempts) for one in deliveries} == {(DeliveryState.WAITING, 0)}
    keys = {job.key for job in jobs_of(ledger, "1.2.3") if job.kind is JobKind.DELIVER}
    assert keys == {"deliver:1.2.3:1:archive", "deliver:1.2.3:1:viewer"}
    line = find_study(ledger, "1.2.3")
    assert (line.state, line.answered_version) == (StudyState.ANSWERED, 1)


def test_each_peer_gets_only_what_it_was_meant_to_get(ledger, report_job):
    """The fallback SR is kept but sent to nobody; the viewer takes no SR."""
    result, objects = result_of(report_job)
    finish_report(ledger, report_job, result, objects, [(OVERLAY, "viewer")])
    job = claim_one(ledger, JobKind.DELIVER)
    assert [one.object.sop_instance_uid for one in pending_deliveries(ledger, job)] == [OVERLAY]


def test_a_report_is_recorded_all_or_nothing(ledger, report_job):
    """No answer without its deliveries, no deliveries without their answer."""
    assert cut_at_every_statement(ledger, lambda: finish(ledger, report_job, "archive", "viewer")) >= 9


def test_recording_a_report_twice_is_harmless(ledger, report_job):
    """A worker that did not hear of its own success may try again."""
    assert finish(ledger, report_job, "archive")
    before = picture(ledger)
    assert not finish(ledger, report_job, "archive")
    assert picture(ledger) == before


def test_a_fenced_worker_cannot_answer(ledger, clock, report_job):
    """Nothing of its report stays; the new holder answers, and then the old one does no harm."""
    lose_leases(ledger, clock)
    second = claim_one(ledger, JobKind.REPORT, "second")
    before = picture(ledger)
    with pytest.raises(LeaseLost):
        finish(ledger, report_job, "archive")
    assert picture(ledger) == before
    assert finish(ledger, second, "archive")
    assert not finish(ledger, report_job, "archive")


def test_a_report_for_nobody_is_an_answer_too(ledger, report_job):
    """A node without destinations keeps its results for its operator."""
    assert finish(ledger, report_job)
    assert claim(ledger, [JobKind.DELIVER], "worker", 1, LEASE_S) == []
    assert find_study(ledger, "1.2.3").state is StudyState.ANSWERED


def test_a_study_with_newer_images_stays_open_when_it_is_answered(ledger, report_job):
    """The answer to version 1 must not hide that version 2 is wanted."""
    keep(ledger, "1.2.3.1.2")
    finish(ledger, report_job)
    line = find_study(ledger, "1.2.3")
    assert (line.state, line.answered_version) == (StudyState.OPEN, 1)


def test_a_revision_finds_its_predecessor(ledger):
    """The newest earlier answer, not its own version."""
    answered_study(ledger)
    keep(ledger, "1.2.3.1.2")
    examine_all(ledger)
    settle_now(ledger, "1.2.3")
    assert earlier_result(ledger, "1.2.3", 1) is None
    assert earlier_result(ledger, "1.2.3", 2).sr_uid == SR
    answer(ledger)
    assert earlier_result(ledger, "1.2.3", 2).version == 1
    assert latest_result(ledger, "1.2.3").version == 2
    assert latest_result(ledger, "9.9.9") is None
