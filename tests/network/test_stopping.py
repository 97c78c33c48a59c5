"""A listener that stops finishes what runs, and waits for nobody who is stuck."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pydicom import Dataset
from pynetdicom import build_context
from pynetdicom.association import Association
from pynetdicom.pdu import A_ASSOCIATE_RQ

from ra_node.network.scp.server import Listener
from tests.network.fakes import FakeInbox, wait_until, write_instance
from tests.network.wire import half_sent, raw_socket, spooled

Listen = Callable[..., Listener]
Associate = Callable[..., Association]
VERIFICATION = [build_context("1.2.840.10008.1.1")]


def test_stopping_lets_a_running_store_finish(
    listen: Listen, inbox: FakeInbox, associate: Associate, tmp_path: Path
):
    """A rolling restart costs no sender an error; the port is closed meanwhile."""
    may_finish, keeping = threading.Event(), threading.Event()
    inbox.on_keep = lambda: (keeping.set(), may_finish.wait(120))
    listener = listen()
    port = listener.port
    association = associate(port)
    answers: list[Dataset] = []

    def send() -> None:
        answers.append(association.send_c_store(write_instance(tmp_path)))
        association.release()

    sender = threading.Thread(target=send)
    sender.start()
    assert keeping.wait(120)
    stopper = threading.Thread(target=listener.stop, args=(120.0,))
    stopper.start()
    assert wait_until(lambda: is_closed(port))
    assert stopper.is_alive()
    may_finish.set()
    stopper.join(120)
    sender.join(120)
    assert not stopper.is_alive()
    assert [answer.Status for answer in answers] == [0x0000]
    assert inbox.closed_ids == inbox.opened_ids


def is_closed(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


def test_stopping_aborts_what_does_not_end(listen: Listen, inbox: FakeInbox, associate: Associate):
    """An idle association does not hold the node back longer than the deadline."""
    listener = listen()
    association = associate(listener.port)
    listener.stop(deadline_s=0.1)
    assert inbox.closed_ids == inbox.opened_ids != []
    assert wait_until(lambda: association.is_aborted)


def test_stopping_aborts_an_association_that_a_locked_ledger_keeps_from_being_noted(
    listen: Listen, inbox: FakeInbox, associate: Associate
):
    """No thread waits for its end yet."""
    opening, may_open = threading.Event(), threading.Event()
    listener = listen()
    request = association_request(associate(listener.port))
    inbox.on_open = lambda: (opening.set(), may_open.wait(120))
    with socket.create_connection(("127.0.0.1", listener.port), timeout=120) as waiting:
        waiting.sendall(request)
        assert opening.wait(120)
        listener.stop(deadline_s=0.1)
        may_open.set()


def test_a_connection_from_before_the_stop_is_not_served_after_it(
    listen: Listen, inbox: FakeInbox, associate: Associate
):
    """It would receive into a folder that is no longer owned; it is told to come back."""
    listener = listen()
    request = association_request(associate(listener.port))
    inbox.wait_for(lambda: len(inbox.opened_ids) == 1)
    with socket.create_connection(("127.0.0.1", listener.port), timeout=120) as early:
        server = listener._server
        assert server is not None
        assert wait_until(lambda: len(server.active_associations) == 2)
        listener.stop(0.0)
        early.sendall(request)
        answer = early.recv(10)
    assert answer == bytes([3, 0, 0, 0, 0, 4, 0, 2, 3, 1])
    assert len(inbox.opened_ids) == 1


def association_request(association: Association) -> bytes:
    """Encode the A-ASSOCIATE-RQ that an association was requested with."""
    primitive = association.requestor.primitive
    assert primitive is not None
    return A_ASSOCIATE_RQ(primitive).encode()


def test_stopping_does_not_wait_for_a_stuck_peer(
    *, listen: Listen, inbox: FakeInbox, incoming: Path, associate: Associate, tmp_path: Path
):
    """No abort reaches a thread that reads the rest of a PDU: its connection is cut."""
    listener = listen(network_timeout_s=60.0)
    stuck = associate(listener.port)
    start = half_sent(stuck, write_instance(tmp_path))
    raw_socket(stuck).sendall(b"".join(start[:3])[:-1000])
    assert wait_until(lambda: bool(spooled(incoming)))
    started_at = time.monotonic()
    listener.stop(deadline_s=0.1)
    assert time.monotonic() - started_at < 50  # of the 60 that the connection may be silent
    assert inbox.closed_ids == inbox.opened_ids != []
    assert spooled(incoming) == []
