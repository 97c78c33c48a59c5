"""What the operator sees: counts, studies, buried jobs and ages. Only reads."""

from __future__ import annotations

from dataclasses import dataclass

from ra_node.domain.job import Job, JobKind, JobState
from ra_node.ledger.engine import Ledger
from ra_node.ledger.schema import DeliveryState, StudyState


@dataclass(frozen=True, slots=True)
class PeerState:
    """How a version stands with a peer: the worst state among its objects."""

    peer: str
    version: int
    state: DeliveryState
    detail: str | None


@dataclass(frozen=True, slots=True)
class StudyLine:
    """One study as a line of a list. Times are UTC seconds since 1970."""

    study_uid: str
    state: StudyState
    first_received_at: float
    last_received_at: float
    version: int
    answered_version: int
    purged_at: float | None
    instances: int
    deliveries: tuple[PeerState, ...]
    last_error: str | None


def job_counts(ledger: Ledger) -> dict[tuple[JobKind, JobState], int]:
    """Count the jobs by kind and state; absent pairs are zero."""

def study_counts(ledger: Ledger) -> dict[StudyState, int]:
    """Count the studies by state."""

def delivery_counts(ledger: Ledger) -> dict[tuple[str, DeliveryState], int]:
    """Count the deliveries by peer and state."""

def studies(ledger: Ledger, limit: int = 100, offset: int = 0) -> list[StudyLine]:
    """List studies, the last received first."""

def find_study(ledger: Ledger, study_uid: str) -> StudyLine | None:
    """Read one study."""

def buried_jobs(ledger: Ledger, limit: int = 100) -> list[Job]:
    """List buried jobs, the last buried first; `last_error` is the reason."""

def jobs_of(ledger: Ledger, study_uid: str) -> list[Job]:
    """List the jobs of a study, oldest first."""

def oldest_unanswered(ledger: Ledger) -> float | None:
    """When the instance arrived that waits longest for its answer; None: nothing waits."""
