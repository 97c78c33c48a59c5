"""Event-driven wait for the two threads of an accepted association.

pynetdicom polls a thousand times a second in each of them, which slows the other associations, and delays
each response by a millisecond or two.

Together with `pdata_reader` and `c_store_rsp`, beside plain pynetdicom with the same TCP options, PDU length,
SHA-256, fsync and commit (`python -m tests.benchmarks receive`): CPU of a 10 MB image 14 to 15 ms against 23
to 26 on quiet cores before files were hashed, and 20 ms against 27 since then (two quiet cores, one run).
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from typing import Any

from pynetdicom.association import Association

from ra_node.network.pynetdicom_ext.association_guard import Checkpoint
from ra_node.network.pynetdicom_ext.pdata_reader import LOOK_UP_S, READY, Stream

_ANSWER_S = 0.02
"""Poll interval of the socket while a thread waits for our own response."""
_PAUSE_S = 0.001


class _Bell(threading.Event):
    """Signals when something was put into one of its queues."""

    def replace(self, old: queue.Queue[Any]) -> queue.Queue[Any]:
        """A queue that signals, with the contents of the old one."""
        new = _Ringing(self)
        with old.mutex:
            for item in old.queue:
                new.put(item)
        return new

    def heard(self, wait_s: float) -> bool:
        """Wait for a signal, and reset it."""
        rung = self.wait(wait_s)
        self.clear()
        return rung


class _Ringing(queue.Queue[Any]):
    def __init__(self, bell: _Bell) -> None:
        super().__init__()
        self._bell = bell

    def _put(self, item: object) -> None:
        super()._put(item)
        self._bell.set()


class _Checkpoint(Checkpoint):
    """Wait point of the association's thread in each loop: while it is paused, and without work."""

    def __init__(self, bell: _Bell) -> None:
        super().__init__()
        self._bell = bell

    def wait(self, timeout: float | None = None) -> bool:
        super().wait(timeout)
        self._bell.heard(LOOK_UP_S)
        return super().wait(timeout)


def awaken(association: Association, timeout_s: float) -> None:
    """Make an accepted association wait for events; call it before its threads start."""
    wrapped = association.dul.socket
    raw = None if wrapped is None else wrapped.socket
    if raw is None:
        return
    to_us, from_us = _Bell(), _Bell()
    dul, dimse = association.dul, association.dimse
    dimse.msg_queue = to_us.replace(dimse.msg_queue)
    dul.to_user_queue = to_us.replace(dul.to_user_queue)
    dul.to_provider_queue = from_us.replace(dul.to_provider_queue)
    association._reactor_checkpoint = _Checkpoint(to_us)  # noqa: SLF001
    _Transport(association, raw, timeout_s, from_us)


class _Transport:
    """Replaces pynetdicom's check for received data."""

    def __init__(self, association: Association, raw: socket.socket, timeout_s: float, bell: _Bell) -> None:
        self._association, self._bell = association, bell
        self._dul = association.dul
        self._stream = Stream(association, raw, timeout_s)
        self._answering = False
        self._library_event = self._dul._is_transport_event  # noqa: SLF001
        self._dul._is_transport_event = self._event  # type: ignore[method-assign]  # noqa: SLF001
        self._dul._run_loop_delay = 0  # noqa: SLF001 - all of its rounds wait in `_event`

    def _event(self) -> bool:
        """Wait briefly for the peer or for our own work; return whether the peer sent something.

        Nothing is read before the last PDU was processed: otherwise the read would wait for the rest of an
        invalid PDU, and its A-ABORT would wait as well.
        """
        if not self._dul.event_queue.empty():
            return False
        if self._stream.holds and self._dul.state_machine.current_state != "Sta1":
            return self._read()
        if self._dul.state_machine.current_state != READY:
            came = self._library_event()
            if not came:
                time.sleep(_PAUSE_S)
            return came
        answering = self._answering and self._association.dimse.message is None
        if self._stream.readable(0 if answering else LOOK_UP_S):
            return self._read()
        if answering and self._bell.heard(_ANSWER_S):
            self._answering = False
        return False

    def _read(self) -> bool:
        self._stream.take()
        self._bell.clear()  # entries already in the queue are found there
        self._answering = True
        return True
