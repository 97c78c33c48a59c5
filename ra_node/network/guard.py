"""However an association goes wrong, it ends in order: connection cut, threads gone, one line in the log.

The library's state machine raises, and kills its thread in doing so, for what any peer may send: a
command without its mandatory elements, or nonsense that overtakes our acceptance. The socket, the place
and the ledger's row of the association would then wait for somebody to notice. With `engine`, `bounds`
and `incoming` the files that reach behind the library's public face, as of pynetdicom 3.0.
"""

from __future__ import annotations

import socket
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress

import structlog
from pynetdicom.association import Association
from pynetdicom.pdu import A_ABORT_RQ

_WAITING_FOR_THE_END = "Sta13"
_CONNECTION_CLOSED = "Evt17"
"""State and event of PS3.8 9.2."""

log = structlog.get_logger(__name__)


class Checkpoint(threading.Event):
    """Where a thread stops while this is cleared; `holds` says whether it stands there, and not just near it.

    A thread that has passed may get no processor for a while. Who takes it for pausing, and asks the peer
    something, has the answer taken away by it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._standing = 0
        self._lock = threading.Lock()
        self.set()

    @property
    def holds(self) -> bool:
        """True once a thread is in `wait`, which it cannot leave before the next `set`."""
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
        while True:  # cleared again before we had a processor: we have never left
            super().wait(timeout)
            with self._lock:
                if self.is_set() or timeout is not None:
                    self._standing -= 1
                    return self.is_set()


class _Steady(Association):
    """An association of which only its own thread says whether that thread pauses.

    The library serves a report of storage commitment in a second thread, which says "not paused" at its
    end. Where the first has just paused, so that we may release the association or ask something more,
    we would wait for that pause for ever. And while the second still writes its answer, a release would
    overtake that answer: nothing pauses before it is on its way.
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
    """Let no thread of an association die of an error or wait for ever; safe to repeat."""
    machine = association.dul.state_machine
    if "do_action" in vars(machine):
        return
    vars(association)["_paused"] = vars(association).pop("_is_paused")
    vars(association)["_answering"] = set[int]()
    association._reactor_checkpoint = Checkpoint()  # noqa: SLF001
    association.__class__ = _Steady
    act = machine.do_action

    def do_action(event: str) -> None:
        state = machine.current_state
        try:
            act(event)
        except Exception as error:  # noqa: BLE001 - the thread has to see the connection off
            _told(error, f"{event} in {state}")
            _leave(association, act)

    machine.do_action = do_action  # type: ignore[method-assign]
    association.run = _seen_off(association, association.run)  # type: ignore[method-assign]
    # a report of storage commitment is served in a thread of its own
    association._serve_request = _answered(association, _seen_off(association, association._serve_request))  # type: ignore[method-assign]  # noqa: SLF001


def cut(raw: socket.socket) -> None:
    """End a connection from any thread: whoever reads it finds its end."""
    with suppress(OSError):  # closed in the meantime, as it should be
        raw.shutdown(socket.SHUT_RDWR)


def _leave(association: Association, act: Callable[[str], None]) -> None:
    """Abort where the peer may still listen, and go on as for a connection that was closed."""
    dul = association.dul
    with suppress(Exception):
        if dul.state_machine.current_state != _WAITING_FOR_THE_END:
            dul._send(_provider_abort())  # noqa: SLF001 - the queue of primitives holds what could not be done
    with suppress(Exception):  # in the idle state nothing is left to close
        act(_CONNECTION_CLOSED)
    dul.kill_dul()


def _provider_abort() -> A_ABORT_RQ:
    """An A-ABORT by the service provider, reason not specified (PS3.8 table 9-26)."""
    pdu = A_ABORT_RQ()
    pdu.source, pdu.reason_diagnostic = 0x02, 0x00
    return pdu


def _seen_off(association: Association, act: Callable[..., None]) -> Callable[..., None]:
    """Make `act` cut the connection instead of raising; the reading thread then ends the rest."""

    def run(*asked: object) -> None:
        try:
            act(*asked)
        except Exception as error:  # noqa: BLE001 - as above
            _told(error, act.__name__)
            if threading.current_thread() is association:
                association._kill = True  # noqa: SLF001 - or who waits for its pause would do so for ever
            wrapped = association.dul.socket
            if wrapped is not None and wrapped.socket is not None:
                cut(wrapped.socket)

    return run


def _answered(association: Association, serve: Callable[..., None]) -> Callable[..., None]:
    """Keep in mind which threads are at an answer."""
    answering: set[int] = vars(association)["_answering"]

    def run(*asked: object) -> None:
        answering.add(threading.get_ident())
        try:
            serve(*asked)
        finally:
            answering.discard(threading.get_ident())

    return run


def _told(error: Exception, what: str) -> None:
    """Log without the error's message, which may quote what the peer sent."""
    frames = traceback.extract_tb(error.__traceback__)
    log.warning(
        "association_broken_off",
        what=what,
        error=type(error).__name__,
        where=frames[-1].name if frames else "",
    )
