"""Nothing hangs in silence: what waits for whom, since when and what to do is said."""

from __future__ import annotations

from ra_node.domain.job import JobKind
from ra_node.ledger.commitments import record_lacking
from ra_node.ledger.database.schema import DeliveryState
from ra_node.ledger.deliveries import DeliveryOutcome, record_delivery
from ra_node.ledger.jobs.peer_backoff import begin_outage
from ra_node.ledger.jobs.queue import claim
from ra_node.services.delivery.destination_status import Disk, DiskSpace, complaints, standings
from tests.ledger.builders import LEASE_S, answered_study, claim_one

GIB = 2**30


def said(bench, *configured):
    now = bench.ledger.clock()
    return {one.peer: complaints(one, now) for one in standings(bench.ledger, configured)}


def test_a_node_without_work_complains_of_nothing(bench):
    assert said(bench, "pacs") == {"pacs": []}


def test_what_waits_for_a_destination_that_was_removed_is_said(bench):
    answered_study(bench.ledger, "1.2.3", ("old", "pacs"))
    bench.clock.advance(60)
    (old, pacs) = standings(bench.ledger, ["pacs"])
    assert (old.peer, old.configured, old.waiting) == ("old", False, 2)
    assert old.waiting_since == bench.clock.now - 60
    (complaint,) = complaints(old, bench.clock.now)
    assert complaint.found == "2 objects wait for a destination that is not configured"
    assert "ra-node drop --peer old" in complaint.hint
    assert complaints(pacs, bench.clock.now) == []


def test_a_destination_that_is_down_is_said_with_its_reason_and_its_next_try(bench):
    answered_study(bench.ledger, "1.2.3", ("pacs",))
    jobs = claim(bench.ledger, [JobKind.DELIVER], "d", 8, LEASE_S, peer="pacs")
    begin_outage(bench.ledger, jobs, "rejected: unknown", lambda _: 90.0, give_up_after_s=1e6)
    bench.clock.advance(30)
    (complaint,) = said(bench, "pacs")["pacs"]
    assert complaint.found == "not reachable (deliver) for 30 s, failed attempts 1: rejected: unknown"
    assert complaint.hint == "tried again in 60 s; at once by ra-node requeue pacs"


def test_a_destination_without_commitment_is_said(bench):
    answered_study(bench.ledger, "1.2.3", ("pacs",))
    job = claim_one(bench.ledger, JobKind.DELIVER)
    outcomes = [DeliveryOutcome(f"1.2.3.9.1.{n}", DeliveryState.ACCEPTED, 0) for n in (1, 2)]
    record_delivery(bench.ledger, job, outcomes, retry_at=0, give_up_after_s=None, commit=True)
    record_lacking(bench.ledger, claim_one(bench.ledger, JobKind.COMMIT), "no context")
    (complaint,) = said(bench, "pacs")["pacs"]
    assert complaint.found.startswith("2 objects wait for storage commitment")
    assert "commitment = false" in complaint.hint


def test_a_disk_says_which_mark_it_has_passed():
    rooms = [Disk(free * GIB, 2 * GIB, 3 * GIB).room for free in (1, 2, 3)]
    assert rooms == [DiskSpace.LOW, DiskSpace.BETWEEN, DiskSpace.ENOUGH]
