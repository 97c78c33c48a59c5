"""Nobody waits for an acknowledgement: neither we, nor a peer that sends its messages in two pieces."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydicom import Dataset
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from ra_node.network.pynetdicom_ext.ae import tend
from ra_node.network.scp.server import Listener
from ra_node.network.scu.association import call
from tests.network.conftest import DX, peer_at
from tests.network.fakes import write_instance
from tests.network.wire import raw_socket

Listen = Callable[..., Listener]
CONTEXTS = [*DX, build_context(Verification)]
HEADERS_BYTES = 12
"""Of a P-DATA-TF PDU and of its first value; DCMTK sends them apart from what they announce."""
FIRST = 20
"""Exchanges at whose segments the kernel acknowledges at once, whatever is asked of it."""
MOST = 100
HELD_BACK_S = 0.04
"""A delayed acknowledgement comes after 40 ms at the earliest, so that no exchange takes less."""


class Peer:
    """A bare peer that sends each PDU at once, or in two pieces by the rule of Nagle (RFC 896)."""

    def __init__(self) -> None:
        self.in_pieces = False
        self.opened = (evt.EVT_CONN_OPEN, self._opened)

    def _opened(self, event: Event) -> None:
        tend(event.assoc, 60.0)
        raw, wrapped = raw_socket(event.assoc), event.assoc.dul.socket
        assert wrapped is not None
        send = wrapped.send

        def sent(data: bytes) -> None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, not self.in_pieces)
            for piece in (data[:HEADERS_BYTES], data[HEADERS_BYTES:]) if self.in_pieces else (data,):
                send(piece)

        wrapped.send = sent  # type: ignore[method-assign]

    def is_not_held_back(self, exchange: Callable[[], Dataset]) -> bool:
        """Whether one of many exchanges in pieces is faster than a delayed acknowledgement.

        One of them, because others are slow on a busy machine.
        """
        self.in_pieces = True
        for _ in range(FIRST):
            assert exchange().Status == 0x0000
        return any(self._takes_s(exchange) < HELD_BACK_S for _ in range(MOST))

    def _takes_s(self, exchange: Callable[[], Dataset]) -> float:
        start = time.perf_counter()
        assert exchange().Status == 0x0000
        return time.perf_counter() - start


@contextmanager
def calling(peer: Peer, port: int) -> Iterator[Association]:
    """The peer associates with us."""
    entity = AE("MODALITY")
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 60
    association = entity.associate("127.0.0.1", port, CONTEXTS, ae_title="RANODE", evt_handlers=[peer.opened])
    try:
        yield association
    finally:
        association.release()


@contextmanager
def called(peer: Peer) -> Iterator[Association]:
    """We associate with the peer."""
    entity = AE("ARCHIVE")
    answering = (evt.EVT_C_ECHO, lambda _event: 0x0000)
    server = entity.start_server(
        ("127.0.0.1", 0), block=False, contexts=CONTEXTS, evt_handlers=[peer.opened, answering]
    )
    try:
        with call(peer_at(server.server_address[1]), CONTEXTS) as made:
            assert made.association is not None
            yield made.association
    finally:
        server.shutdown()


def test_a_peer_that_stores_in_pieces_is_not_held_up(listen: Listen, tmp_path: Path):
    """As DCMTK and most toolkits do: the headers, then what they announce."""
    peer, path = Peer(), write_instance(tmp_path, pixels_bytes=5_000)
    with calling(peer, listen().port) as association:
        assert peer.is_not_held_back(lambda: association.send_c_store(path))


def test_a_peer_that_asks_in_pieces_is_not_held_up(listen: Listen):
    peer = Peer()
    with calling(peer, listen().port) as association:
        assert peer.is_not_held_back(association.send_c_echo)


def test_a_peer_that_answers_in_pieces_holds_nobody_up():
    peer = Peer()
    with called(peer) as association:
        assert peer.is_not_held_back(association.send_c_echo)


def test_nothing_that_we_send_waits_for_what_went_before(listen: Listen):
    """Whether we were called or call."""
    listener = listen()
    with calling(Peer(), listener.port), called(Peer()) as requested:
        assert listener._server is not None
        (accepted,) = listener._server.active_associations
        for association in (accepted, requested):
            assert raw_socket(association).getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
