"""The timeline only grows, and tells the way of a study from the first image to its delivery."""

from __future__ import annotations

from ra_node.domain.job import JobKind
from ra_node.ledger.database.events import record, timeline
from ra_node.ledger.database.schema import DeliveryState
from ra_node.ledger.deliveries import DeliveryOutcome, record_delivery
from tests.ledger.builders import answered_study, claim_one, keep


def test_the_way_of_a_study_can_be_read(ledger, clock):
    """Past tense, in order, with times."""
    answered_study(ledger)
    clock.advance(2)
    job = claim_one(ledger, JobKind.DELIVER)
    outcomes = [DeliveryOutcome(f"1.2.3.9.1.{n}", DeliveryState.ACCEPTED, 0) for n in (1, 2)]
    record_delivery(ledger, job, outcomes, retry_at=clock.now, give_up_after_s=None)
    told = timeline(ledger, "1.2.3")
    assert [event.what for event in told] == [
        "instance_stored",
        "instance_examined",
        "study_settled",
        "study_answered",
        "object_delivered",
        "object_delivered",
        "version_delivered",
    ]
    assert [event.at for event in told] == sorted(event.at for event in told)
    assert told[-1].detail == {"version": 1, "peer": "archive"}


def test_events_of_other_studies_are_not_told(ledger):
    """One study, one timeline; what belongs to no study is in none."""
    keep(ledger, "1.2.3.1.1")
    keep(ledger, "4.5.6.1.1", "4.5.6")
    record(ledger, "node_started", version="1")
    assert len(timeline(ledger, "1.2.3")) == 1
