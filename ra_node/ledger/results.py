"""What was found and where it went: an answer, its objects and their deliveries commit together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ra_node.domain.job import Job, JobState
from ra_node.ledger.engine import Ledger
from ra_node.ledger.schema import DeliveryState


@dataclass(frozen=True, slots=True)
class Finding:
    """One image of a version as the report needs it.

    `finding_json` is None when the examination failed; `failure` then says why.
    """

    instance_id: str
    sop_instance_uid: str
    sop_class_uid: str
    series_uid: str
    path: str | None
    finding_json: str | None
    preview_path: str | None
    bundle_sha256: str | None
    failure: str | None


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to one version of a study; `predecessor` is the SR UID of the version before."""

    study_uid: str
    version: int
    report_json: str
    created_at: float
    sr_uid: str
    predecessor: str | None = None


@dataclass(frozen=True, slots=True)
class ResultObject:
    """A DICOM object of a result; `kind` is "sr", "sr_comprehensive" or "overlay".

    `path` is relative to the data folder and None once retention has removed the file.
    """

    sop_instance_uid: str
    study_uid: str
    version: int
    kind: str
    sop_class_uid: str
    path: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where one object stands with one peer; `status` is the last C-STORE status."""

    object: ResultObject
    peer: str
    state: DeliveryState
    status: int | None
    detail: str | None
    attempts: int
    updated_at: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt to send one object came to; WAITING means "try again"."""

    object_uid: str
    state: DeliveryState
    status: int | None = None
    detail: str | None = None


def finish_examination(
    ledger: Ledger, job: Job, finding_json: str, preview_path: str | None, bundle_sha256: str | None
) -> None:
    """Record what was found in one image and end its job. Raises LeaseLost."""

def finish_report(
    ledger: Ledger,
    job: Job,
    result: Result,
    objects: Sequence[ResultObject],
    destinations: Sequence[tuple[str, str]],
) -> bool:
    """Record an answer with its objects, its deliveries and their jobs, and end the report job.

    `destinations` are (object UID, peer name) pairs. False: this version was answered before and
    nothing changed, so doing it twice is harmless. Raises LeaseLost.
    """

def record_delivery(
    ledger: Ledger,
    job: Job,
    outcomes: Sequence[Outcome],
    *,
    retry_at: float,
    give_up_after_s: float | None,
) -> JobState:
    """Record one attempt to deliver and end or postpone its job; tell what became of it.

    READY: something still waits, tried again at `retry_at` (see `queue.retry`). BURIED: given up, or
    nothing waits but the peer refused something for good. DONE: everything is accepted.
    """

def findings_of(ledger: Ledger, study_uid: str, version: int) -> list[Finding]:
    """Every image that the given version answers, in the order of arrival."""

def find_result(ledger: Ledger, study_uid: str, version: int) -> Result | None:
    """Read the answer to one version."""

def earlier_result(ledger: Ledger, study_uid: str, version: int) -> Result | None:
    """Read the newest answer before `version`: its predecessor."""

def latest_result(ledger: Ledger, study_uid: str) -> Result | None:
    """Read the newest answer of a study."""

def objects_of(ledger: Ledger, study_uid: str, version: int) -> list[ResultObject]:
    """List the objects of one answer."""

def deliveries_of(ledger: Ledger, study_uid: str, version: int | None = None, peer: str | None = None) -> list[Delivery]:
    """List deliveries of a study, optionally of one version or to one peer, in a stable order."""

def pending_deliveries(ledger: Ledger, job: Job) -> list[Delivery]:
    """List what a deliver job still has to send."""
