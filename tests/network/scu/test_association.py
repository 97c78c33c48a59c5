"""How far an association request came is read from what the peer sent, however late we look."""

from __future__ import annotations

from pynetdicom import evt
from pynetdicom.events import Event

from ra_node.network.scu.association import Reach, call
from tests.conftest import wait_until
from tests.network.conftest import DX, peer_at


def test_a_rejection_is_read_though_the_connection_has_ended_before_we_look(listen):
    """On a busy machine the peer rejects and closes before our thread runs again: no broken connection."""
    listener = listen(accept_unknown=False)

    def look_late(event: Event) -> None:
        wait_until(event.assoc.dul.to_user_queue.qsize, "the rejection")
        wait_until(lambda: event.assoc.dul.socket.socket is None, "the end of the connection")

    with call(peer_at(listener.port), DX, [(evt.EVT_REQUESTED, look_late)]) as made:
        assert (made.reach, made.association) == (Reach.REJECTED, None)
    assert "Calling AE title not recognised" in made.detail
