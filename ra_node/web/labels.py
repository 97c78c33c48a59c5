"""Labels of states and events on the page; each state also has a shape, so that no colour is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ra_node.domain.job import JobKind, JobState
from ra_node.domain.report import HandVerdict
from ra_node.domain.result_objects import RESULT_OBJECTS
from ra_node.domain.texts.report_trust import ReportTrust
from ra_node.ledger.alarms import AlarmKind
from ra_node.ledger.database.schema import CommitmentState, DeliveryState, StudyState
from ra_node.ledger.overview import PeerState
from ra_node.services.delivery.destination_status import DestinationStatus, DiskSpace
from ra_node.services.jobs.worker_status import RunningWorker
from ra_node.services.models.registry import BundleLine
from ra_node.services.monitoring import state_labels
from ra_node.services.monitoring.event_counters import Step
from ra_node.services.preflight.alarms import hint_of
from ra_node.services.reporting.answer_event import AnswerSummary


@dataclass(frozen=True, slots=True)
class Badge:
    """A word with its shape and its tone: ok, busy, warn, bad or quiet."""

    shape: str
    text: str
    tone: str


STUDY = {
    StudyState.OPEN: Badge("◔", state_labels.STUDY[StudyState.OPEN], "busy"),
    StudyState.SETTLED: Badge("◑", state_labels.STUDY[StudyState.SETTLED], "busy"),
    StudyState.ANSWERED: Badge("●", state_labels.STUDY[StudyState.ANSWERED], "ok"),
    StudyState.FAILED: Badge("▲", state_labels.STUDY[StudyState.FAILED], "bad"),
    StudyState.IGNORED: Badge("○", state_labels.STUDY[StudyState.IGNORED], "quiet"),
}
DELIVERY = {
    DeliveryState.WAITING: Badge("◔", state_labels.DELIVERY[DeliveryState.WAITING], "busy"),
    DeliveryState.ACCEPTED: Badge("●", state_labels.DELIVERY[DeliveryState.ACCEPTED], "ok"),
    DeliveryState.REFUSED: Badge("▲", state_labels.DELIVERY[DeliveryState.REFUSED], "bad"),
    DeliveryState.DROPPED: Badge("○", state_labels.DELIVERY[DeliveryState.DROPPED], "quiet"),
}
_COMMITMENT = {
    CommitmentState.WAITING: Badge("◑", state_labels.COMMITMENT[CommitmentState.WAITING], "busy"),
    CommitmentState.COMMITTED: Badge("●", state_labels.COMMITMENT[CommitmentState.COMMITTED], "ok"),
    CommitmentState.LACKING: Badge("◆", state_labels.COMMITMENT[CommitmentState.LACKING], "warn"),
}
_EVENT = {
    "instance_stored": "image received",
    "instance_examined": "image analysed",
    "instance_examined_again": "image analysed again with another bundle",
    "instance_damaged": "stored image damaged or missing",
    "instance_replaced": "damaged image replaced by a good copy",
    "instance_corrected": "header corrected by a resend",
    "correction_ignored": "resend with an earlier header ignored",
    "correction_overtaken": "resend ignored: a later correction was taken before",
    "instance_restored": "image file restored",
    "preview_made_again": "preview rebuilt",
    "resend_refused": "resend refused",
    "peer_patient_changed": "patient or order corrected at the destination",
    "peer_patient_ambiguous": "destination has the study under several patients",
    "patients_merged": "patients merged",
    "patient_message_taken": "ADT message recorded",
    "patient_updated": "patient updated by an ADT message",
    "withdrawal_requested": "withdrawal requested",
    "withdrawal_superseded": "withdrawal ended: a newer result is from another bundle",
    "study_withdrawn": "result withdrawn",
    "resend_queued": "resend kept until its pixels are compared",
    "resend_repeated": "resend has the same pixels and header",
    "resend_requested": "resend to a destination requested",
    "analysis_requested": "new analysis requested",
    "study_settled": "study settled",
    "study_answered": "report made",
    "object_delivered": "object delivered",
    "object_refused": "object refused by the destination",
    "object_rebuilt": "damaged object rebuilt",
    "object_postponed": "delivery postponed",
    "version_delivered": "report delivered",
    "commitment_asked": "storage commitment requested",
    "object_committed": "storage committed",
    "commitment_failed": "storage commitment failed",
    "commitment_lacking": "destination has no commitment service",
    "job_buried": "buried",
    "job_requeued": "requeued",
    "job_dropped": "dropped by an operator",
    "delivery_dropped": "delivery dropped",
    "job_postponed": "postponed",
    "lease_expired": "lease expired, job returned",
    "operator_acted": "operator",
    "alarm_raised": "alarm",
    "alarm_cleared": "alarm ended",
}
_BAD_EVENTS = ("object_refused", "commitment_failed", "job_buried", "instance_damaged", "resend_refused")
_WARN_EVENTS = ("object_postponed", "job_postponed", "lease_expired", "commitment_lacking")
_KIND: dict[str, str] = {
    **{str(row.kind): row.label for row in RESULT_OBJECTS},
    "examine": "examine an image",
    "report": "make the report",
    "deliver": "deliver",
    "commit": "request storage commitment",
    "compare": "compare a resent image",
}

_STEP = {
    Step.SETTLE: "first image to settled study",
    Step.ANSWER: "settled study to report",
    Step.DELIVER: "report to destination",
    Step.COMMIT: "delivery to commitment",
}

_ABBREVIATED = {"auc": "AUC", "f1": "F1", "uid": "UID", "sop": "SOP", "sr": "SR", "ae": "AE"}


def study(state: StudyState) -> Badge:
    """The state of a study."""
    return STUDY[state]


def is_final(state: StudyState) -> bool:
    """Whether a study can be analysed again."""
    return state in (StudyState.ANSWERED, StudyState.FAILED)


def delivery(state: DeliveryState, commitment: CommitmentState) -> Badge:
    """State of an object at a destination; delivered and committed are distinct."""
    if state is DeliveryState.ACCEPTED and commitment in _COMMITMENT:
        return _COMMITMENT[commitment]
    return DELIVERY[state]


def peer(one: PeerState) -> Badge:
    """State of a version at a destination."""
    return delivery(one.state, one.commitment)


def kind(name: str) -> str:
    """A kind of object or job."""
    return _KIND.get(name, plain(name))


def event(what: str) -> Badge:
    """An event of the timeline."""
    text = _EVENT.get(what, plain(what))
    if what in _BAD_EVENTS:
        return Badge("▲", text, "bad")
    return Badge("◆", text, "warn") if what in _WARN_EVENTS else Badge("·", text, "quiet")


_DETAIL = {
    "positive": "hands with RA suspected",
    "probabilities": "probability of RA by hand",
    "stages": "stage by hand",
    "refusal": "no hand rated",
    "refusals": "not rated",
    "by": "operator",
    "done": "action",
    "size_bytes": "bytes",
    "told": "reported",
}
_ACTION = {
    "requeued": "jobs requeued",
    "dropped": "jobs dropped",
    "echoed": "peer called by C-ECHO",
    "file_downloaded": "file downloaded",
    "resend_requested": "result sent again",
    "analysis_requested": "images analysed again",
    "signed_in": "signed in",
    "withdrawal_requested": "withdrawal requested",
}


def detail(told: Mapping[str, Any], texts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Details of an event in words, without empty values."""
    kept = {key: value for key, value in told.items() if value not in ("", False)}
    return [
        (_DETAIL.get(key, plain(key)), _detail_value(key, text, texts))
        for key, text in state_labels.event_details(kept)
    ]


def _detail_value(key: str, text: str, texts: Mapping[str, str]) -> str:
    """Codes in words: reasons, kinds of job and object, actions."""
    if key in ("refusal", "refusals"):
        return ", ".join(reason(one, texts) for one in dict.fromkeys(text.split()))
    if key == "kind":
        return kind(text)
    return _ACTION.get(text, plain(text)) if key in ("done", "cause") else text


def plain(code: str) -> str:
    """A code in words: "no_hand" is "no hand"."""
    return " ".join(_ABBREVIATED.get(word, word) for word in code.split("_"))


def reason(code: str, texts: Mapping[str, str]) -> str:
    """A reason why there is no result, in the texts of the page."""
    return texts.get(f"reason_{code}", plain(code))


def needs_operator(texts: Mapping[str, str]) -> Badge:
    """A study with a buried job, a refused delivery or an alarm."""
    return Badge("▲", texts["needs_operator"], "bad")


_VERDICT = {
    HandVerdict.PRESENT: ("▲", "bad"),
    HandVerdict.ABSENT: ("●", "ok"),
    HandVerdict.INCONCLUSIVE: ("◆", "warn"),
    HandVerdict.NOT_RATED: ("○", "quiet"),
    HandVerdict.NOT_ANALYSED: ("○", "quiet"),
}


def verdict(one: HandVerdict, texts: Mapping[str, str]) -> Badge:
    """The verdict on a hand."""
    shape, tone = _VERDICT[one]
    return Badge(shape, texts[f"verdict_{one}"], tone)


def trust_tone(trust: ReportTrust) -> str:
    """The tone of the band above a report."""
    return {ReportTrust.RESULT: "ok", ReportTrust.NO_RESULT: "quiet"}.get(trust, "warn")


def summary(said: AnswerSummary | None, texts: Mapping[str, str]) -> str:
    """Result of a report in one line, "" where it is unknown."""
    if said is None or not said.known:
        return ""
    if said.refusal:
        return f"no hand rated: {reason(said.refusal, texts)}"
    return "; ".join(_counted(said)) or "no hand rated"


def _counted(said: AnswerSummary) -> Iterator[str]:
    count = len(said.probabilities)
    if count:
        yield f"RA in {said.positive} of {count} hand{'' if count == 1 else 's'}"
    if said.stages:
        yield f"stage{'' if count == 1 else 's'} " + ",\u00a0".join(str(stage) for stage in said.stages)
    if said.inconclusive:
        yield f"{said.inconclusive} inconclusive"
    if said.not_rated:
        yield f"{said.not_rated} not rated"


STRANGER = Badge("◆", "not configured", "warn")


def role(lines: int) -> Badge:
    """Whether a role is running."""
    return Badge("●", "running", "ok") if lines else Badge("▲", "missing", "bad")


def disk(room: DiskSpace) -> Badge:
    """State of the disk space."""
    if room is DiskSpace.LOW:
        return Badge("▲", "full", "bad")
    return Badge("●", "enough space", "ok") if room is DiskSpace.ENOUGH else Badge("◆", "nearly full", "warn")


def standing(one: DestinationStatus, refused: int) -> Badge:
    """State of a destination that has refused this many objects."""
    if one.outages:
        return Badge("▲", "not reachable", "bad")
    if not one.configured:
        return STRANGER
    if refused:
        return Badge("▲", "refuses objects", "bad")
    if one.lacking_commitment:
        return Badge("◆", "no commitment service", "warn")
    return Badge("◔", "busy", "busy") if one.waiting else Badge("●", "up to date", "ok")


def worker(one: RunningWorker, in_use: BundleLine | None) -> Badge:
    """Whether a worker runs the bundle in use."""
    if one.refused:
        return Badge("▲", "keeps an old bundle", "bad")
    if in_use is None or in_use.sha256 == one.sha256:
        return Badge("●", "running", "ok")
    return Badge("◔", "changing soon", "busy")


def step(one: Step) -> str:
    """A processing step of a study."""
    return _STEP[one]


def alarm_hint(kind: AlarmKind) -> str:
    """What to do about alarms of a kind."""
    return hint_of(kind)


def buried_count(jobs: Mapping[tuple[JobKind, JobState], int]) -> int:
    """Number of buried jobs."""
    return sum(count for (_, state), count in jobs.items() if state is JobState.BURIED)
