"""Meaning of a C-STORE status for the SCU (PS3.4 table B.2-1, PS3.7 annex C)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Answer(StrEnum):
    """Next action for one object."""

    ACCEPTED = "accepted"
    """Accepted by the peer: done."""
    RETRY = "retry"
    """Temporary failure, or no response: send it again later."""
    DOUBTFUL = "doubtful"
    """Refused with a status specific to the peer, which may be temporary: send it a few more times."""
    REFUSED = "refused"
    """Refused permanently."""
    OTHER_PATIENT = "other_patient"
    """The peer has this study or patient with other attributes: it refuses until one side is corrected."""
    NO_CONTEXT = "no_context"
    """The peer accepted no presentation context for this SOP class and transfer syntax."""
    UNTRIED = "untried"
    """Not sent: no association, or it ended before."""


@dataclass(frozen=True, slots=True)
class StatusMeaning:
    """One row of the table: action and text of the standard."""

    answer: Answer
    meaning: str


SUCCESS: Final = 0x0000
OUT_OF_RESOURCES: Final = 0xA700
CANNOT_UNDERSTAND: Final = 0xC000
PROCESSING_FAILURE: Final = 0x0110
DUPLICATE_SOP_INSTANCE: Final = 0x0111
SOP_CLASS_NOT_SUPPORTED: Final = 0x0122

EXACT: Final[dict[int, StatusMeaning]] = {
    0x0000: StatusMeaning(Answer.ACCEPTED, "success"),
    0x0001: StatusMeaning(Answer.ACCEPTED, "warning: requested optional attributes are not supported"),
    0x0105: StatusMeaning(Answer.REFUSED, "no such attribute"),
    0x0106: StatusMeaning(Answer.REFUSED, "invalid attribute value"),
    0x0107: StatusMeaning(Answer.ACCEPTED, "warning: attribute list error"),
    0x0110: StatusMeaning(Answer.RETRY, "processing failure"),
    # our UIDs derive from the content; for those of older versions see `services.delivery.deliver`
    DUPLICATE_SOP_INSTANCE: StatusMeaning(Answer.ACCEPTED, "duplicate SOP instance: the peer has it already"),
    0x0112: StatusMeaning(Answer.REFUSED, "no such SOP instance"),
    0x0113: StatusMeaning(Answer.REFUSED, "no such event type"),
    0x0114: StatusMeaning(Answer.REFUSED, "no such argument"),
    0x0115: StatusMeaning(Answer.REFUSED, "invalid argument value"),
    0x0116: StatusMeaning(Answer.ACCEPTED, "warning: attribute value out of range"),
    0x0117: StatusMeaning(Answer.REFUSED, "invalid SOP instance"),
    0x0118: StatusMeaning(Answer.REFUSED, "no such SOP class"),
    0x0119: StatusMeaning(Answer.REFUSED, "class-instance conflict"),
    0x0120: StatusMeaning(Answer.REFUSED, "missing attribute"),
    0x0121: StatusMeaning(Answer.REFUSED, "missing attribute value"),
    0x0122: StatusMeaning(Answer.REFUSED, "SOP class not supported"),
    0x0123: StatusMeaning(Answer.REFUSED, "no such action"),
    0x0124: StatusMeaning(Answer.REFUSED, "not authorised"),
    0x0131: StatusMeaning(Answer.RETRY, "duplicate transaction UID"),
    0x0210: StatusMeaning(Answer.RETRY, "duplicate invocation"),
    0x0211: StatusMeaning(Answer.REFUSED, "unrecognised operation"),
    0x0212: StatusMeaning(Answer.REFUSED, "mistyped argument"),
    0x0213: StatusMeaning(Answer.RETRY, "resource limitation"),
    # dcm4chee-arc-light gives codes of the class "out of resources" meanings of its own (StoreService)
    0xA770: StatusMeaning(Answer.ACCEPTED, "the peer has this rejection note already"),
    0xA771: StatusMeaning(Answer.REFUSED, "the peer has rejected this object before"),
    0xA772: StatusMeaning(Answer.REFUSED, "no such instance to reject"),
    0xA773: StatusMeaning(Answer.REFUSED, "the instance to reject is of another SOP class"),
    0xA774: StatusMeaning(Answer.REFUSED, "the instance was rejected before"),
    0xA775: StatusMeaning(Answer.REFUSED, "rejection because of an expired retention period is not allowed"),
    0xA776: StatusMeaning(Answer.REFUSED, "the retention period of the study has not expired"),
    0xA777: StatusMeaning(Answer.OTHER_PATIENT, "the peer expects a Patient ID in the object"),
    0xA778: StatusMeaning(Answer.OTHER_PATIENT, "the peer has this study under another Patient ID"),
    0xA779: StatusMeaning(Answer.OTHER_PATIENT, "the peer has this patient with other attributes"),
    0xB000: StatusMeaning(Answer.ACCEPTED, "warning: coercion of data elements"),
    0xB006: StatusMeaning(Answer.ACCEPTED, "warning: elements discarded"),
    0xB007: StatusMeaning(Answer.ACCEPTED, "warning: data set does not match SOP class"),
    0xFE00: StatusMeaning(Answer.RETRY, "cancelled"),
}
"""Status codes with a meaning of their own."""

RANGES: Final[tuple[tuple[int, int, StatusMeaning], ...]] = (
    (0xA700, 0xA702, StatusMeaning(Answer.RETRY, "out of resources")),
    # the standard gives the class a meaning, archives give its further codes others
    (0xA703, 0xA7FF, StatusMeaning(Answer.DOUBTFUL, "refused with a status specific to the peer")),
    (0xA900, 0xA9FF, StatusMeaning(Answer.REFUSED, "data set does not match SOP class")),
    (0xB000, 0xBFFF, StatusMeaning(Answer.ACCEPTED, "warning")),
    (0xC000, 0xCFFF, StatusMeaning(Answer.REFUSED, "cannot understand")),
)
"""First and last code of each range, both included; looked up after the exact codes."""

UNKNOWN: Final = StatusMeaning(Answer.RETRY, "a status that the standard does not define")
"""Unknown statuses: the attempts are limited, then the job is buried with the status."""


def meaning_of(status: int) -> StatusMeaning:
    """Look up a C-STORE response status, 0x0000 to 0xFFFF; every value has a meaning."""
    exact = EXACT.get(status)
    if exact is not None:
        return exact
    for first, last, meaning in RANGES:
        if first <= status <= last:
            return meaning
    return UNKNOWN
