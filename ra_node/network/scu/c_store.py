"""C-STORE SCU: every object gets an outcome, whatever the peer does.

One association carries all objects. Objects without a response are retried, never lost, and an object whose
SOP class the peer refuses is replaced by its alternative where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from pydicom import Dataset, dcmread
from pynetdicom import build_context
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at run time by the library
    StorageCommitmentPushModel,
    Verification,
)

from ra_node.network.presentation_contexts import (
    RESULT_CLASSES,
    RESULT_SYNTAXES,
    proposed_contexts,
    result_contexts,
    rewritable_as,
)
from ra_node.network.scp.c_store import traced
from ra_node.network.scu.association import OUT_OF_REACH, Call, PeerAddress, Reach, call
from ra_node.network.status.c_store import SOP_CLASS_NOT_SUPPORTED, SUCCESS, Answer, meaning_of
from ra_node.network.status.error_comment import spoken

__all__ = [
    "EchoReport",
    "OutgoingObject",
    "PeerAddress",
    "Reach",
    "SendOutcome",
    "SendReport",
    "echo",
    "send",
]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OutgoingObject:
    """A Part-10 file to send; `alternative` has the same content in a SOP class that more peers accept."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    alternative: OutgoingObject | None = None


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """Outcome of one object.

    `sent_sop_instance_uid` is that of the object sent: itself, its alternative, or "" for neither.
    `detail` may quote the peer's error comment, without attributes of the patient: for the operator, not for
    logs.
    """

    sop_instance_uid: str
    sent_sop_instance_uid: str
    answer: Answer
    status: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class SendReport:
    """The outcome of each object, in the given order."""

    peer: str
    reach: Reach
    detail: str
    outcomes: tuple[SendOutcome, ...]


@dataclass(frozen=True, slots=True)
class EchoReport:
    """Result of a peer check: `status` of the C-ECHO, None without one.

    `accepted` holds the (SOP class UID, transfer syntax UID) pairs of results that it accepts.
    """

    peer: str
    reach: Reach
    detail: str
    status: int | None = None
    accepted: frozenset[tuple[str, str]] = frozenset()
    commits: bool = False
    """Whether it accepts Storage Commitment."""

    @property
    def alive(self) -> bool:
        return self.status == SUCCESS

    def takes(self, sop_class_uid: str) -> bool:
        """Whether the peer accepted a context for a SOP class of results."""
        return any(uid == sop_class_uid for uid, _ in self.accepted)


def send(
    peer: PeerAddress,
    objects: Sequence[OutgoingObject],
    tell: Callable[[SendOutcome], object] = lambda _outcome: None,
    *,
    stopping: Callable[[], bool] = lambda: False,
) -> SendReport:
    """Send all objects in one association; return the outcome of each; never raises because of the peer.

    After a broken association the current object is RETRY and the following ones are UNTRIED, as after
    `stopping`. `tell` is called with each outcome, except where the peer is unreachable; its exceptions end
    the loop.
    """
    if not objects:
        return SendReport(peer.name, Reach.ACCEPTED, "nothing to send", ())
    outcomes = []
    with call(peer, proposed_contexts(_pairs(objects))) as made:
        for outcome in _send_all(made, objects, stopping):
            outcomes.append(outcome)
            if made.reach not in OUT_OF_REACH:
                tell(outcome)
    report = SendReport(peer.name, made.reach, made.detail, tuple(outcomes))
    answers = {answer.value: sum(one.answer is answer for one in outcomes) for answer in Answer}
    log.info("objects_sent", peer=peer.name, reach=made.reach.value, detail=made.detail, **answers)
    return report


def echo(peer: PeerAddress) -> EchoReport:
    """Check a peer by C-ECHO, and the presentation contexts that it accepts (PS3.4 annex A, annex J)."""
    contexts = [
        build_context(Verification, list(RESULT_SYNTAXES)),
        *result_contexts(),
        build_context(StorageCommitmentPushModel, list(RESULT_SYNTAXES)),
    ]
    with call(peer, contexts) as made:
        if made.association is None:
            return EchoReport(peer.name, made.reach, made.detail)
        taken = {uid for uid, _ in made.accepted}
        accepted = frozenset(pair for pair in made.accepted if pair[0] in RESULT_CLASSES)
        commits = StorageCommitmentPushModel in taken
        try:
            answer = made.association.send_c_echo()
        except (ValueError, RuntimeError):
            detail = "Verification was not accepted"
            return EchoReport(peer.name, made.reach, detail, None, accepted, commits)
        status = answer.get("Status")
        detail = made.detail if status is not None else "no response to C-ECHO"
        return EchoReport(peer.name, made.reach, detail, status, accepted, commits)


def _pairs(objects: Sequence[OutgoingObject]) -> Iterator[tuple[str, str]]:
    for one in objects:
        for candidate in _candidates(one):
            yield candidate.sop_class_uid, candidate.transfer_syntax


def _candidates(one: OutgoingObject) -> Iterator[OutgoingObject]:
    """An object, then its alternatives in order."""
    candidate: OutgoingObject | None = one
    while candidate is not None:
        yield candidate
        candidate = candidate.alternative


def _send_all(
    made: Call, objects: Sequence[OutgoingObject], stopping: Callable[[], bool]
) -> Iterator[SendOutcome]:
    """Send one after the other; a missing response ends the loop."""
    if made.association is None:
        answer = Answer.NO_CONTEXT if made.reach is Reach.NO_CONTEXT else Answer.UNTRIED
        yield from (SendOutcome(one.sop_instance_uid, "", answer, None, made.detail) for one in objects)
        return
    for number, one in enumerate(objects):
        if stopping() or not made.association.is_established:
            detail = "the association ended before it was sent"
            yield SendOutcome(one.sop_instance_uid, "", Answer.UNTRIED, None, detail)
            continue
        outcome = _send_one(made.association, made.accepted, one, number % 0xFFFF + 1)
        if outcome.sent_sop_instance_uid and outcome.status is None:
            made.association.abort()
        yield outcome


def _send_one(
    association: Association, accepted: frozenset[tuple[str, str]], one: OutgoingObject, message_id: int
) -> SendOutcome:
    """Send an object, or the first alternative that the peer accepts."""
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
        source = _plain(candidate.path) if rewrite else candidate.path
        status = association.send_c_store(source, msg_id=message_id)
    except Exception as error:  # noqa: BLE001 - an object that cannot be read must not take the others with it
        log.error("object_not_sent", sop_instance_uid=sent_uid, **traced(error))  # noqa: TRY400 - without the message
        return SendOutcome(asked_uid, "", Answer.RETRY, None, f"not sent: {type(error).__name__}")
    return _outcome(asked_uid, candidate, status)


def _plain(path: Path) -> Dataset:
    """Read a data set with decompressed pixels, under the same UID: the compression is lossless."""
    dataset = dcmread(path)
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        dataset.decompress(generate_instance_uid=False)
    return dataset


def _outcome(asked_uid: str, sent: OutgoingObject, status: Dataset) -> SendOutcome:
    sent_uid = sent.sop_instance_uid
    if "Status" not in status:
        return SendOutcome(asked_uid, sent_uid, Answer.RETRY, None, "no response to C-STORE")
    code = int(status.Status)
    meaning = meaning_of(code)
    comment = spoken(str(status.get("ErrorComment", "") or ""), sent.path)
    detail = f"0x{code:04X} {meaning.meaning}" + (f": {comment}" if comment else "")
    return SendOutcome(asked_uid, sent_uid, meaning.answer, code, detail)
