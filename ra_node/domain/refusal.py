"""Refusals: why a hand, an image or a study has no result."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Reason why a hand, an image or a study has no result. The value is a stable code for scripts."""

    NO_HAND = "no_hand"
    TOO_MANY_HANDS = "too_many_hands"
    HAND_CUT_OFF = "hand_cut_off"
    POOR_EXPOSURE = "poor_exposure"
    UNREADABLE_PIXELS = "unreadable_pixels"
    NO_PIXELS = "no_pixels"
    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"
    NOT_A_RADIOGRAPH = "not_a_radiograph"
    NOT_FOR_PRESENTATION = "not_for_presentation"
    OTHER_BODY_PART = "other_body_part"
    OTHER_VIEW = "other_view"
    SAME_PICTURE = "same_picture"
    OTHER_IMAGE_COUNTS = "other_image_counts"
    SECOND_VIEW = "second_view"
    INVERTED = "inverted"
    METAL_OR_CAST = "metal_or_cast"
    OUTSIDE_AGES = "outside_ages"
    PATIENT_CONFLICT = "patient_conflict"
    AGE_UNKNOWN = "age_unknown"
    HAND_INCOMPLETE = "hand_incomplete"
    AI_MADE = "ai_made"
    FILE_DAMAGED = "file_damaged"
    """The kept file is missing or damaged."""
    ANALYSIS_FAILED = "analysis_failed"
    WITHDRAWN = "withdrawn"
    """The site has taken the result back."""


OUTSIDE_DOMAIN = frozenset(
    {Reason.OUTSIDE_AGES, Reason.HAND_INCOMPLETE, Reason.OTHER_VIEW, Reason.METAL_OR_CAST}
)
"""Reasons for which a detected hand is not rated: it is outside the domain of the bundle."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason with one sentence that a radiologist understands (expected and found)."""

    reason: Reason
    text: str
