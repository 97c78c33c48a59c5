"""What was received, and when a study has been received: nothing that was acknowledged is forgotten."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ra_node.ledger.engine import Ledger


@dataclass(frozen=True, slots=True)
class NewInstance:
    """An instance whose file is already safe on the disk.

    `path` is relative to the data folder. `counts`: it calls for an answer (False for what an AI
    made and the PACS routed back). `examine`: it is to be analysed; otherwise `finding_json` may
    hold what its header alone has decided.
    """

    sop_instance_uid: str
    study_uid: str
    series_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    path: str
    size_bytes: int
    calling_ae: str
    association_id: str | None = None
    counts: bool = True
    examine: bool = True
    finding_json: str | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """A row of the inbox. `path` is None once retention has removed the file."""

    id: str
    sop_instance_uid: str
    study_uid: str
    series_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    path: str | None
    size_bytes: int
    calling_ae: str
    association_id: str | None
    received_at: float
    counts: bool
    version: int | None
    finding_json: str | None
    preview_path: str | None
    bundle_sha256: str | None
    examined_at: float | None


@dataclass(frozen=True, slots=True)
class Kept:
    """The instance is new and now in the ledger."""

    instance: Instance


@dataclass(frozen=True, slots=True)
class Repeated:
    """The instance was here before; the caller removes the file that it brought again."""

    instance: Instance


def open_association(ledger: Ledger, listener: str, calling_ae: str, address: str) -> str:
    """Record an association that may bring instances; return its id."""

def close_association(ledger: Ledger, association_id: str) -> None:
    """Record the end of an association, released or aborted."""

def close_all_associations(ledger: Ledger, listener: str) -> int:
    """Close what a listener left open when it died; call it at the start of that listener."""

def keep_instance(ledger: Ledger, new: NewInstance) -> Kept | Repeated:
    """Commit one received instance with its study, its event and its examine job.

    Of concurrent stores of one SOP Instance UID exactly one is Kept. After this returns the peer may
    be told Success (PS3.4 table B.2-1). Raises LedgerUnavailable, and then nothing was recorded.
    """

def find_instance(ledger: Ledger, instance_id: str) -> Instance:
    """Read one instance, e.g. `job.instance_id` of an examine job."""

def instances_of(ledger: Ledger, study_uid: str) -> list[Instance]:
    """All instances of a study in the order of their arrival."""

def settle_due(ledger: Ledger, quiet_s: float, max_wait_s: float) -> list[tuple[str, int]]:
    """Fix the next version of every study that is complete; return (study UID, version) pairs.

    Complete: the associations that brought its new instances are closed and nothing came for
    `quiet_s`, or the first of them waits for `max_wait_s`. Each version gets its report job.
    """

def settle_now(ledger: Ledger, study_uid: str) -> int | None:
    """Fix the next version of a study that is known to be complete; None: nothing new to answer."""

def next_due(ledger: Ledger, quiet_s: float, max_wait_s: float) -> float | None:
    """When the next study settles if nothing more arrives; None: no study waits."""
