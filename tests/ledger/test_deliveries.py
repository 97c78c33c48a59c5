"""What an attempt to deliver came to commits with the end of its job, once."""

from __future__ import annotations

import pytest

from ra_node.domain.job import JobKind, JobState
from ra_node.ledger.database.events import timeline
from ra_node.ledger.database.schema import DeliveryState
from ra_node.ledger.deliveries import DeliveryOutcome, deliveries_of, pending_deliveries, record_delivery
from ra_node.ledger.jobs.queue import LeaseLost, claim
from ra_node.ledger.overview import buried_jobs
from tests.ledger.builders import (
    LEASE_S,
    answered_study,
    claim_one,
    cut_at_every_statement,
    lose_leases,
    picture,
)

SR, OVERLAY = "1.2.3.9.1.1", "1.2.3.9.1.2"


@pytest.fixture
def deliver_job(ledger):
    answered_study(ledger)
    return claim_one(ledger, JobKind.DELIVER)


def test_an_accepted_delivery_ends_its_job(ledger, clock, deliver_job):
    """Everything accepted: done, and the timeline says so."""
    outcomes = [DeliveryOutcome(uid, DeliveryState.ACCEPTED, 0) for uid in (SR, OVERLAY)]
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
        DeliveryOutcome(SR, DeliveryState.ACCEPTED, 0),
        DeliveryOutcome(OVERLAY, DeliveryState.WAITING, 0xA700, "full"),
    ]
    state = record_delivery(ledger, deliver_job, outcomes, retry_at=clock.now + 9, give_up_after_s=100)
    assert state is JobState.READY
    assert claim(ledger, [JobKind.DELIVER], "worker", 1, LEASE_S) == []
    clock.advance(9)
    job = claim_one(ledger, JobKind.DELIVER)
    assert (job.last_error, job.attempt) == ("full", 2)
    assert [one.object.sop_instance_uid for one in pending_deliveries(ledger, job)] == [OVERLAY]
    late = [
        DeliveryOutcome(SR, DeliveryState.REFUSED, 1),
        DeliveryOutcome(OVERLAY, DeliveryState.ACCEPTED, 0),
    ]
    assert record_delivery(ledger, job, late, retry_at=0, give_up_after_s=100) is JobState.DONE


def test_an_association_that_failed_leaves_everything_waiting(ledger, clock, deliver_job):
    """No outcome at all is no success."""
    assert record_delivery(ledger, deliver_job, [], retry_at=0, give_up_after_s=100) is JobState.READY
    assert len(pending_deliveries(ledger, claim_one(ledger, JobKind.DELIVER))) == 2


def test_a_refusal_for_good_is_buried_with_its_status(ledger, clock, deliver_job):
    """An operator must see it; trying again would not help."""
    outcomes = [
        DeliveryOutcome(SR, DeliveryState.ACCEPTED, 0),
        DeliveryOutcome(OVERLAY, DeliveryState.REFUSED, 0xA900, "no"),
    ]
    state = record_delivery(ledger, deliver_job, outcomes, retry_at=clock.now, give_up_after_s=100)
    assert state is JobState.BURIED
    assert buried_jobs(ledger)[0].last_error == "the peer refused 1 objects, overlay with status 0xA900: no"


def test_a_delivery_is_given_up_when_it_is_too_old(ledger, clock, deliver_job):
    """A peer that is gone for good ends in the operator's list."""
    clock.advance(100)
    outcomes = [DeliveryOutcome(SR, DeliveryState.WAITING, None, "no answer")]
    state = record_delivery(ledger, deliver_job, outcomes, retry_at=clock.now, give_up_after_s=100)
    assert state is JobState.BURIED
    assert buried_jobs(ledger)[0].last_error == "no answer"


def test_recording_a_delivery_is_all_or_nothing(ledger, clock, deliver_job):
    """After a crash the objects are sent again, which a PACS takes for a repeat."""
    outcomes = [DeliveryOutcome(uid, DeliveryState.ACCEPTED, 0) for uid in (SR, OVERLAY)]
    places = cut_at_every_statement(
        ledger,
        lambda: record_delivery(ledger, deliver_job, outcomes, retry_at=clock.now, give_up_after_s=None),
    )
    assert places >= 8


def test_a_fenced_worker_records_no_delivery(ledger, clock, deliver_job):
    """The new holder sends and records."""
    lose_leases(ledger, clock)
    claim_one(ledger, JobKind.DELIVER, "second")
    before = picture(ledger)
    with pytest.raises(LeaseLost):
        record_delivery(
            ledger,
            deliver_job,
            [DeliveryOutcome(uid, DeliveryState.ACCEPTED, 0) for uid in (SR, OVERLAY)],
            retry_at=clock.now,
            give_up_after_s=None,
        )
    assert picture(ledger) == before
