"""What an operator changes, by page or command, recorded with the name of the operator."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass

import structlog

from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.events import Detail, record
from ra_node.ledger.jobs.drop_buried import drop_buried
from ra_node.ledger.jobs.peer_backoff import end_outage
from ra_node.ledger.jobs.requeue import requeue, requeue_jobs


@dataclass(frozen=True, slots=True)
class Operator:
    """The operator: name and client address."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Requeued:
    """Result of a requeue: number of jobs, and whether a destination was unreachable."""

    jobs: int
    was_out_of_reach: bool


def try_again(ledger: Ledger, name: str, by: Operator, *, study_uid: str | None = None) -> Requeued:
    """Requeue the buried jobs of a study, a job or a destination.

    An unreachable destination is tried at once. Nothing is recorded where nothing was found.
    """
    found = Requeued(requeue(ledger, name), end_outage(ledger, name))
    if found.jobs or found.was_out_of_reach:
        acted(ledger, by, "requeued", study_uid, name=name, **asdict(found))
    return found


def retry_jobs(ledger: Ledger, job_ids: Collection[str], by: Operator) -> int:
    """Requeue these buried jobs, return the number of jobs."""
    count = requeue_jobs(ledger, job_ids)
    if count:
        acted(ledger, by, "requeued", jobs=count)
    return count


def drop_jobs(ledger: Ledger, job_ids: Collection[str], by: Operator) -> int:
    """Drop these buried jobs; return their number."""
    count = drop_buried(ledger, job_ids)
    if count:
        acted(ledger, by, "dropped", jobs=count)
    return count


def signed_in(ledger: Ledger, by: Operator) -> None:
    """Record a login."""
    acted(ledger, by, "signed_in")


def sign_in_refused(ledger: Ledger, by: Operator) -> None:
    """Record a failed login; the typed name is not stored, because it may be a password."""
    acted(ledger, Operator("", by.address), "sign_in_refused")


def acted(ledger: Ledger, by: Operator, what: str, study_uid: str | None = None, **detail: Detail) -> None:
    """Record an operator's action in event log and log."""
    told = {"by": by.name, "address": by.address, "done": what, **detail}
    record(ledger, "operator_acted", study_uid, **told)
    structlog.get_logger().info("operator_acted", study_uid=study_uid, **told)
