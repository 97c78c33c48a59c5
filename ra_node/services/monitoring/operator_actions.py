"""What an operator changes, and that it was this operator: every change of the page goes through here."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.events import Detail, record
from ra_node.ledger.jobs.peer_backoff import end_outage
from ra_node.ledger.jobs.queue import requeue


@dataclass(frozen=True, slots=True)
class Operator:
    """Who asks: a name, and the address that the request came from."""

    name: str
    address: str


def try_again(ledger: Ledger, name: str, by: Operator, *, study_uid: str | None = None) -> int:
    """Requeue what is buried under a study, a job or a destination; tell how many jobs.

    A destination that was out of reach is called at once.
    """
    count, was_away = requeue(ledger, name), end_outage(ledger, name)
    acted(ledger, by, "requeued", study_uid, name=name, jobs=count, was_out_of_reach=was_away)
    return count


def signed_in(ledger: Ledger, by: Operator) -> None:
    """Note that somebody has signed in."""
    acted(ledger, by, "signed_in")


def sign_in_refused(ledger: Ledger, by: Operator) -> None:
    """Note that somebody was refused; what was typed as a name is not kept, it may be a password."""
    acted(ledger, Operator("", by.address), "sign_in_refused")


def acted(ledger: Ledger, by: Operator, what: str, study_uid: str | None = None, **detail: Detail) -> None:
    """Note in timeline and log what an operator did."""
    told = {"by": by.name, "address": by.address, "done": what, **detail}
    record(ledger, "operator_acted", study_uid, **told)
    structlog.get_logger().info("operator_acted", study_uid=study_uid, **told)
