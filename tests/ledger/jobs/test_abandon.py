"""An operator can give up what will never arrive; nothing else is touched."""

from __future__ import annotations

import pytest

from ra_node.domain.job import JobKind, JobState
from ra_node.ledger.database.events import timeline
from ra_node.ledger.database.schema import CommitmentState, DeliveryState
from ra_node.ledger.deliveries import DeliveryOutcome, deliveries_of, record_delivery
from ra_node.ledger.jobs.abandon import drop
from ra_node.ledger.overview import jobs_of, waiting_since
from ra_node.ledger.retention import purgeable
from tests.ledger.builders import answered_study, bury_one, claim_one


def states(ledger, study="1.2.3"):
    return {(item.peer, item.object.kind): item.state for item in deliveries_of(ledger, study)}


def test_what_waits_for_a_peer_that_is_gone_is_dropped_and_the_rest_goes_on(ledger):
    answered_study(ledger, "1.2.3", ("old", "pacs"))
    answered_study(ledger, "1.2.4", ("old",))
    assert set(waiting_since(ledger)) == {"old", "pacs"}
    assert drop(ledger, peer="old") == 4
    assert set(waiting_since(ledger)) == {"pacs"}
    assert states(ledger) == {
        ("old", "sr"): DeliveryState.DROPPED,
        ("old", "overlay"): DeliveryState.DROPPED,
        ("pacs", "sr"): DeliveryState.WAITING,
        ("pacs", "overlay"): DeliveryState.WAITING,
    }
    assert claim_one(ledger, JobKind.DELIVER).peer == "pacs"
    assert drop(ledger, peer="old") == 0


def test_a_buried_delivery_of_one_study_is_dropped_and_its_files_may_go(ledger, clock):
    answered_study(ledger, "1.2.3", ("old",))
    answered_study(ledger, "1.2.4", ("old",))
    bury_one(ledger, JobKind.DELIVER)
    assert drop(ledger, study_uid="1.2.3", peer="old") == 2
    assert {job.state for job in jobs_of(ledger, "1.2.3")} == {JobState.DONE}
    assert [listed.study_uid for listed in purgeable(ledger, clock.now)] == ["1.2.3"]
    assert timeline(ledger, "1.2.3")[-1].what == "delivery_dropped"


def test_what_is_delivered_stays_delivered_and_only_the_promise_is_given_up(ledger):
    answered_study(ledger, "1.2.3", ("pacs",))
    job = claim_one(ledger, JobKind.DELIVER)
    outcomes = [DeliveryOutcome(f"1.2.3.9.1.{n}", DeliveryState.ACCEPTED, 0) for n in (1, 2)]
    record_delivery(ledger, job, outcomes, retry_at=0, give_up_after_s=None, commit=True)
    assert drop(ledger, study_uid="1.2.3") == 2
    found = {(item.state, item.commitment) for item in deliveries_of(ledger, "1.2.3")}
    assert found == {(DeliveryState.ACCEPTED, CommitmentState.WAIVED)}


def test_everything_at_once_is_never_meant(ledger):
    with pytest.raises(ValueError, match="expected a study or a peer"):
        drop(ledger)
