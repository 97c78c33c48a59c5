"""Requests an association with a peer, classifies the outcome, and releases it at the end."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event, EventHandlerType
from pynetdicom.pdu_primitives import A_ASSOCIATE, SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext

from ra_node.network.pynetdicom_ext.ae import prepare, tend
from ra_node.network.pynetdicom_ext.association_guard import cut
from ra_node.network.tls import secured, why


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """Address of a peer, our calling AE title, and time-outs."""

    name: str
    ae_title: str
    host: str
    port: int
    calling_ae: str
    connect_timeout_s: float = 10.0
    acse_timeout_s: float = 30.0
    dimse_timeout_s: float = 60.0
    network_timeout_s: float = 60.0
    tls: ssl.SSLContext | None = None
    tls_name: str = ""
    """The name that its certificate must contain; empty: `host`."""


class Reach(StrEnum):
    """Outcome of an association request."""

    UNREACHABLE = "unreachable"
    UNTRUSTED = "untrusted"
    """Connected, but the TLS handshake failed: certificate, version, or one side without TLS."""
    REJECTED = "rejected"
    BROKEN = "broken"
    """Connected, but aborted or without a response before it was established."""
    NO_CONTEXT = "no_context"
    """The association was accepted, but none of the presentation contexts."""
    ACCEPTED = "accepted"


OUT_OF_REACH = frozenset({Reach.UNREACHABLE, Reach.UNTRUSTED, Reach.REJECTED, Reach.BROKEN})
"""Whether no request reached the peer: it is down, congested, or does not know our AE title (yet)."""


@dataclass(frozen=True, slots=True)
class Call:
    """An association request and its outcome; `association` is set when established."""

    reach: Reach
    detail: str
    association: Association | None = None

    @property
    def accepted(self) -> frozenset[tuple[str, str]]:
        """The (SOP class UID, transfer syntax UID) pairs that the peer accepted."""
        contexts = self.association.accepted_contexts if self.association else []
        return frozenset((str(cx.abstract_syntax), str(cx.transfer_syntax[0])) for cx in contexts)


@contextmanager
def call(
    peer: PeerAddress,
    contexts: list[PresentationContext],
    handlers: Sequence[EventHandlerType] = (),
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
) -> Iterator[Call]:
    """Request an association and release it at the end; never raises because of the peer.

    `roles` are SOP classes with SCP role selection for us (PS3.7 D.3.3.4).
    """
    made = _request(peer, contexts, handlers, roles)
    try:
        yield made
    finally:
        if made.association is not None and made.association.is_established:
            made.association.release()


def _request(
    peer: PeerAddress,
    contexts: list[PresentationContext],
    handlers: Sequence[EventHandlerType],
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation],
) -> Call:
    prepare()
    connected = threading.Event()
    untrusted: list[str] = []

    def on_request(event: Event) -> None:
        if isinstance(event.primitive, A_ASSOCIATE):  # type: ignore[attr-defined]  # set by this event
            tend(event.assoc, peer.network_timeout_s)

    def on_connected(event: Event) -> None:
        if peer.tls is not None:
            _secure(event.assoc, peer, peer.tls, untrusted.append)
        tend(event.assoc, peer.network_timeout_s)
        connected.set()

    try:
        association = _entity(peer).associate(
            peer.host,
            peer.port,
            contexts=contexts,
            ae_title=peer.ae_title,
            ext_neg=list(roles),
            evt_handlers=[
                (evt.EVT_ACSE_SENT, on_request),
                (evt.EVT_CONN_OPEN, on_connected),
                *handlers,
            ],
        )
    except OSError as error:
        return Call(Reach.UNREACHABLE, f"{peer.host}:{peer.port} cannot be reached: {error}")
    where = f"{peer.host}:{peer.port}"
    if untrusted and not association.is_established:
        return Call(Reach.UNTRUSTED, f"{where}: TLS failed: {untrusted[0]}")
    return _judged(association, connected=connected.is_set(), where=where)


def _secure(
    association: Association, peer: PeerAddress, tls: ssl.SSLContext, note: Callable[[str], None]
) -> None:
    """Perform the TLS handshake, or close the connection and keep the reason.

    With TLS 1.3 a peer verifies our certificate after our part of the handshake, so its refusal arrives in
    place of its first response.
    """
    wrapped = association.dul.socket
    raw = None if wrapped is None else wrapped.socket
    if wrapped is None or raw is None:
        return
    try:
        wrapped.socket = secured(raw.dup(), tls, peer.connect_timeout_s, peer.tls_name or peer.host)
    except OSError as error:
        note(why(error))
        cut(raw)
        return
    raw.close()
    receive = wrapped.recv

    def received(nr_bytes: int) -> bytearray:
        try:
            return receive(nr_bytes)
        except ssl.SSLError as error:
            note(why(error))
            raise

    wrapped.recv = received  # type: ignore[method-assign]


def _entity(peer: PeerAddress) -> AE:
    entity = AE(peer.calling_ae)
    entity.connection_timeout = peer.connect_timeout_s
    entity.acse_timeout = peer.acse_timeout_s
    entity.dimse_timeout = peer.dimse_timeout_s
    entity.network_timeout = peer.network_timeout_s
    return entity


def _judged(association: Association, *, connected: bool, where: str) -> Call:
    """Describe the outcome of an association request."""
    if association.is_established:
        return Call(Reach.ACCEPTED, "association accepted", association)
    if not connected:
        return Call(Reach.UNREACHABLE, f"{where} cannot be reached")
    answer = association.acceptor.primitive or _unread_rejection(association)
    if answer is not None and answer.result != 0:
        return Call(Reach.REJECTED, f"{answer.result_str}, {answer.source_str}: {answer.reason_str}")
    if answer is not None and answer.result == 0:
        return Call(Reach.NO_CONTEXT, "association accepted without any of the presentation contexts")
    return Call(Reach.BROKEN, f"{where} aborted or did not respond to the association request")


def _unread_rejection(association: Association) -> A_ASSOCIATE | None:
    """The A-ASSOCIATE-RJ of a connection that ended before the library looked for an answer on it.

    On a busy machine the calling thread finds the connection closed and takes it for one that never was.
    """
    answers = association.dul.to_user_queue
    with answers.mutex:
        left = list(answers.queue)
    return next((one for one in left if isinstance(one, A_ASSOCIATE) and one.result), None)
