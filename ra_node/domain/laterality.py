"""Which hand is which: the side follows from evidence, never from shape.

Two hands on one plate show their thumbs towards each other from the back and from the palm alike,
so only the header or the site's convention can tell right from left. Evidence that disagrees, or is
absent, leaves the side undetermined and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from ra_node.domain.geometry import Box


class Side(StrEnum):
    """The patient's side that a hand belongs to."""

    RIGHT = "R"
    LEFT = "L"


class EvidenceKind(StrEnum):
    """Where a statement about the side comes from, strongest first."""

    IMAGE_LATERALITY = "ImageLaterality"
    LATERALITY = "Laterality"
    PATIENT_ORIENTATION = "PatientOrientation"
    SITE_CONVENTION = "site convention"


@dataclass(frozen=True, slots=True)
class SideHeader:
    """The header attributes that speak about sides, empty where absent.

    image_laterality is (0020,0062), laterality (0020,0060), patient_orientation (0020,0020): the
    directions of the rows and of the columns (PS3.3 C.7.6.1.1.1).
    """

    image_laterality: str = ""
    laterality: str = ""
    patient_orientation: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SideFinding:
    """The side of one hand with the evidence behind it; None is undetermined.

    `evidence` names what was used, or why there is no side, in a sentence for the report.
    """

    side: Side | None
    evidence: str
    conflict: bool = False


Convention = Literal["none", "right-hand-on-image-left", "right-hand-on-image-right"]


def sides_of(
    boxes: Sequence[Box], header: SideHeader, convention: Convention = "none"
) -> tuple[SideFinding, ...]:
    """Give each hand of one image its side, in the order of `boxes`."""
    raise NotImplementedError
