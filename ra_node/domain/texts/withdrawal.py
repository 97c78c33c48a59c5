"""The words of a withdrawal: the reason that an operator gives, and the refusal that a report then states."""

from __future__ import annotations

from datetime import datetime

from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import WithdrawalCause
from ra_node.errors import Refused

MOST_CHARACTERS = 200


def checked_reason(text: str) -> str:
    """The reason as one line; Refused where it is empty, too long or not printable."""
    reason = " ".join(text.split())
    if not reason or len(reason) > MOST_CHARACTERS or not reason.isprintable():
        expected = f"a reason of 1 to {MOST_CHARACTERS} printable characters"
        raise Refused(f"expected {expected}, found {len(reason)} characters")
    return reason


def withdrawal_refusal(cause: WithdrawalCause, reason: str, at: datetime) -> Refusal:
    """The reason in every rendering; its first word is "Withdrawn"."""
    if cause is WithdrawalCause.PATIENT_SAFETY:
        return Refusal(Reason.WITHDRAWN, f"Withdrawn on {at:%Y-%m-%d} for patient safety: {reason}")
    return Refusal(Reason.WITHDRAWN, f"Withdrawn on {at:%Y-%m-%d} for quality reasons: {reason}")
