"""A peer that lies, floods or dawdles is cut off, and holds neither memory nor a place for long."""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pynetdicom import build_context
from pynetdicom.association import Association
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from ra_node.network.pynetdicom_ext import limits as bounds
from ra_node.network.scp.server import Listener
from tests.network.fakes import FakeInbox, wait_until
from tests.network.wire import raw_socket

Listen = Callable[..., Listener]
Associate = Callable[..., Association]
ECHO = [build_context(Verification)]


@pytest.fixture
def connect() -> Iterator[Callable[[int], socket.socket]]:
    with ExitStack() as stack:
        yield lambda port: stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=120))


def is_cut(connection: socket.socket) -> bool:
    """Wait until the other side has ended the connection."""
    try:
        while connection.recv(65_536):
            pass
    except ConnectionResetError:
        pass
    return True


def is_cut_while_sending(connection: socket.socket, data: bytes, times: int = 100_000) -> bool:
    try:
        for _ in range(times):
            connection.sendall(data)
    except OSError:
        return True
    return False


@pytest.fixture(autouse=True)
def the_next_peer_is_served(listen: Listen, associate: Associate):
    listener = listen(network_timeout_s=300.0)  # which no test waits for: its limit ends the connection
    yield listener
    association = associate(listener.port, ECHO)
    assert association.send_c_echo().Status == 0x0000
    association.release()


def test_a_pdu_that_claims_gigabytes_is_not_waited_for(the_next_peer_is_served: Listener, connect):
    connection = connect(the_next_peer_is_served.port)
    connection.sendall(struct.pack(">BBL", 1, 0, 0xFFFFFFFF) + bytes(1000))
    assert is_cut(connection)


def test_a_pdu_that_drips_in_is_given_up_after_the_timeout(
    listen: Listen, associate: Associate, connect, tmp_path: Path
):
    """Each byte would restart the timer of the library, for ever."""
    port = listen(network_timeout_s=1.0, incoming=tmp_path / "dripping").port
    connection = connect(port)
    connection.sendall(struct.pack(">BBL", 1, 0, 1_000_000))
    connection.settimeout(0.1)

    def dripped() -> bool:
        try:
            connection.sendall(b"\0")
            return connection.recv(10) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    assert wait_until(dripped)
    assert wait_until(lambda: associate(port, ECHO).is_established)


def test_a_command_without_end_does_not_gather_in_memory(
    the_next_peer_is_served: Listener, associate: Associate, inbox: FakeInbox, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(bounds, "MOST_MESSAGE_BYTES", 100_000)
    association = associate(the_next_peer_is_served.port, ECHO)
    fragment = bytes([1]) + bytes(10_000)
    context = association.accepted_contexts[0].context_id
    assert context is not None
    item = struct.pack(">LB", len(fragment) + 1, context) + fragment
    assert is_cut_while_sending(raw_socket(association), struct.pack(">BBL", 4, 0, len(item)) + item)
    inbox.wait_until_closed()


def test_requests_without_waiting_for_answers_do_not_pile_up(
    the_next_peer_is_served: Listener, associate: Associate, inbox: FakeInbox, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(bounds, "MOST_WAITING", 3)
    association = associate(the_next_peer_is_served.port, ECHO)
    command = (
        struct.pack("<HHLL", 0, 0, 4, 56)
        + struct.pack("<HHL18s", 0, 2, 18, b"1.2.840.10008.1.1\0")
        + struct.pack("<HHLH", 0, 0x0100, 2, 0x0030)
        + struct.pack("<HHLH", 0, 0x0110, 2, 1)
        + struct.pack("<HHLH", 0, 0x0800, 2, 0x0101)
    )
    context = association.accepted_contexts[0].context_id
    assert context is not None
    item = struct.pack(">LBB", len(command) + 2, context, 3) + command
    assert is_cut_while_sending(raw_socket(association), (struct.pack(">BBL", 4, 0, len(item)) + item) * 50)
    inbox.wait_until_closed()


def test_silent_connections_beyond_the_spare_ones_are_turned_away(
    the_next_peer_is_served: Listener, connect, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(bounds, "SPARE_CONNECTIONS", -18)  # of the 20 places two are left
    server = the_next_peer_is_served._server
    assert server is not None
    silent = []
    for number in range(1, 4):
        silent.append(connect(the_next_peer_is_served.port))
        assert wait_until(lambda number=number: bounds.open_connections(server.active_associations) == number)
    assert all(is_cut(connect(the_next_peer_is_served.port)) for _ in range(2))
    assert select.select(silent, [], [], 0)[0] == []
    for connection in silent:
        connection.close()
    assert wait_until(lambda: not server.active_associations)
