"""Meaning of statuses and failure reasons for the Storage Commitment SCU (PS3.4 annex J, PS3.3 C.14)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

NO_SUCH_INSTANCE: Final = 0x0112
NO_SUCH_EVENT_TYPE: Final = 0x0113
NO_SUCH_ARGUMENT: Final = 0x0114
INVALID_ARGUMENT: Final = 0x0115
UNRECOGNISED_OPERATION: Final = 0x0211
RESOURCE_LIMITATION: Final = 0x0213


class ActionAnswer(StrEnum):
    """Next action after an N-ACTION request."""

    TAKEN = "taken"
    """The peer will report."""
    RETRY = "retry"
    """Temporary failure, or no response: request again later."""
    LACKING = "lacking"
    """The peer does not offer Storage Commitment."""
    REFUSED = "refused"
    """Refused permanently: an operator must act."""


@dataclass(frozen=True, slots=True)
class ActionMeaning:
    """One row of the table: action and text of the standard."""

    answer: ActionAnswer
    meaning: str


ACTIONS: Final[dict[int, ActionMeaning]] = {
    0x0000: ActionMeaning(ActionAnswer.TAKEN, "success"),
    0x0001: ActionMeaning(ActionAnswer.TAKEN, "warning: requested optional attributes are not supported"),
    0x0105: ActionMeaning(ActionAnswer.REFUSED, "no such attribute"),
    0x0106: ActionMeaning(ActionAnswer.REFUSED, "invalid attribute value"),
    0x0107: ActionMeaning(ActionAnswer.TAKEN, "warning: attribute list error"),
    0x0110: ActionMeaning(ActionAnswer.RETRY, "processing failure"),
    0x0111: ActionMeaning(ActionAnswer.RETRY, "duplicate SOP instance"),
    # the well-known instance: a peer that does not know it does not offer the service
    0x0112: ActionMeaning(ActionAnswer.LACKING, "no such SOP instance"),
    0x0113: ActionMeaning(ActionAnswer.REFUSED, "no such event type"),
    0x0114: ActionMeaning(ActionAnswer.REFUSED, "no such argument"),
    0x0115: ActionMeaning(ActionAnswer.REFUSED, "invalid argument value"),
    0x0116: ActionMeaning(ActionAnswer.TAKEN, "warning: attribute value out of range"),
    0x0117: ActionMeaning(ActionAnswer.REFUSED, "invalid SOP instance"),
    0x0118: ActionMeaning(ActionAnswer.LACKING, "no such SOP class"),
    0x0119: ActionMeaning(ActionAnswer.REFUSED, "class-instance conflict"),
    0x0120: ActionMeaning(ActionAnswer.REFUSED, "missing attribute"),
    0x0121: ActionMeaning(ActionAnswer.REFUSED, "missing attribute value"),
    0x0122: ActionMeaning(ActionAnswer.LACKING, "SOP class not supported"),
    0x0123: ActionMeaning(ActionAnswer.LACKING, "no such action"),
    0x0124: ActionMeaning(ActionAnswer.REFUSED, "not authorised"),
    0x0131: ActionMeaning(ActionAnswer.RETRY, "duplicate transaction UID"),
    0x0210: ActionMeaning(ActionAnswer.RETRY, "duplicate invocation"),
    0x0211: ActionMeaning(ActionAnswer.LACKING, "unrecognised operation"),
    0x0212: ActionMeaning(ActionAnswer.REFUSED, "mistyped argument"),
    0x0213: ActionMeaning(ActionAnswer.RETRY, "resource limitation"),
}
UNKNOWN_ACTION: Final = ActionMeaning(ActionAnswer.RETRY, "a status that the standard does not define")

REASONS: Final[dict[int, str]] = {
    0x0110: "processing failure",
    0x0112: "no such object instance",
    0x0119: "class-instance conflict",
    0x0122: "referenced SOP class not supported",
    0x0131: "duplicate transaction UID",
    0x0213: "resource limitation",
}
"""Failure Reason (0008,1197) of an object that is not committed (PS3.3 C.14.1.1)."""


def meaning_of_action(status: int) -> ActionMeaning:
    """Look up an N-ACTION response status; every value has a meaning."""
    return ACTIONS.get(status, UNKNOWN_ACTION)


def failure_reason(code: int | None) -> str:
    """Text for a Failure Reason, also for a missing or unknown one."""
    if code is None:
        return "no reason was given"
    return f"0x{code:04X} {REASONS.get(code, 'a reason that the standard does not define')}"
