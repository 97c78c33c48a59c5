"""An answer, its objects and their deliveries commit together, once."""

from __future__ import annotations

import pytest

from ra_node.domain.job import JobKind, JobState
from ra_node.ledger.inbox import find_instance, settle_now
from ra_node.ledger.overview import buried_jobs, find_study, job_counts, jobs_of
from ra_node.ledger.queue import LeaseLost, bury, claim
from ra_node.ledger.results import (
    Outcome,
    deliveries_of,
    earlier_result,
    find_result,
    findings_of,
    finish_examination,
    finish_report,
    latest_result,
    objects_of,
    pending_deliveries,
    record_delivery,
)
from ra_node.ledger.schema import DeliveryState, StudyState
from ra_node.ledger.timeline import timeline
from tests.ledger.builders import (
    LEASE_S,
    answer,
    answered_study,
    claim_one,
    cut_at_every_statement,
    examine_all,
    keep,
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


@pytest.fixture
def deliver_job(ledger):
    answered_study(ledger)
    return claim_one(ledger, JobKind.DELIVER)


def finish(ledger, job, *peers):
    result, objects = result_of(job)
    pairs = [(made.sop_instance_uid, peer) for made in objects for peer in peers]
    return finish_report(ledger, job, result, objects, pairs)


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
    clock.advance(LEASE_S)
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
    clock.advance(LEASE_S)
    examine_all(ledger)
    settle_now(ledger, "1.2.3")
    assert [finding.failure for finding in findings_of(ledger, "1.2.3", 1)] == [None]


def test_an_accepted_delivery_ends_its_job(ledger, clock, deliver_job):
    """Everything accepted: done, and the timeline says so."""
    outcomes = [Outcome(uid, DeliveryState.ACCEPTED, 0) for uid in (SR, OVERLAY)]
    state = record_delivery(ledger, deliver_job, outcomes, retry_at=clock.now, give_up_after_s=None)
    assert state is JobState.DONE
    assert {(one.state, one.status, one.attempts) for one in deliveries_of(ledger, "1.2.3")} == {
        (DeliveryState.ACCEPTED, 0, 1)
    }
    told = [event.what for event in timeline(ledger, "1.2.3")]
    assert told[-3:] == ["object_delivered", "object_delivered", "version_delivered"]


def test_what_waits_is_tried_again_and_what_was_accepted_is_not(ledger, clock, deliver_job):
    """A peer that failed in the middle gets only the rest."""
    outcomes = [
        Outcome(SR, DeliveryState.ACCEPTED, 0),
        Outcome(OVERLAY, DeliveryState.WAITING, 0xA700, "full"),
    ]
    state = record_delivery(ledger, deliver_job, outcomes, retry_at=clock.now + 9, give_up_after_s=100)
    assert state is JobState.READY
    assert claim(ledger, [JobKind.DELIVER], "worker", 1, LEASE_S) == []
    clock.advance(9)
    job = claim_one(ledger, JobKind.DELIVER)
    assert (job.last_error, job.attempt) == ("full", 2)
    assert [one.object.sop_instance_uid for one in pending_deliveries(ledger, job)] == [OVERLAY]
    late = [Outcome(SR, DeliveryState.REFUSED, 1), Outcome(OVERLAY, DeliveryState.ACCEPTED, 0)]
    assert record_delivery(ledger, job, late, retry_at=0, give_up_after_s=100) is JobState.DONE


def test_an_association_that_failed_leaves_everything_waiting(ledger, clock, deliver_job):
    """No outcome at all is no success."""
    assert record_delivery(ledger, deliver_job, [], retry_at=0, give_up_after_s=100) is JobState.READY
    assert len(pending_deliveries(ledger, claim_one(ledger, JobKind.DELIVER))) == 2


def test_a_refusal_for_good_is_buried_with_its_status(ledger, clock, deliver_job):
    """An operator must see it; trying again would not help."""
    outcomes = [Outcome(SR, DeliveryState.ACCEPTED, 0), Outcome(OVERLAY, DeliveryState.REFUSED, 0xA900, "no")]
    state = record_delivery(ledger, deliver_job, outcomes, retry_at=clock.now, give_up_after_s=100)
    assert state is JobState.BURIED
    assert buried_jobs(ledger)[0].last_error == "the peer refused 1 objects, overlay with status 0xA900: no"


def test_a_delivery_is_given_up_when_it_is_too_old(ledger, clock, deliver_job):
    """A peer that is gone for good ends in the operator's list."""
    clock.advance(100)
    outcomes = [Outcome(SR, DeliveryState.WAITING, None, "no answer")]
    state = record_delivery(ledger, deliver_job, outcomes, retry_at=clock.now, give_up_after_s=100)
    assert state is JobState.BURIED
    assert buried_jobs(ledger)[0].last_error == "no answer"


def test_recording_a_delivery_is_all_or_nothing(ledger, clock, deliver_job):
    """After a crash the objects are sent again, which a PACS takes for a repeat."""
    outcomes = [Outcome(uid, DeliveryState.ACCEPTED, 0) for uid in (SR, OVERLAY)]
    places = cut_at_every_statement(
        ledger,
        lambda: record_delivery(ledger, deliver_job, outcomes, retry_at=clock.now, give_up_after_s=None),
    )
    assert places >= 8


def test_a_fenced_worker_records_no_delivery(ledger, clock, deliver_job):
    """The new holder sends and records."""
    clock.advance(LEASE_S)
    claim_one(ledger, JobKind.DELIVER, "second")
    before = picture(ledger)
    with pytest.raises(LeaseLost):
        record_delivery(
            ledger,
            deliver_job,
            [Outcome(uid, DeliveryState.ACCEPTED, 0) for uid in (SR, OVERLAY)],
            retry_at=clock.now,
            give_up_after_s=None,
        )
    assert picture(ledger) == before
