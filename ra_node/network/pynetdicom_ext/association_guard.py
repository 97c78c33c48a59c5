"""Error handling in the threads of an association: it is closed, its threads end, one event is logged.

pynetdicom's state machine raises, and ends its thread, for input that any peer may send: a command without
its mandatory elements, or data that overtake our acceptance. The socket, the slot and the ledger row of the
association would then never be released. Uses private names of pynetdicom 3.0.
"""

from __future__ import annotations

import socket
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import DIMSEPrimitive
from pynetdicom.pdu import A_ABORT_RQ, A_ASSOCIATE_RJ

from ra_node.network.pynetdicom_ext.command_set import CommandError
from ra_node.network.pynetdicom_ext.negotiation import ASSOCIATE_AC, ASSOCIATE_RQ, UnreadableError, tidied

_Decoded = tuple[Any, str]
_Sent = Any
"""pynetdicom's PDU classes and their events."""
_WAITING_FOR_THE_END, _NOTHING_ASKED = "Sta13", "Sta2"
_CONNECTION_CLOSED = "Evt17"
"""State and event of PS3.8 9.2."""

_REASONS = {
    "Evt3": "an unexpected A-ASSOCIATE-AC",
    "Evt4": "an unexpected A-ASSOCIATE-RJ",
    "Evt6": "an unexpected A-ASSOCIATE-RQ",
    "Evt10": "an unexpected P-DATA-TF",
    "Evt12": "an unexpected A-RELEASE-RQ",
    "Evt13": "an unexpected A-RELEASE-RP",
    "Evt15": "ended by this node",
    "Evt18": "no request, or no end, in time",
    "Evt19": "a PDU or a message that cannot be read",
}
"""Why an A-ABORT is sent, by the event of PS3.8 9.2 that causes it."""

log = structlog.get_logger(__name__)


class Checkpoint(threading.Event):
    """An event that blocks a thread while cleared; `holds` reports whether a thread is inside `wait`.

    A thread that has left `wait` may not be scheduled for a while. A caller that takes it for paused and
    sends a request would lose the response to that thread.
    """

    def __init__(self) -> None:
        super().__init__()
        self._standing = 0
        self._lock = threading.Lock()
        self.set()

    @property
    def holds(self) -> bool:
        """Whether a thread is in `wait`, which it cannot leave before the next `set`."""
        with self._lock:
            return self._standing > 0 and not self.is_set()

    def clear(self) -> None:
        with self._lock:
            super().clear()

    def wait(self, timeout: float | None = None) -> bool:
        with self._lock:
            if self.is_set():
                return True
            self._standing += 1
        while True:  # cleared again before this thread was scheduled: still inside
            super().wait(timeout)
            with self._lock:
                if self.is_set() or timeout is not None:
                    self._standing -= 1
                    return self.is_set()


class _Steady(Association):
    """An association whose pause state is set by its own thread only.

    pynetdicom handles a storage commitment report in a second thread, which resets the pause state at its
    end. If the first thread has just paused for a release or request of ours, we would wait for ever. While
    the second still writes its response, a release would be sent before it: so there is no pause until the
    response is sent.
    """

    @property
    def _is_paused(self) -> bool:
        if self._kill or threading.current_thread() is self:
            return self._kill or bool(vars(self)["_paused"])
        return self._reactor_checkpoint.holds and not vars(self)["_answering"]  # type: ignore[attr-defined]  # a Checkpoint

    @_is_paused.setter
    def _is_paused(self, paused: bool) -> None:
        if threading.current_thread() is self:
            vars(self)["_paused"] = paused


def guard(association: Association) -> None:
    """Protect the threads of an association against errors and endless waits; idempotent."""
    machine = association.dul.state_machine
    if "do_action" in vars(machine):
        return
    vars(association)["_paused"] = vars(association).pop("_is_paused")
    vars(association)["_answering"] = set[int]()
    association._reactor_checkpoint = Checkpoint()  # noqa: SLF001
    association.__class__ = _Steady
    act = machine.do_action
    dul = association.dul
    dul._decode_pdu = _tolerant_decoder(association, dul._decode_pdu)  # type: ignore[method-assign, assignment]  # noqa: SLF001
    dul._send = _logging_aborts(association, dul._send)  # type: ignore[method-assign, assignment]  # noqa: SLF001

    def do_action(event: str) -> None:
        state = machine.current_state
        vars(association)["_event"] = event
        try:
            act(event)
        except Exception as error:  # noqa: BLE001 - the thread has to see the connection off
            _log_error(error, f"{event} in {state}")
            _reason(association, str(error) if isinstance(error, CommandError) else "")
            _abort_and_close(association, act)

    machine.do_action = do_action  # type: ignore[method-assign]
    association.run = _guarded(association, association.run)  # type: ignore[method-assign]
    # a storage commitment report is handled in a separate thread
    association._serve_request = _tracked(association, _guarded(association, association._serve_request))  # type: ignore[method-assign]  # noqa: SLF001


def _tolerant_decoder(
    association: Association, decode: Callable[[bytearray], _Decoded]
) -> Callable[[bytearray], _Decoded]:
    """Pass only the decodable items of an A-ASSOCIATE PDU to pynetdicom."""

    def decode_pdu(pdu: bytearray) -> _Decoded:
        if pdu[0] not in (ASSOCIATE_RQ, ASSOCIATE_AC):
            return decode(pdu)
        try:
            made = tidied(bytes(pdu))
        except UnreadableError as error:
            _reason(association, f"A-ASSOCIATE PDU: {error}")
            raise
        if made.left_out:
            log.warning("negotiation_items_dropped", items=made.left_out)
        return decode(bytearray(made.pdu))

    return decode_pdu


def _logging_aborts(association: Association, send: Callable[[_Sent], None]) -> Callable[[_Sent], None]:
    """Log why an association is aborted, or rejected by pynetdicom itself."""

    def send_pdu(pdu: _Sent) -> None:
        if isinstance(pdu, A_ABORT_RQ):
            event = str(vars(association).get("_event"))
            reason = vars(association).get("_reason") or _REASONS.get(event, "not said")
            log.warning("association_aborted", reason=reason, address=_address(association))
        elif (
            isinstance(pdu, A_ASSOCIATE_RJ) and association.dul.state_machine.current_state == _NOTHING_ASKED
        ):
            reason = "protocol version not supported"
            log.warning("association_rejected", reason=reason, address=_address(association))
        send(pdu)

    return send_pdu


def _reason(association: Association, reason: str) -> None:
    vars(association)["_reason"] = reason


def _address(association: Association) -> str:
    remote = association.requestor if association.is_acceptor else association.acceptor
    return str(remote.address_info.address) if remote.address_info else ""


def cut(raw: socket.socket) -> None:
    """Shut a connection down from any thread: its reader gets end of file."""
    with suppress(OSError):  # closed in the meantime
        raw.shutdown(socket.SHUT_RDWR)


def _abort_and_close(association: Association, act: Callable[[str], None]) -> None:
    """Send an A-ABORT where the peer may still read, and continue as for a closed connection."""
    dul = association.dul
    with suppress(Exception):
        if dul.state_machine.current_state != _WAITING_FOR_THE_END:
            dul._send(_provider_abort())  # noqa: SLF001 - the queue of primitives holds what could not be done
    with suppress(Exception):  # in the idle state there is nothing to close
        act(_CONNECTION_CLOSED)
    dul.kill_dul()


def _provider_abort() -> A_ABORT_RQ:
    """An A-ABORT by the service provider, reason not specified (PS3.8 table 9-26)."""
    pdu = A_ABORT_RQ()
    pdu.source, pdu.reason_diagnostic = 0x02, 0x00
    return pdu


def _guarded(association: Association, act: Callable[..., None]) -> Callable[..., None]:
    """Make `act` shut the connection down instead of raising; the reading thread then cleans up."""

    def run(*asked: object) -> None:
        try:
            act(*asked)
        except Exception as error:  # noqa: BLE001 - as above
            _log_error(error, act.__name__)
            if threading.current_thread() is association:
                association._kill = True  # noqa: SLF001 - or who waits for its pause would do so for ever
            wrapped = association.dul.socket
            if wrapped is not None and wrapped.socket is not None:
                cut(wrapped.socket)

    return run


def _tracked(association: Association, serve: Callable[..., None]) -> Callable[..., None]:
    """Track the threads that are sending a response."""
    answering: set[int] = vars(association)["_answering"]

    def run(*asked: object) -> None:
        message = asked[0] if asked else None
        kind = message.msg_type if isinstance(message, DIMSEPrimitive) else "a message"
        if isinstance(message, DIMSEPrimitive) and not message.is_valid_request:
            log.warning("message_ignored", message=kind, reason="no request, or one that lacks elements")
            if message.MessageID is not None and message.MessageIDBeingRespondedTo is None:
                _reason(association, f"{kind} lacks an element that it must have")
                association.abort()
            return
        answering.add(threading.get_ident())
        _reason(association, f"no service for {kind} in its presentation context")
        try:
            serve(*asked)
        finally:
            _reason(association, "")
            answering.discard(threading.get_ident())

    return run


def _log_error(error: Exception, what: str) -> None:
    """Log without the error message, which may quote data of the peer."""
    frames = traceback.extract_tb(error.__traceback__)
    log.warning(
        "association_lost",
        what=what,
        error=type(error).__name__,
        where=frames[-1].name if frames else "",
    )
