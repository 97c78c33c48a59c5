"""The listener: one port for associations, C-STORE and C-ECHO."""

from __future__ import annotations

import errno
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event, EventHandlerType
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import ThreadedAssociationServer

from ra_node.errors import Fatal, NotReady
from ra_node.network.presentation_contexts import accepted_contexts
from ra_node.network.pynetdicom_ext import limits as bounds
from ra_node.network.pynetdicom_ext.ae import (
    discard_unfinished,
    forbid_storage,
    is_accepting,
    negotiable,
    prepare,
    requested_by,
    serve,
    stop_serving,
    tend,
)
from ra_node.network.pynetdicom_ext.c_store_rsp import shorten
from ra_node.network.pynetdicom_ext.event_wait import awaken
from ra_node.network.pynetdicom_ext.spool import IncomingFolder
from ra_node.network.scp.association_policy import (
    CALLED_AE_UNKNOWN,
    CALLING_AE_UNKNOWN,
    CONGESTED,
    MAY_NOT_STORE,
    NO_USE,
    TOO_MANY,
    AllowedPeer,
    Rejection,
    matching,
    why_unknown,
)
from ra_node.network.scp.c_store import CallingPeer, Inbox, ReceivedFile, StoreOutcome, on_c_store, traced
from ra_node.network.scp.tls_accept import TlsAcceptor
from ra_node.network.tls import names_in

__all__ = ["AllowedPeer", "Inbox", "ListenSettings", "Listener", "ReceivedFile", "StoreOutcome"]

log = structlog.get_logger(__name__)


Refused = Callable[[str, str, str], object]
"""Called for each rejected caller: AE title, if known, address and reason. Must not raise."""


@dataclass(frozen=True, slots=True)
class ListenSettings:
    """Settings of the listener. Port 0 uses any free one.

    `max_pdu`, in bytes, is the offered maximum PDU length, and so limits the memory of an association; 0 is
    no limit.

    With `accept_unknown` any calling AE title may associate from anywhere. With `require_called` the
    peer must name this node's AE title.
    """

    ae_title: str
    incoming: Path
    host: str = "0.0.0.0"  # noqa: S104 - a listener serves the network that its machine is in
    port: int = 11112
    peers: tuple[AllowedPeer, ...] = ()
    accept_unknown: bool = False
    require_called: bool = False
    max_associations: int = 20
    max_pdu: int = 262_144
    most_object_bytes: int = 2**31
    network_timeout_s: float = 60.0
    acse_timeout_s: float = 30.0
    dimse_timeout_s: float = 60.0


class Listener:
    """Receives C-STORE and C-ECHO for an inbox, from `start` to `stop`.

    `contexts` and `extra_handlers` let another service, such as storage commitment, share the port. While
    `has_room` is false, each C-STORE gets Out of Resources (0xA700) and nothing of it is written, so that
    senders keep their copies and retry; everything else continues.

    With `tls` the port accepts connections without TLS only where some peer does not require TLS.
    """

    def __init__(
        self,
        settings: ListenSettings,
        inbox: Inbox,
        *,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
        contexts: Sequence[PresentationContext] | None = None,
        extra_handlers: Sequence[EventHandlerType] = (),
        tls: ssl.SSLContext | None = None,
        has_room: Callable[[], bool] = lambda: True,
        refused: Refused = lambda _ae_title, _address, _reason: None,
    ) -> None:
        self._settings = settings
        self._inbox = inbox
        self._new_id = new_id
        self._contexts = list(accepted_contexts() if contexts is None else contexts)
        self._extra_handlers = list(extra_handlers)
        self._tls = tls
        self._refused = refused
        self._doorstep: TlsAcceptor | None = None
        self._folder = IncomingFolder(settings.incoming, has_room, settings.most_object_bytes)
        self._lock = threading.Lock()
        self._open: dict[str, tuple[Association, threading.Thread]] = {}
        self._stopping = False
        self._server: ThreadedAssociationServer | None = None

    @property
    def port(self) -> int:
        """The TCP port in use, also where the settings have 0."""
        if self._server is None:
            raise Fatal("expected a listener that was started, found one that is not listening")
        return int(self._server.server_address[1])

    @property
    def accepting(self) -> bool:
        """Whether new connections are accepted."""
        return self._server is not None and is_accepting(self._server)

    def start(self) -> None:
        """Lock the incoming folder and listen; raises Fatal where folder or port are in use."""
        prepare()
        self._folder.take()
        self._stopping = False
        if self._tls is not None:
            plain = any(not peer.tls for peer in self._settings.peers)
            self._doorstep = TlsAcceptor(self._tls, plain=plain, refused=partial(self._refused, ""))
        where = (self._settings.host, self._settings.port)
        try:
            self._server = serve(self._entity(), where, self._contexts, self._handlers())
        except (OSError, ValueError) as error:  # pynetdicom raises ValueError for an invalid AE title
            self._folder.leave()
            passing = isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL)
            kind = NotReady if passing else Fatal
            raise kind(f"expected to listen on {where[0]}:{where[1]}, found: {error}") from error
        log.info("listener_started", ae_title=self._settings.ae_title, host=where[0], port=self.port)

    def stop(self, deadline_s: float = 10.0) -> None:
        """Accept nothing more, let associations finish until the deadline, then abort them."""
        self._stopping = True
        server, self._server = self._server, None
        if server is None:
            return
        if self._doorstep is not None:
            self._doorstep.close()
        stop_serving(server)
        end = time.monotonic() + deadline_s
        with self._lock:
            running = list(self._open.values())
        for _, watcher in running:
            if _is_started(watcher):
                watcher.join(max(0.0, end - time.monotonic()))
        late = [one for one in running if one[1].is_alive() or not _is_started(one[1])]
        for association, watcher in late:
            _end(association, watcher)
        self._folder.leave()
        log.info("listener_stopped", aborted=len(late))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _entity(self) -> AE:
        entity = AE(self._settings.ae_title)
        entity.maximum_pdu_size = self._settings.max_pdu
        entity.network_timeout = self._settings.network_timeout_s
        entity.acse_timeout = min(self._settings.acse_timeout_s, self._settings.network_timeout_s)
        entity.dimse_timeout = self._settings.dimse_timeout_s
        # counted here at admission: the library also counts bare connections, and would reject a peer
        # because of a port scan
        entity.maximum_associations = 2**31
        return entity

    def _handlers(self) -> list[EventHandlerType]:
        return [
            (evt.EVT_CONN_OPEN, self._on_connected),
            (evt.EVT_REQUESTED, self._on_requested),
            *self._extra_handlers,
        ]

    def _on_connected(self, event: Event) -> None:
        """Apply TLS and limits to a connection, in a thread of its own that may wait for the peer."""
        most = self._settings.max_associations + bounds.SPARE_CONNECTIONS
        crowded = (
            self._server is not None and bounds.open_connections(self._server.active_associations) > most
        )
        if self._doorstep is not None and not crowded:
            self._doorstep.cross(event.assoc, str(event.address[0]))  # type: ignore[attr-defined]  # set by this event
        tend(event.assoc, self._settings.network_timeout_s)
        bounds.bound(event.assoc, self._settings.network_timeout_s)
        awaken(event.assoc, self._settings.network_timeout_s)
        shorten(event.assoc)
        if crowded:
            bounds.turn_away(event.assoc)

    def _on_requested(self, event: Event) -> None:
        """Admit an association, or reject it with a reason (PS3.8 table 9-21)."""
        calling, called, address = requested_by(event.assoc)
        caller = CallingPeer(self._new_id(), calling, address)
        try:
            rejection = self._verdict(event.assoc, caller, called) or self._open_association(
                event.assoc, caller, called
            )
        except Exception as error:  # noqa: BLE001 - the library would go on to accept whom nobody has judged
            log.error("association_check_failed", peer=calling, **traced(error))  # noqa: TRY400 - without the message
            rejection = CONGESTED
        if rejection is not None:
            log.warning(
                "association_rejected", peer=calling, address=address, called=called, reason=rejection.text
            )
            self._refused(calling, address, rejection.text)
            event.assoc.acse.send_reject(rejection.result, rejection.source, rejection.reason)
            event.assoc.kill()

    def _verdict(self, association: Association, caller: CallingPeer, called: str) -> Rejection | None:
        """Decide from the settings whether and for which services a peer may associate now."""
        settings = self._settings
        if settings.require_called and called != settings.ae_title.strip():
            return CALLED_AE_UNKNOWN
        wrapped = association.dul.socket
        names = names_in(wrapped.socket if wrapped else None)
        anybody = settings.accept_unknown and (self._doorstep is None or names is not None)
        if not anybody:
            known = matching(caller.ae_title, caller.address, settings.peers, names)
            if not known:
                text = why_unknown(caller.ae_title, caller.address, settings.peers, names)
                return replace(CALLING_AE_UNKNOWN, text=text)
            if not any(peer.may_store for peer in known):
                stored, asked = forbid_storage(association)
                text = f"{caller.ae_title} {MAY_NOT_STORE.text}"
                if stored and stored == asked:
                    return replace(MAY_NOT_STORE, text=text)
                if stored:
                    log.warning(
                        "storage_not_accepted", peer=caller.ae_title, address=caller.address, reason=text
                    )
        if not negotiable(association):
            return NO_USE
        return CONGESTED if self._stopping else None

    def _open_association(
        self, association: Association, caller: CallingPeer, called: str
    ) -> Rejection | None:
        """Take a slot and record the association; a thread waits for its end."""
        watcher = threading.Thread(target=self._watch, args=(association, caller), daemon=True)
        with self._lock:
            if len(self._open) >= self._settings.max_associations:
                return TOO_MANY
            self._open[caller.association_id] = (association, watcher)
        try:
            self._inbox.opened(caller.association_id, caller.ae_title, caller.address)
        except Exception:
            self._forget(caller)
            raise
        association.bind(evt.EVT_C_STORE, on_c_store, [self._inbox, caller])
        watcher.start()
        log.info(
            "association_opened",
            peer=caller.ae_title,
            address=caller.address,
            called=called,
            association_id=caller.association_id,
        )
        return None

    def _watch(self, association: Association, caller: CallingPeer) -> None:
        """Wait for the threads of an association: the only reliable sign of its end."""
        association.join()
        association.dul.join(self._settings.network_timeout_s)
        discard_unfinished(association)
        bound = log.bind(peer=caller.ae_title, address=caller.address, association_id=caller.association_id)
        try:
            self._inbox.closed(caller.association_id)
        except Exception as error:  # noqa: BLE001 - the place is free again, whatever the inbox says
            bound.error("association_end_not_recorded", **traced(error))
        self._forget(caller)
        bound.info("association_closed", released=association.is_released)

    def _forget(self, caller: CallingPeer) -> None:
        with self._lock:
            del self._open[caller.association_id]


def _end(association: Association, watcher: threading.Thread) -> None:
    """Abort an association and wait for its end, but not for a blocked inbox."""
    threading.Thread(target=association.abort, daemon=True).start()
    if _is_started(watcher):
        watcher.join(5.0)


def _is_started(watcher: threading.Thread) -> bool:
    """False while the association cannot be recorded because the ledger is locked or unreachable."""
    return watcher.ident is not None
