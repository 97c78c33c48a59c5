"""Storage Commitment SCU: sends requests and receives reports (PS3.4 annex J).

The report arrives on the association of the request or on one that the peer opens to the listener; both are
handled by `on_event_report`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import structlog
from pydicom import Dataset
from pynetdicom import build_context, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import N_EVENT_REPORT
from pynetdicom.events import Event, EventHandlerType
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at run time by the library
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)
from structlog.typing import FilteringBoundLogger as BoundLogger

from ra_node.errors import Retryable
from ra_node.network.presentation_contexts import RESULT_SYNTAXES, UNCOMPRESSED
from ra_node.network.scp.c_store import UID_CHARACTERS, status_of, traced
from ra_node.network.scu.association import PeerAddress, Reach, call
from ra_node.network.status.c_store import PROCESSING_FAILURE, SUCCESS
from ra_node.network.status.storage_commitment import (
    INVALID_ARGUMENT,
    NO_SUCH_ARGUMENT,
    NO_SUCH_EVENT_TYPE,
    NO_SUCH_INSTANCE,
    RESOURCE_LIMITATION,
    UNRECOGNISED_OPERATION,
    ActionAnswer,
    failure_reason,
    meaning_of_action,
)

log: BoundLogger = structlog.get_logger(__name__)

ALL_KEPT, SOME_NOT_KEPT = 1, 2
"""Event Types of the report (PS3.4 table J.3-2)."""
REQUEST_COMMITMENT: Final = 1
REPORT_WAIT_S = 5.0
"""How long the association is held for an immediate report; later ones arrive on their own association."""


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """A storage commitment request for (SOP class UID, SOP instance UID) pairs."""

    transaction_uid: str
    references: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class CommitmentReport:
    """A storage commitment report; `failed` maps SOP Instance UIDs to the reason as text."""

    transaction_uid: str
    committed: frozenset[str]
    failed: dict[str, str]


@dataclass(frozen=True, slots=True)
class CommitmentResponse:
    """Outcome of one request; `detail` is for the operator."""

    transaction_uid: str
    answer: ActionAnswer
    detail: str


@dataclass(frozen=True, slots=True)
class AskReport:
    """Outcome of the association, and of each request in order."""

    reach: Reach
    detail: str
    asked: tuple[CommitmentResponse, ...]


class ReportMatch(StrEnum):
    """Whether a report matches a request that was sent to its sender."""

    TAKEN = "taken"
    UNKNOWN = "unknown"
    STRANGER = "stranger"


Hear = Callable[[CommitmentReport, str], ReportMatch]
"""Called with a report and its calling AE title; LedgerUnavailable makes the peer repeat it."""


def commitment_context() -> PresentationContext:
    """Context for reports: the peer is the SCP of the service although it requests the association."""
    context = build_context(StorageCommitmentPushModel, list(UNCOMPRESSED))
    context.scu_role = False
    context.scp_role = True
    return context


def commitment_handlers(hear: Hear) -> list[EventHandlerType]:
    """Handlers of a listener that accepts `commitment_context`."""
    return [
        (evt.EVT_N_EVENT_REPORT, on_event_report, [hear]),
        (evt.EVT_N_ACTION, _on_action),
    ]


def ask(
    peer: PeerAddress, requests: Sequence[CommitRequest], hear: Hear, wait_s: float = REPORT_WAIT_S
) -> AskReport:
    """Send all requests in one association; never raises because of the peer.

    Reports that arrive within `wait_s` on this association are handled; others arrive later.
    """
    waiting = {request.transaction_uid for request in requests}
    heard = threading.Condition()

    def note(report: CommitmentReport, _ae_title: str) -> ReportMatch:
        verdict = hear(report, peer.ae_title)
        with heard:
            waiting.discard(report.transaction_uid)
            heard.notify_all()
        return verdict

    contexts = [build_context(StorageCommitmentPushModel, list(RESULT_SYNTAXES))]
    handlers: list[EventHandlerType] = [(evt.EVT_N_EVENT_REPORT, on_event_report, [note])]
    with call(peer, contexts, handlers) as made:
        if made.association is None:
            lacking = made.reach is Reach.NO_CONTEXT
            answer = ActionAnswer.LACKING if lacking else ActionAnswer.RETRY
            detail = "the peer accepts no Storage Commitment" if lacking else made.detail
            asked = tuple(CommitmentResponse(one.transaction_uid, answer, detail) for one in requests)
        else:
            asked = tuple(_ask_all(made.association, requests))
            taken = {one.transaction_uid for one in asked if one.answer is ActionAnswer.TAKEN}
            with heard:
                heard.wait_for(lambda: taken.isdisjoint(waiting), wait_s)
    answers = {answer.value: sum(one.answer is answer for one in asked) for answer in ActionAnswer}
    log.info("commitment_requested", peer=peer.name, reach=made.reach.value, detail=made.detail, **answers)
    return AskReport(made.reach, made.detail, asked)


def on_event_report(event: Event, hear: Hear) -> tuple[Dataset, None]:
    """Handle one N-EVENT-REPORT request (PS3.4 J.3.3, PS3.7 10.1.1); never raises.

    Success only for a report that `hear` has recorded. A transaction that is unknown, or of another peer, is
    an invalid argument value (0x0115); the log has the reason.
    """
    return _status_of_report(event, hear), None


def _on_action(_event: Event) -> tuple[Dataset, None]:
    """N-ACTION is refused: this node offers no storage commitment."""
    return status_of(UNRECOGNISED_OPERATION, "this node offers no storage commitment"), None


def _status_of_report(event: Event, hear: Hear) -> Dataset:
    bound = log.bind(peer=str(event.assoc.requestor.ae_title).strip())
    request = event.request
    if not isinstance(request, N_EVENT_REPORT):
        return status_of(UNRECOGNISED_OPERATION)
    if request.AffectedSOPInstanceUID != StorageCommitmentPushModelInstance:
        return status_of(NO_SUCH_INSTANCE)
    if request.EventTypeID not in (ALL_KEPT, SOME_NOT_KEPT):
        return status_of(NO_SUCH_EVENT_TYPE)
    try:
        report = _read(event.event_information)
    except Exception as error:  # noqa: BLE001 - whatever the peer sent must not end the association
        bound.warning("commitment_report_not_decoded", **traced(error))
        return status_of(NO_SUCH_ARGUMENT, "expected a Transaction UID and referenced SOP instances")
    return _heard(report, bound.bind(transaction_uid=report.transaction_uid), event, hear)


def _heard(report: CommitmentReport, bound: BoundLogger, event: Event, hear: Hear) -> Dataset:
    try:
        hearing = hear(report, str(event.assoc.requestor.ae_title).strip())
    except Retryable as delay:
        bound.warning("commitment_report_not_recorded", reason=str(delay))
        return status_of(RESOURCE_LIMITATION, str(delay))
    except Exception as error:  # noqa: BLE001 - without a status the peer would not know what to do
        bound.error("commitment_report_not_recorded", **traced(error))
        return status_of(PROCESSING_FAILURE)
    if hearing is not ReportMatch.TAKEN:
        bound.warning("commitment_report_refused", reason=hearing.value)
        return status_of(INVALID_ARGUMENT, "no such transaction was asked of this AE title")
    bound.info("commitment_report_received", committed=len(report.committed), failed=len(report.failed))
    return status_of(SUCCESS)


def _read(information: Dataset) -> CommitmentReport:
    """Read the Event Information (PS3.4 table J.3-2); ValueError or AttributeError where it is invalid."""
    transaction_uid = str(information.TransactionUID)
    if not UID_CHARACTERS.fullmatch(transaction_uid):
        raise ValueError("expected a UID")
    failed = {
        str(item.ReferencedSOPInstanceUID): failure_reason(item.get("FailureReason"))
        for item in information.get("FailedSOPSequence") or ()
    }
    kept = {str(item.ReferencedSOPInstanceUID) for item in information.get("ReferencedSOPSequence") or ()}
    return CommitmentReport(transaction_uid, frozenset(kept - failed.keys()), failed)


def _ask_all(association: Association, requests: Sequence[CommitRequest]) -> Iterator[CommitmentResponse]:
    for number, request in enumerate(requests):
        if not association.is_established:
            detail = "the association ended before it was asked"
            yield CommitmentResponse(request.transaction_uid, ActionAnswer.RETRY, detail)
        else:
            yield _ask_one(association, request, number % 0xFFFF + 1)


def _ask_one(association: Association, request: CommitRequest, message_id: int) -> CommitmentResponse:
    try:
        status, _ = association.send_n_action(
            _action_information(request),
            REQUEST_COMMITMENT,
            StorageCommitmentPushModel,
            StorageCommitmentPushModelInstance,
            msg_id=message_id,
        )
    except Exception as error:  # noqa: BLE001 - one question must not take the others with it
        log.error("commitment_request_failed", **traced(error))  # noqa: TRY400 - without the message
        return CommitmentResponse(
            request.transaction_uid, ActionAnswer.RETRY, f"not asked: {type(error).__name__}"
        )
    if "Status" not in status:
        return CommitmentResponse(request.transaction_uid, ActionAnswer.RETRY, "no response to N-ACTION")
    code = int(status.Status)
    meaning = meaning_of_action(code)
    # without the Error Comment, which may quote the objects
    return CommitmentResponse(request.transaction_uid, meaning.answer, f"0x{code:04X} {meaning.meaning}")


def _action_information(request: CommitRequest) -> Dataset:
    """Build the Action Information (PS3.4 table J.3-1)."""
    information = Dataset()
    information.TransactionUID = request.transaction_uid
    information.ReferencedSOPSequence = [_item(*reference) for reference in request.references]
    return information


def _item(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid
    item.ReferencedSOPInstanceUID = sop_instance_uid
    return item
