"""Stuck, slow, surplus and senseless peers cost the listener nothing: small cuts of `make torture`."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.torture import resources
from tests.torture.conversations import Draw, corpus, mutated
from tests.torture.fuzz import fuzz, send_conversation
from tests.torture.process import Listening, listening
from tests.torture.raw_dicom import ASSOCIATE_AC, RELEASE_PDU, RawConnection, echo_request

PLACES = 6
PATIENT = f"[limits]\nassociation_idle_s = 120\nassociations = {PLACES}\nmin_free_gib = 0.1"
IMPATIENT = PATIENT.replace("120", "1")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory):
    """One listener as a process of its own, which gives a slow machine its time."""
    with listening(tmp_path_factory.mktemp("peers"), PATIENT) as running:
        yield running


@pytest.fixture(autouse=True)
def the_listener_is_unharmed(node: Listening):
    yield
    assert node.is_alive
    assert node.complaints() == []


def test_associations_leave_neither_threads_nor_handles_nor_memory(node: Listening):
    growth = resources.many_associations(node, 120, seed=1, warm_up=60)
    assert growth.failures == []
    assert growth.after.threads <= growth.before.threads
    assert growth.after.handles <= growth.before.handles + resources.CLIENTS  # connections to the ledger
    assert growth.after.memory_mib < growth.before.memory_mib + 16


def test_idle_and_half_open_connections_are_closed_in_every_state(tmp_path):
    with listening(tmp_path, IMPATIENT) as impatient:
        ends = resources.stuck_peers(impatient)
        assert impatient.complaints() == []
    assert len(ends) == 6
    assert all(ends.values()), ends


def test_one_association_too_many_is_rejected_as_transient_and_a_freed_place_is_given(node: Listening):
    """PS3.8 table 9-21: result 2 (transient), source 3 (provider, presentation), reason 2 (local limit)."""
    assert resources.one_too_many(node, PLACES) == (bytes([2, 3, 2]), True)


def test_slow_senders_do_not_starve_the_others(node: Listening):
    resources.beside_slow_senders(node, slow=PLACES - 1, stores=3)


def test_a_fuzzed_listener_does_not_crash_grow_or_write_elsewhere(node: Listening):
    found = fuzz(node, cases=100, seed=1, every=25)
    assert found.crashes == []
    assert found.unserved == 0
    assert found.strays == []
    assert found.before is not None
    assert found.after is not None
    assert found.after.memory_mib < found.before.memory_mib + 128
    assert found.after.handles <= found.before.handles + 8


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), junk=st.binary(max_size=300), at=st.integers(0, 3))
def test_whatever_comes_the_next_peer_is_served(node: Listening, seed: int, junk: bytes, at: int):
    """Hypothesis chooses the conversation and where the nonsense stands in it, and shrinks what breaks."""
    draw = Draw(seed)
    said = mutated(corpus(draw), draw)
    said.insert(min(at, len(said)), junk)
    send_conversation(node.port, said, draw)
    with RawConnection(node.port, 300.0) as line:
        assert line.request(resources.REQUEST) == ASSOCIATE_AC
        assert line.request(echo_request()) != 0
        line.request(RELEASE_PDU)


def test_the_same_seed_makes_the_same_mistakes():
    assert mutated(corpus(Draw(7)), Draw(8)) == mutated(corpus(Draw(7)), Draw(8))
