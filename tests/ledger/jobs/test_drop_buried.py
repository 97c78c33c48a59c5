"""Dropping a buried job ends its own version and destination, and nothing else."""

from __future__ import annotations

from ra_node.domain.job import JobKind, JobState
from ra_node.ledger.database.schema import DeliveryState
from ra_node.ledger.deliveries import DeliveryOutcome, deliveries_of, pending_deliveries, record_delivery
from ra_node.ledger.inbox import settle_now
from ra_node.ledger.jobs.drop_buried import drop_buried
from ra_node.ledger.jobs.queue import bury, claim
from ra_node.ledger.overview import jobs_of
from tests.ledger.builders import LEASE_S, answer, answered_study, keep


def test_a_refused_delivery_is_dropped_and_that_to_another_destination_waits_on(ledger):
    answered_study(ledger, peers=("pacs", "archive"))
    (job,) = claim(ledger, [JobKind.DELIVER], "w", 1, LEASE_S, peer="pacs")
    refused = [
        DeliveryOutcome(one.object.sop_instance_uid, DeliveryState.REFUSED, 0xA900, "x")
        for one in pending_deliveries(ledger, job)
    ]
    record_delivery(ledger, job, refused, retry_at=0, give_up_after_s=None)
    assert drop_buried(ledger, [job.id]) == 1
    assert {one.state for one in deliveries_of(ledger, "1.2.3", peer="pacs")} == {DeliveryState.DROPPED}
    assert {one.state for one in deliveries_of(ledger, "1.2.3", peer="archive")} == {DeliveryState.WAITING}
    assert drop_buried(ledger, [job.id]) == 0


def test_an_image_is_dropped_only_after_a_report_has_said_that_it_failed(ledger):
    """Its reason stays: a later version says it again."""
    keep(ledger, "1.2.3.1")
    (job,) = claim(ledger, [JobKind.EXAMINE], "w", 1, LEASE_S)
    bury(ledger, job, "MemoryError")
    assert drop_buried(ledger, [job.id]) == 0
    settle_now(ledger, "1.2.3")
    answer(ledger)
    assert drop_buried(ledger, [job.id]) == 1
    (dropped,) = [one for one in jobs_of(ledger, "1.2.3") if one.id == job.id]
    assert (dropped.state, dropped.last_error) == (JobState.DONE, "MemoryError")


def test_a_report_is_never_dropped(ledger):
    keep(ledger, "1.2.3.1", examine=False)
    settle_now(ledger, "1.2.3")
    (job,) = claim(ledger, [JobKind.REPORT], "w", 1, LEASE_S)
    bury(ledger, job, "no space")
    assert drop_buried(ledger, [job.id]) == 0
    assert [one.state for one in jobs_of(ledger, "1.2.3")] == [JobState.BURIED]
