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
"""What a site may promise about every two-hand radiograph it sends."""


def sides_of(
    boxes: Sequence[Box], header: SideHeader, convention: Convention = "none"
) -> tuple[SideFinding, ...]:
    """Give each hand of one image its side, in the order of `boxes`."""
    if len(boxes) == 1:
        return (_side_of_single(header),)
    if len(boxes) == 2:
        return _sides_of_pair(boxes[0], boxes[1], header, convention)
    return tuple(SideFinding(None, f"{len(boxes)} hands in one image") for _ in boxes)


def places_of(boxes: Sequence[Box]) -> tuple[str, ...]:
    """Say where each hand lies in its image, for when its side is unknown."""
    if len(boxes) != 2:
        return tuple("" if len(boxes) == 1 else f"number {n}" for n in range(1, len(boxes) + 1))
    first, second = (box.centre for box in boxes)
    if _side_by_side(boxes[0], boxes[1]):
        return ("image left", "image right") if first.x <= second.x else ("image right", "image left")
    return ("image top", "image bottom") if first.y <= second.y else ("image bottom", "image top")


def _side_of_single(header: SideHeader) -> SideFinding:
    """One hand: Image Laterality, then Laterality (PS3.3 C.7.6.1, C.8.11.7)."""
    statements = {
        kind: value
        for kind, value in (
            (EvidenceKind.IMAGE_LATERALITY, header.image_laterality),
            (EvidenceKind.LATERALITY, header.laterality),
        )
        if value
    }
    words = " and ".join(f"{kind} is {value}" for kind, value in statements.items())
    if not statements:
        return SideFinding(None, "no laterality in the header")
    sides = {value for value in statements.values() if value in ("R", "L")}
    if len(sides) == 2:
        return SideFinding(None, f"{words}: they disagree", conflict=True)
    if not sides:
        return SideFinding(None, f"{words}, but one hand was found")
    return SideFinding(Side(sides.pop()), words)


def _sides_of_pair(a: Box, b: Box, header: SideHeader, convention: Convention) -> tuple[SideFinding, ...]:
    single = header.image_laterality or header.laterality
    if single in ("R", "L"):
        text = f"the header says only {single}, but two hands were found"
        return (SideFinding(None, text, conflict=True),) * 2
    statements = [s for s in (_by_orientation(a, b, header), _by_convention(a, b, convention)) if s]
    if not statements:
        return (SideFinding(None, "no patient orientation in the header"),) * 2
    words = " and ".join(text for text, _ in statements)
    if len({first for _, first in statements}) > 1:
        return (SideFinding(None, f"{words}: they disagree", conflict=True),) * 2
    first = statements[0][1]
    return SideFinding(first, words), SideFinding(_other(first), words)


def _by_orientation(a: Box, b: Box, header: SideHeader) -> tuple[str, Side] | None:
    """The side of `a` by Patient Orientation (0020,0020), PS3.3 C.7.6.1.1.1.

    Its first value names the patient direction in which columns grow, the second that of rows.
    """
    axis = 0 if _side_by_side(a, b) else 1
    if len(header.patient_orientation) != 2:
        return None
    value = header.patient_orientation[axis]
    if value[:1] not in ("R", "L"):
        return None
    towards_end = Side(value[0])
    last = max((a, b), key=lambda box: box.centre.x if axis == 0 else box.centre.y)
    text = "PatientOrientation is " + "\\".join(header.patient_orientation)
    return text, towards_end if last is a else _other(towards_end)


def _by_convention(a: Box, b: Box, convention: Convention) -> tuple[str, Side] | None:
    """The side of `a` where the site has promised a display; only for hands side by side."""
    if convention == "none" or not _side_by_side(a, b):
        return None
    on_left = Side.RIGHT if convention == "right-hand-on-image-left" else Side.LEFT
    left = min((a, b), key=lambda box: box.centre.x)
    return f"the site's convention is {convention}", on_left if left is a else _other(on_left)


def _side_by_side(a: Box, b: Box) -> bool:
    return abs(a.centre.x - b.centre.x) >= abs(a.centre.y - b.centre.y)


def _other(side: Side) -> Side:
    return Side.LEFT if side is Side.RIGHT else Side.RIGHT
