"""An operator's change is made and recorded in one place, by page and command alike."""

from __future__ import annotations

from ra_node.domain.job import JobKind
from ra_node.ledger.event_query import trail
from ra_node.services.monitoring.operator_actions import Operator, Requeued, try_again
from tests.ledger.builders import bury_one, keep

NIGHT = Operator("night", "10.0.0.9")


def acts(ledger):
    return [entry.event.detail for entry in trail(ledger) if entry.event.what == "operator_acted"]


def test_a_requeue_is_recorded_with_who_asked_and_what_it_found(bench):
    keep(bench.ledger, "1.2.3.1.1")
    job = bury_one(bench.ledger, JobKind.EXAMINE)
    assert try_again(bench.ledger, job.id, NIGHT) == Requeued(1, was_out_of_reach=False)
    (told,) = acts(bench.ledger)
    assert told == {
        "by": "night",
        "address": "10.0.0.9",
        "done": "requeued",
        "name": job.id,
        "jobs": 1,
        "was_out_of_reach": False,
    }


def test_a_requeue_that_finds_nothing_is_no_change(bench):
    assert try_again(bench.ledger, "pacs", NIGHT) == Requeued(0, was_out_of_reach=False)
    assert acts(bench.ledger) == []
