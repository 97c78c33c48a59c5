"""Sending: every object that is handed over comes back with an answer, whatever the peer does.

One association carries all objects. What the peer did not answer is to be retried, never lost, and
an object whose SOP class the peer refuses is replaced by its alternative where there is one.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import structlog
from pydicom import Dataset, dcmread
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at run time by the library

from ra_node.network.contexts import RESULT_SYNTAXES, proposed_contexts, result_contexts, rewritable_as
from ra_node.network.engine import prepare, tend
from ra_node.network.outcome import SOP_CLASS_NOT_SUPPORTED, SUCCESS, Answer, meaning_of
from ra_node.network.store import traced

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """Where a peer listens, as whom we call it, and how long we wait for it."""

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


@dataclass(frozen=True, slots=True)
class OutgoingObject:
    """A Part-10 file to send; `alternative` says the same in a SOP class that more peers take."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    alternative: OutgoingObject | None = None


class Reach(StrEnum):
    """How far an association request came."""

    UNREACHABLE = "unreachable"
    REJECTED = "rejected"
    BROKEN = "broken"
    """Connected, but aborted or without an answer before it was established."""
    NO_CONTEXT = "no_context"
    """The association was accepted and none of the presentation contexts was."""
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """What became of one object.

    `sent_sop_instance_uid` names what went out: the object, its alternative, or "" for neither.
    `detail` may quote the peer's error comment: it is for the operator, not for logs.
    """

    sop_instance_uid: str
    sent_sop_instance_uid: str
    answer: Answer
    status: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class SendReport:
    """The answer to each object, in the order in which they were given."""

    peer: str
    reach: Reach
    detail: str
    outcomes: tuple[SendOutcome, ...]


@dataclass(frozen=True, slots=True)
class EchoReport:
    """What was reached at a peer: `status` of the C-ECHO, None without one.

    `accepted` holds the (SOP class UID, transfer syntax UID) pairs of results that it takes.
    """

    peer: str
    reach: Reach
    detail: str
    status: int | None = None
    accepted: frozenset[tuple[str, str]] = frozenset()

    @property
    def alive(self) -> bool:
        return self.status == SUCCESS

    def takes(self, sop_class_uid: str) -> bool:
        """Tell whether the peer accepted a context for a SOP class of results."""
        return any(uid == sop_class_uid for uid, _ in self.accepted)


@dataclass(frozen=True, slots=True)
class _Call:
    """An association request that was answered, or not; `association` is set when established."""

    reach: Reach
    detail: str
    association: Association | None = None

    @property
    def accepted(self) -> frozenset[tuple[str, str]]:
        contexts = self.association.accepted_contexts if self.association else []
        return frozenset((str(cx.abstract_syntax), str(cx.transfer_syntax[0])) for cx in contexts)


def send(peer: PeerAddress, objects: Sequence[OutgoingObject]) -> SendReport:
    """Send all objects in one association and report on each; never raises for what a peer does.

    An established association that breaks leaves the objects that were not answered at RETRY.
    """
    if not objects:
        return SendReport(peer.name, Reach.ACCEPTED, "nothing to send", ())
    with _association(peer, proposed_contexts(_pairs(objects))) as call:
        outcomes = tuple(_send_all(call, objects))
    report = SendReport(peer.name, call.reach, call.detail, outcomes)
    answers = {answer.value: sum(one.answer is answer for one in outcomes) for answer in Answer}
    log.info("objects_sent", peer=peer.name, reach=call.reach.value, detail=call.detail, **answers)
    return report


def echo(peer: PeerAddress) -> EchoReport:
    """Ask a peer whether it is there and which results it would take (PS3.4 annex A)."""
    contexts = [build_context(Verification, list(RESULT_SYNTAXES)), *result_contexts()]
    with _association(peer, contexts) as call:
        if call.association is None:
            return EchoReport(peer.name, call.reach, call.detail)
        accepted = frozenset(pair for pair in call.accepted if pair[0] != Verification)
        try:
            answer = call.association.send_c_echo()
        except (ValueError, RuntimeError):
            return EchoReport(peer.name, call.reach, "Verification was not accepted", None, accepted)
        status = answer.get("Status")
        detail = call.detail if status is not None else "no answer to C-ECHO"
        return EchoReport(peer.name, call.reach, detail, status, accepted)


def _pairs(objects: Sequence[OutgoingObject]) -> Iterator[tuple[str, str]]:
    for one in objects:
        for candidate in _candidates(one):
            yield candidate.sop_class_uid, candidate.transfer_syntax


def _candidates(one: OutgoingObject) -> Iterator[OutgoingObject]:
    """Give an object, then its alternatives in order."""
    candidate: OutgoingObject | None = one
    while candidate is not None:
        yield candidate
        candidate = candidate.alternative


def _send_all(call: _Call, objects: Sequence[OutgoingObject]) -> Iterator[SendOutcome]:
    """Send one after the other; what is not answered ends it, since nothing better would follow."""
    if call.association is None:
        answer = Answer.NO_CONTEXT if call.reach is Reach.NO_CONTEXT else Answer.RETRY
        yield from (SendOutcome(one.sop_instance_uid, "", answer, None, call.detail) for one in objects)
        return
    for number, one in enumerate(objects):
        if not call.association.is_established:
            detail = "the association ended before it was sent"
            yield SendOutcome(one.sop_instance_uid, "", Answer.RETRY, None, detail)
            continue
        outcome = _send_one(call.association, call.accepted, one, number % 0xFFFF + 1)
        yield outcome
        if outcome.sent_sop_instance_uid and outcome.status is None:
            call.association.abort()


def _send_one(
    association: Association, accepted: frozenset[tuple[str, str]], one: OutgoingObject, message_id: int
) -> SendOutcome:
    """Send an object, or the first alternative that the peer takes."""
    detail = f"no presentation context accepted for SOP class {one.sop_class_uid}"
    outcome = SendOutcome(one.sop_instance_uid, "", Answer.NO_CONTEXT, None, detail)
    for candidate in _candidates(one):
        fitting = [
            syntax
            for syntax in (candidate.transfer_syntax, *rewritable_as(candidate.transfer_syntax))
            if (candidate.sop_class_uid, syntax) in accepted
        ]
        if not fitting:
            continue
        rewrite = fitting[0] != candidate.transfer_syntax
        outcome = _store(association, one.sop_instance_uid, candidate, message_id, rewrite=rewrite)
        if outcome.status != SOP_CLASS_NOT_SUPPORTED:
            return outcome
    return outcome


def _store(
    association: Association, asked_uid: str, candidate: OutgoingObject, message_id: int, *, rewrite: bool
) -> SendOutcome:
    """Send one C-STORE: the file's own bytes, or its data set rewritten as explicit or implicit VR."""
    sent_uid = candidate.sop_instance_uid
    try:
        source = dcmread(candidate.path) if rewrite else candidate.path
        status = association.send_c_store(source, msg_id=message_id)
    except Exception as error:  # noqa: BLE001 - an object that cannot be read must not take the others with it
        log.error("object_not_sent", sop_instance_uid=sent_uid, **traced(error))  # noqa: TRY400 - without the message
        return SendOutcome(asked_uid, "", Answer.RETRY, None, f"not sent: {type(error).__name__}")
    return _outcome(asked_uid, sent_uid, status)


def _outcome(asked_uid: str, sent_uid: str, status: Dataset) -> SendOutcome:
    if "Status" not in status:
        return SendOutcome(asked_uid, sent_uid, Answer.RETRY, None, "no answer to C-STORE")
    code = int(status.Status)
    meaning = meaning_of(code)
    comment = str(status.get("ErrorComment", "") or "")
    detail = f"0x{code:04X} {meaning.meaning}" + (f": {comment}" if comment else "")
    return SendOutcome(asked_uid, sent_uid, meaning.answer, code, detail)


@contextmanager
def _association(peer: PeerAddress, contexts: list[PresentationContext]) -> Iterator[_Call]:
    """Request an association and release it at the end."""
    call = _request(peer, contexts)
    try:
        yield call
    finally:
        if call.association is not None and call.association.is_established:
            call.association.release()


def _request(peer: PeerAddress, contexts: list[PresentationContext]) -> _Call:
    prepare()
    connected = threading.Event()

    def on_request(event: Event) -> None:
        if isinstance(event.primitive, A_ASSOCIATE):  # type: ignore[attr-defined]  # set by this event
            tend(event.assoc, peer.network_timeout_s)

    def on_connected(event: Event) -> None:
        tend(event.assoc, peer.network_timeout_s)
        connected.set()

    try:
        association = _entity(peer).associate(
            peer.host,
            peer.port,
            contexts=contexts,
            ae_title=peer.ae_title,
            tls_args=(peer.tls, peer.host) if peer.tls else None,
            evt_handlers=[(evt.EVT_ACSE_SENT, on_request), (evt.EVT_CONN_OPEN, on_connected)],
        )
    except OSError as error:
        return _Call(Reach.UNREACHABLE, f"{peer.host}:{peer.port} cannot be reached: {error}")
    return _judged(association, connected=connected.is_set(), where=f"{peer.host}:{peer.port}")


def _entity(peer: PeerAddress) -> AE:
    entity = AE(peer.calling_ae)
    entity.connection_timeout = peer.connect_timeout_s
    entity.acse_timeout = peer.acse_timeout_s
    entity.dimse_timeout = peer.dimse_timeout_s
    entity.network_timeout = peer.network_timeout_s
    return entity


def _judged(association: Association, *, connected: bool, where: str) -> _Call:
    """Name what an association request led to."""
    if association.is_established:
        return _Call(Reach.ACCEPTED, "association accepted", association)
    if not connected:
        return _Call(Reach.UNREACHABLE, f"{where} cannot be reached")
    answer = association.acceptor.primitive
    if association.is_rejected and answer is not None:
        return _Call(Reach.REJECTED, f"{answer.result_str}, {answer.source_str}: {answer.reason_str}")
    if answer is not None and answer.result == 0:
        return _Call(Reach.NO_CONTEXT, "association accepted without any of the presentation contexts")
    return _Call(Reach.BROKEN, f"{where} aborted or did not answer the association request")
