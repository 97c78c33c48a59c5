"""A buried job comes back with all its attempts, and what it finds then reaches the PACS too."""

from __future__ import annotations

from ra_node.domain.job import JobKind, JobState
from ra_node.ledger.database.schema import DeliveryState, StudyState
from ra_node.ledger.deliveries import DeliveryOutcome, deliveries_of, record_delivery
from ra_node.ledger.inbox import find_instance, settle_now
from ra_node.ledger.jobs.queue import (
    bury,
    claim,
)
from ra_node.ledger.jobs.requeue import requeue
from ra_node.ledger.overview import find_study, job_counts
from ra_node.ledger.results import earlier_result, finish_report, latest_result
from tests.ledger.builders import (
    LEASE_S,
    answer,
    answered_study,
    bury_one,
    claim_one,
    examine_all,
    keep,
    keep_many,
    result_of,
)


def test_a_requeued_job_starts_anew(ledger, clock):
    """An operator mended the cause; the job has all its attempts and its full age again."""
    keep(ledger, "1.2.3.1.1")
    buried = bury_one(ledger, JobKind.EXAMINE)
    clock.advance(1000)
    assert requeue(ledger, buried.id) == 1
    assert requeue(ledger, buried.id) == 0
    job = claim_one(ledger)
    assert (job.attempt, job.created_at, job.finished_at) == (1, clock.now, None)


def test_a_whole_study_is_requeued_by_its_uid(ledger, clock):
    """Only its own jobs, and only the buried ones."""
    keep_many(ledger, clock, 3)
    keep(ledger, "4.5.6.1.1", "4.5.6")
    for _ in range(2):
        bury_one(ledger, JobKind.EXAMINE)
    assert requeue(ledger, "4.5.6") == 0
    assert requeue(ledger, "1.2.3") == 2
    assert job_counts(ledger) == {(JobKind.EXAMINE, JobState.READY): 4}


def test_a_buried_image_does_not_hold_its_report_up(ledger):
    """The study is answered with the reason."""
    keep(ledger, "1.2.3.1.1")
    settle_now(ledger, "1.2.3")
    bury_one(ledger, JobKind.EXAMINE)
    assert claim_one(ledger, JobKind.REPORT).version == 1


def test_an_image_requeued_after_its_report_makes_a_new_version(ledger):
    """What is found on the second look reaches the PACS too."""
    image = keep(ledger, "1.2.3.1.1")
    settle_now(ledger, "1.2.3")
    bury_one(ledger, JobKind.EXAMINE)
    answer(ledger)
    assert requeue(ledger, "1.2.3") == 1
    assert find_study(ledger, "1.2.3").state is StudyState.OPEN
    examine_all(ledger)
    assert settle_now(ledger, "1.2.3") == 2
    assert find_instance(ledger, image.id).version == 2


def test_an_image_requeued_before_its_report_stays_in_its_version(ledger):
    """The report that waits anyway waits for it."""
    image = keep(ledger, "1.2.3.1.1")
    settle_now(ledger, "1.2.3")
    bury_one(ledger, JobKind.EXAMINE)
    requeue(ledger, "1.2.3")
    assert find_instance(ledger, image.id).version == 1
    assert claim(ledger, [JobKind.REPORT], "worker", 1, LEASE_S) == []


def test_a_buried_report_fails_its_study_until_it_is_requeued(ledger):
    """The operator sees it, mends the cause, and the study is answered after all."""
    keep(ledger, "1.2.3.1.1")
    examine_all(ledger)
    settle_now(ledger, "1.2.3")
    bury_one(ledger, JobKind.REPORT)
    line = find_study(ledger, "1.2.3")
    assert (line.state, line.last_error) == (StudyState.FAILED, "it broke")
    requeue(ledger, "1.2.3")
    assert find_study(ledger, "1.2.3").state is StudyState.SETTLED
    answer(ledger)
    assert find_study(ledger, "1.2.3").state is StudyState.ANSWERED


def test_reports_of_one_study_are_made_in_order(ledger):
    """A revision names its predecessor, which must be there."""
    for version in (1, 2):
        keep(ledger, f"1.2.3.1.{version}")
        settle_now(ledger, "1.2.3")
    examine_all(ledger)
    first = claim(ledger, [JobKind.REPORT], "worker", 5, LEASE_S)
    assert [job.version for job in first] == [1]
    assert claim(ledger, [JobKind.REPORT], "worker", 5, LEASE_S) == []
    bury(ledger, first[0], "it broke")
    assert claim_one(ledger, JobKind.REPORT).version == 2


def test_a_requeued_delivery_sends_what_was_refused_once_more(ledger, clock):
    """What was accepted is not sent again."""
    answered_study(ledger)
    job = claim_one(ledger, JobKind.DELIVER)
    sr, overlay = deliveries_of(ledger, "1.2.3")
    outcomes = [
        DeliveryOutcome(sr.object.sop_instance_uid, DeliveryState.ACCEPTED, 0),
        DeliveryOutcome(overlay.object.sop_instance_uid, DeliveryState.REFUSED, 0xA900, "no such class"),
    ]
    record_delivery(ledger, job, outcomes, retry_at=clock.now, give_up_after_s=None)
    assert requeue(ledger, "1.2.3") == 1
    states = [delivery.state for delivery in deliveries_of(ledger, "1.2.3")]
    assert states == [DeliveryState.ACCEPTED, DeliveryState.WAITING]


def test_a_buried_report_is_ended_by_the_answer_of_a_later_version(ledger):
    """That answer covers its images; requeued, it would become a second report without a predecessor."""
    keep(ledger, "1.2.3.1.1")
    examine_all(ledger)
    settle_now(ledger, "1.2.3")
    bury_one(ledger, JobKind.REPORT)
    keep(ledger, "1.2.3.1.2")
    examine_all(ledger)
    settle_now(ledger, "1.2.3")
    answer(ledger)
    assert requeue(ledger, "1.2.3") == 0
    assert job_counts(ledger)[JobKind.REPORT, JobState.DONE] == 2
    assert find_study(ledger, "1.2.3").state is StudyState.ANSWERED


def test_a_report_that_was_claimed_ends_without_an_answer_after_a_later_one(ledger):
    """It was requeued before the later version settled, and its worker was slow."""
    keep(ledger, "1.2.3.1.1")
    examine_all(ledger)
    settle_now(ledger, "1.2.3")
    buried = bury_one(ledger, JobKind.REPORT)
    keep(ledger, "1.2.3.1.2")
    examine_all(ledger)
    settle_now(ledger, "1.2.3")
    later = claim_one(ledger, JobKind.REPORT)
    assert requeue(ledger, buried.id) == 1
    earlier = claim_one(ledger, JobKind.REPORT)
    assert (later.version, earlier.version) == (2, 1)
    assert finish_report(ledger, later, *result_of(later), [])
    assert not finish_report(ledger, earlier, *result_of(earlier), [])
    assert latest_result(ledger, "1.2.3").version == 2
    assert earlier_result(ledger, "1.2.3", 2) is None
