"""What an operator asks to be withdrawn, checked before anything is recorded."""

from __future__ import annotations

from dataclasses import dataclass

from ra_node.domain.report import WithdrawalCause
from ra_node.domain.texts.withdrawal import checked_reason
from ra_node.errors import Refused
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.overview import find_study
from ra_node.ledger.withdrawals import (
    NewestResult,
    WithdrawalRequest,
    answered_by,
    answered_study,
    request_withdrawals,
)

LEAST_DIGITS = 8
"""Of the SHA-256 that names a bundle."""
_PURGED = "its images and results are removed by retention: withdraw it in the archive"


@dataclass(frozen=True, slots=True)
class WithdrawalPlan:
    """The results to be withdrawn; `purged` are studies of which nothing is kept here."""

    results: tuple[NewestResult, ...]
    purged: tuple[str, ...] = ()
    bundle: str | None = None


def plan_for_study(ledger: Ledger, study_uid: str) -> WithdrawalPlan:
    """The newest result of one study; Refused, with what was found, where there is none to withdraw."""
    if find_study(ledger, study_uid) is None:
        raise Refused(f"expected a study of this node, found none with UID {study_uid[:64]}")
    found = answered_study(ledger, study_uid)
    if found is None:
        raise Refused(f"expected a study with a report, found that {study_uid} has none yet")
    if found.withdrawn:
        raise Refused(f"expected a result in {study_uid}, found that it is withdrawn already")
    if found.purged:
        raise Refused(f"{study_uid}: {_PURGED}")
    return WithdrawalPlan((found,))


def checked_digits(sha256: str) -> str:
    """The beginning of the SHA-256 of a bundle in lower case; Refused for another text."""
    digits = sha256.strip().lower()
    if not LEAST_DIGITS <= len(digits) <= 64 or set(digits) - set("0123456789abcdef"):
        raise Refused(
            f"expected {LEAST_DIGITS} to 64 hexadecimal digits of a bundle's SHA-256, found another text"
        )
    return digits


def plan_for_bundle(ledger: Ledger, sha256: str, since: float) -> WithdrawalPlan:
    """Every newest result of a bundle since a time; Refused where there is none."""
    digits = checked_digits(sha256)
    found = answered_by(ledger, digits, since)
    if not found:
        raise Refused(f"expected results of bundle {digits[:12]} since that time, found none")
    if len({one.bundle_sha256 for one in found}) > 1:
        raise Refused(
            f"expected one bundle, found several whose SHA-256 begins with {digits}: give more digits"
        )
    open_results = [one for one in found if not one.withdrawn]
    kept = tuple(one for one in open_results if not one.purged)
    return WithdrawalPlan(kept, tuple(one.study_uid for one in open_results if one.purged), digits)


def request_plan(
    ledger: Ledger, plan: WithdrawalPlan, cause: WithdrawalCause, reason: str, operator: str
) -> int:
    """Record the requests of a plan in one transaction; return how many are new. Refused for a bad reason."""
    said = checked_reason(reason)
    requests = [
        WithdrawalRequest(one.study_uid, one.version, cause, said, operator, plan.bundle)
        for one in plan.results
    ]
    return request_withdrawals(ledger, requests)
