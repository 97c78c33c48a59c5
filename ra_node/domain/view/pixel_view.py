"""The views that the hand detector classifies."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PixelView(StrEnum):
    """What the pixels around a proposal show; the value stands in manifests and findings."""

    FRONTAL = "frontal"
    OBLIQUE = "oblique"
    LATERAL = "lateral"
    PART = "part of a hand"
    WRIST = "wrist"
    FINGER = "finger"
    FOOT = "foot"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class SeenView:
    """The view of one hand, with its probability (0..1)."""

    view: PixelView
    probability: float
