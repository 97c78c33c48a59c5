"""An association that breaks the library's state machine ends like every other: nothing hangs, nothing leaks.

A thread that dies of an exception fails these tests by itself, because warnings are errors.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable

import pytest
from pynetdicom import build_context, evt
from pynetdicom.acse import ACSE
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from structlog.testing import capture_logs

from ra_node.network.pynetdicom_ext.association_guard import Checkpoint
from ra_node.network.scp.server import Listener
from tests.network.fakes import FakeInbox, wait_until
from tests.network.wire import raw_socket
from tests.torture.raw_dicom import ABORT, RawConnection, association_request

Listen = Callable[..., Listener]
Associate = Callable[..., Association]
Ended = Callable[[Listener], bool]
ECHO = [build_context(Verification)]
PATIENCE_S = 120.0
SECRET = "1.2.826.0.1.3680043.9"


@pytest.fixture
def ended() -> Callable[[Listener], bool]:
    """Tell whether all threads of the connections of this test are gone, and their places free."""
    before = set(threading.enumerate())

    def look(listener: Listener) -> bool:
        left = [
            thread.name
            for thread in set(threading.enumerate()) - before
            if "run_reactor" in thread.name or thread.name.startswith("AcceptorThread")
        ]
        return not left and not listener._open

    return look


def command(*elements: tuple[int, bytes]) -> bytes:
    """A command set, implicit VR little endian (PS3.7 6.3.1), whole in one P-DATA-TF."""
    body = b"".join(struct.pack("<HHL", 0, element, len(value)) + value for element, value in elements)
    item = struct.pack(">LBB", len(body) + 2, 1, 3) + body
    return struct.pack(">BBL", 4, 0, len(item)) + item


COMMANDS = {
    "no command field": command((0x0002, SECRET.encode() + b"\0"), (0x0800, struct.pack("<H", 0x0101))),
    "a command field that does not exist": command((0x0100, struct.pack("<H", 0x7777))),
    "no data set type": command((0x0100, struct.pack("<H", 0x0030))),
    "a C-STORE without its instance": command(
        (0x0002, SECRET.encode() + b"\0"),
        (0x0100, struct.pack("<H", 1)),
        (0x0110, struct.pack("<H", 1)),
        (0x0800, struct.pack("<H", 1)),
    ),
    "a fragment without its header": struct.pack(">BBLLB", 4, 0, 5, 1, 1),
}


@pytest.mark.parametrize("broken", COMMANDS.values(), ids=COMMANDS)
def test_a_command_that_cannot_be_read_ends_its_association_and_nothing_else(
    *, broken: bytes, listen: Listen, associate: Associate, inbox: FakeInbox, ended: Ended
):
    waits_for_data = broken == COMMANDS["a C-STORE without its instance"]
    listener = listen(network_timeout_s=3.0) if waits_for_data else listen()
    association = associate(listener.port, ECHO)
    with capture_logs() as logs:
        raw_socket(association).sendall(broken)
        inbox.wait_until_closed()
        assert wait_until(lambda: association.is_aborted, PATIENCE_S), "the peer was told by an A-ABORT"
        assert wait_until(lambda: ended(listener), PATIENCE_S)
    assert SECRET not in str(logs)
    assert "Traceback" not in str(logs)

    def serves() -> bool:
        again = associate(listener.port, ECHO)
        echoed = again.is_established and again.send_c_echo().get("Status") == 0x0000
        again.release()
        return echoed

    assert wait_until(serves, PATIENCE_S)


def test_an_acceptance_that_comes_after_the_abort_ends_the_association(
    listen: Listen, inbox: FakeInbox, ended: Ended, monkeypatch: pytest.MonkeyPatch
):
    """Nonsense right behind the request overtakes our answer to it (Evt7 in Sta13)."""
    aborting = threading.Event()

    def stay_until_accepted(event: Event) -> None:
        """Hold the reading thread between its abort and its look at what is to be sent."""
        if event.next_state == "Sta13":
            aborting.set()
            assert wait_until(lambda: event.assoc.dul.to_provider_queue.qsize() > 0, PATIENCE_S)

    class Slow(FakeInbox):
        def opened(self, association_id: str, calling_ae: str, address: str) -> None:
            super().opened(association_id, calling_ae, address)
            assert aborting.wait(PATIENCE_S)

    monkeypatch.setattr(inbox, "__class__", Slow)
    listener = listen(extra_handlers=[(evt.EVT_FSM_TRANSITION, stay_until_accepted)])
    with capture_logs() as logs, RawConnection(listener.port) as line:
        line.send(association_request("MODALITY", "RANODE") + b"no PDU")
        assert line.receive()[0] == ABORT
        assert line.is_ended()
        inbox.wait_until_closed()
        assert wait_until(lambda: ended(listener), PATIENCE_S)
    (told,) = [entry for entry in logs if entry["event"] == "association_lost"]
    assert (told["what"], told["error"]) == ("Evt7 in Sta13", "InvalidEventError")


def test_an_error_of_the_serving_thread_cuts_the_connection(
    listen: Listen, inbox: FakeInbox, ended: Ended, monkeypatch: pytest.MonkeyPatch
):
    """The reading thread would wait for the peer, and hold its socket, long after nobody serves it."""

    def fail(_acse: ACSE) -> None:
        raise ValueError(SECRET)

    monkeypatch.setattr(ACSE, "_negotiate_as_acceptor", fail)
    listener = listen()
    with capture_logs() as logs, RawConnection(listener.port) as line:
        line.send(association_request("MODALITY", "RANODE"))
        assert line.is_ended()
        inbox.wait_until_closed()
        assert wait_until(lambda: ended(listener), PATIENCE_S)
    (told,) = [entry for entry in logs if entry["event"] == "association_lost"]
    assert (told["what"], told["error"], told["where"]) == ("run", "ValueError", "fail")
    assert SECRET not in str(logs)


def test_a_report_that_is_served_meanwhile_does_not_hold_up_the_release(listen: Listen, associate: Associate):
    """It is served in a second thread, which says "not paused" just when the first has paused for us."""
    association = associate(listen().port, ECHO)
    association._reactor_checkpoint.clear()
    assert wait_until(lambda: association._is_paused, PATIENCE_S)

    def serve() -> None:  # as the library's own code does before and after it answers
        association._is_paused = True
        association._is_paused = False

    server = threading.Thread(target=serve)
    server.start()
    server.join(PATIENCE_S)
    release = threading.Thread(target=association.release, daemon=True)
    release.start()
    release.join(PATIENCE_S)
    assert not release.is_alive()
    assert association.is_released


def test_an_answer_is_not_taken_by_a_thread_that_only_seemed_to_pause(
    listen: Listen, associate: Associate, monkeypatch: pytest.MonkeyPatch
):
    """It has passed its checkpoint when we close it, gets no processor, and looks for messages later."""
    association = associate(listen().port, ECHO)
    passed, looked = threading.Event(), threading.Event()
    wait, get = association._reactor_checkpoint.wait, association.dimse.get_msg

    def pass_slowly(timeout: float | None = None) -> bool:
        went = wait(timeout)
        passed.set()
        wait_until(lambda: association.dimse.msg_queue.qsize() > 0, 1.0)
        return went

    def get_msg(block: bool = False) -> object:
        if block:
            assert looked.wait(PATIENCE_S)
            return get(block)
        found = get(block)
        looked.set()
        return found

    monkeypatch.setattr(association._reactor_checkpoint, "wait", pass_slowly)
    assert passed.wait(PATIENCE_S)
    monkeypatch.setattr(association.dimse, "get_msg", get_msg)
    assert association.send_c_echo().get("Status") == 0x0000


def test_a_checkpoint_that_is_closed_again_at_once_still_holds_its_thread():
    """Who stood there has not left until it is seen to have left."""
    checkpoint, left = Checkpoint(), threading.Event()
    checkpoint.clear()
    thread = threading.Thread(target=lambda: (checkpoint.wait(), left.set()))
    thread.start()
    assert wait_until(lambda: checkpoint.holds, PATIENCE_S)
    for _ in range(1000):
        checkpoint.set()
        checkpoint.clear()
        if checkpoint.holds:
            assert not left.is_set()
        else:
            break
    checkpoint.set()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert not checkpoint.holds


def test_nobody_waits_for_the_pause_of_a_thread_that_has_died(
    listen: Listen, associate: Associate, monkeypatch: pytest.MonkeyPatch
):
    association = associate(listen().port, ECHO)

    def fail() -> bool:
        raise ValueError(SECRET)

    monkeypatch.setattr(association.acse, "is_aborted", fail)
    association.join(PATIENCE_S)
    assert not association.is_alive()
    assert association._is_paused
