"""One frame, one answer; a broken frame ends its connection and nobody else's."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from ra_node.network.hl7 import mllp_server
from ra_node.network.hl7.mllp_server import MOST_CALLERS, MllpServer
from ra_node.network.tls import calling, serving
from tests.network.authority import Authority


@pytest.fixture
def served():
    taken: list[bytes] = []

    def take(content):
        if content == b"bad":
            raise ValueError
        taken.append(content)
        return b"ACK " + content

    stop = threading.Event()
    server = MllpServer("127.0.0.1", 0, take)
    thread = threading.Thread(target=server.serve, args=(stop,), daemon=True)
    thread.start()
    yield server.port, taken
    stop.set()
    thread.join(60)


def call(port):
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def answer(connection):
    """What comes back; a connection that is reset has no answer either."""
    found = b""
    with suppress(ConnectionResetError):
        while not found.endswith(b"\x1c\r"):
            part = connection.recv(100)
            if not part:
                break
            found += part
    return found


def test_messages_of_one_connection_are_answered_in_turn(served):
    """However the bytes are cut."""
    port, taken = served
    with call(port) as connection:
        for part in (b"\x0bo", b"ne\x1c", b"\r"):
            connection.sendall(part)
        assert answer(connection) == b"\x0bACK one\x1c\r"
        connection.sendall(b"\x0btwo\x1c\r")
        assert answer(connection) == b"\x0bACK two\x1c\r"
    assert taken == [b"one", b"two"]


@pytest.mark.parametrize("sent", [b"no start", b"\x0bhalf", b"", b"\x0bbad\x1c\r", b"\x1c\r"])
def test_a_broken_frame_ends_its_connection_alone(served, sent):
    port, taken = served
    with call(port) as broken, call(port) as good:
        broken.sendall(sent)
        with suppress(OSError):  # the server may have reset it already
            broken.shutdown(socket.SHUT_WR)
        assert answer(broken) == b""
        good.sendall(b"\x0bone\x1c\r")
        assert answer(good) == b"\x0bACK one\x1c\r"
    assert taken == [b"one"]


def test_a_frame_without_end_is_refused_at_its_limit(served, monkeypatch):
    monkeypatch.setattr(mllp_server, "MOST_BYTES", 10_000)
    with call(served[0]) as connection:
        connection.sendall(b"\x0b" + b"x" * 20_000)
        assert answer(connection) == b""


def test_a_slow_frame_is_given_up(served, monkeypatch):
    monkeypatch.setattr(mllp_server, "FRAME_S", 0.05)
    with call(served[0]) as connection:
        connection.sendall(b"\x0bslow")
        assert connection.recv(1) == b""


def test_more_callers_than_allowed_are_turned_away(served):
    port, _ = served
    callers = [call(port) for _ in range(MOST_CALLERS)]
    for one in callers:
        one.sendall(b"\x0bone\x1c\r")
        assert answer(one)
    with call(port) as further:
        assert answer(further) == b""
    for one in callers:
        one.close()


def test_a_message_over_tls_needs_certificates_on_both_sides(tmp_path):
    """In the clear, or without a certificate of the site, a message is neither taken nor answered."""
    authority, stranger = Authority(tmp_path / "site"), Authority(tmp_path / "elsewhere", "Elsewhere")
    taken: list[bytes] = []

    def take(content):
        taken.append(content)
        return b"ACK"

    stop = threading.Event()
    server = MllpServer("127.0.0.1", 0, take, serving(authority.issue("node")))
    thread = threading.Thread(target=server.serve, args=(stop,), daemon=True)
    thread.start()
    with call(server.port) as plain:
        plain.sendall(b"\x0bone\x1c\r")
        assert b"ACK" not in answer(plain)
    nobody = ssl.create_default_context(cafile=authority.path)
    foreign = ssl.create_default_context(cafile=authority.path)
    other = stranger.issue("stranger")
    foreign.load_cert_chain(other.certificate, other.key)
    for context in (nobody, foreign):
        with suppress(OSError), wrapped(server.port, context) as connection:
            connection.sendall(b"\x0btwo\x1c\r")
            assert answer(connection) == b""
    assert taken == []
    with wrapped(server.port, calling(authority.issue("hospital-system"))) as connection:
        connection.sendall(b"\x0bthree\x1c\r")
        assert answer(connection) == b"\x0bACK\x1c\r"
    assert taken == [b"three"]
    stop.set()
    thread.join(60)


def wrapped(port, context):
    return context.wrap_socket(call(port), server_hostname="127.0.0.1")


@pytest.mark.parametrize(
    ("sent", "reason"),
    [(b"MSH|SECRET\x1c\r", "0x0B at the beginning"), (b"\x0bSECRET", "0x1C 0x0D at the end")],
)
def test_what_is_no_frame_is_logged_with_its_reason_and_changes_nothing(sent, reason):
    """Without a byte of what came."""
    ours, theirs = socket.socketpair()
    with ours, theirs, capture_logs() as said:
        theirs.sendall(sent)
        theirs.shutdown(socket.SHUT_WR)
        assert mllp_server.read_frame(ours) is None
    assert [line["event"] for line in said] == ["hl7_frame_refused"]
    assert reason in said[0]["reason"]
    assert "SECRET" not in str(said)
