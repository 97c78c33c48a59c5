"""A destination is down for 72 simulated hours: nothing is lost, doubled or late; a cut of `make torture`."""

from __future__ import annotations

from itertools import pairwise

from ra_node.domain.job import LONGEST_RETRY_S
from ra_node.ledger.database.schema import DeliveryState
from tests.torture.outage import DOWN, OUTAGE_H, UP, run_outage

STUDIES = 150


def test_the_studies_of_three_days_arrive_once_and_in_order_and_delay_nobody_else():
    found = run_outage(STUDIES)
    network = found.network
    for peer in (DOWN, UP):
        assert found.arrived(peer) == found.wanted, "each once, the oldest first"
    assert found.counts == {(peer, DeliveryState.ACCEPTED): 2 * STUDIES for peer in (DOWN, UP)}
    assert found.delay_of_the_other_s < 0.01, "the other destination saw none of it"
    assert found.after_the_return_s <= LONGEST_RETRY_S
    assert network.associations[DOWN] < STUDIES / 10, "few associations carry them all"
    assert (found.buried, found.still_out) == (0, 0)
    pauses = [round(after - before) for before, after in pairwise(network.attempts)]
    assert max(pauses) <= LONGEST_RETRY_S
    assert OUTAGE_H < len(network.attempts) < 3 * OUTAGE_H
    assert len(set(pauses[15:])) > 30, "without jitter all nodes would come back in one moment"
