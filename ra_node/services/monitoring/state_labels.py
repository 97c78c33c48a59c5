"""Labels of stored states, the same on the operator page and in the terminal; JSON has the stored values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ra_node.domain.job import JobState
from ra_node.ledger.database.schema import CommitmentState, DeliveryState, StudyState

STUDY: dict[StudyState, str] = {
    StudyState.OPEN: "receiving",
    StudyState.SETTLED: "analysing",
    StudyState.ANSWERED: "reported",
    StudyState.FAILED: "failed",
    StudyState.IGNORED: "ignored",
}
JOB: dict[JobState, str] = {
    JobState.READY: "queued",
    JobState.LEASED: "running",
    JobState.DONE: "done",
    JobState.BURIED: "buried",
}
DELIVERY: dict[DeliveryState, str] = {
    DeliveryState.WAITING: "queued",
    DeliveryState.ACCEPTED: "delivered",
    DeliveryState.REFUSED: "refused",
    DeliveryState.DROPPED: "dropped",
}
COMMITMENT: dict[CommitmentState, str] = {
    CommitmentState.NOT_ASKED: "storage commitment not requested",
    CommitmentState.WAITING: "storage commitment pending",
    CommitmentState.COMMITTED: "committed",
    CommitmentState.LACKING: "no commitment service",
    CommitmentState.WAIVED: "storage commitment waived",
}
_BY_KIND: dict[str, dict[str, str]] = {
    "studies": {str(state): text for state, text in STUDY.items()},
    "jobs": {str(state): text for state, text in JOB.items()},
    "deliveries": {str(state): text for state, text in DELIVERY.items()},
    "commitments": {str(state): text for state, text in COMMITMENT.items()},
}
_DETAIL = {"counts": "report_needed"}
"""Names of details that differ from the stored ones."""


def count_label(kind: str, key: str) -> str:
    """Label of a key of `Overview`: its state, after the name of a job kind or peer."""
    name, _, state = key.rpartition(" ")
    return f"{name} {_BY_KIND[kind].get(state, state)}".strip()


def event_details(detail: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and value of each detail of an event as people read them, without None."""
    for key, value in detail.items():
        if value is not None:
            text = ("no", "yes")[value] if isinstance(value, bool) else str(value)
            yield _DETAIL.get(key, key), text


def delivery_label(delivery: DeliveryState, commitment: CommitmentState) -> str:
    """State of an object at a peer, with that of its storage commitment where it was requested."""
    if commitment is CommitmentState.NOT_ASKED:
        return DELIVERY[delivery]
    return f"{DELIVERY[delivery]}, {COMMITMENT[commitment]}"
