"""Laterality from evidence, never from shape.

Two hands on one plate show their thumbs on opposite sides from the back and from the palm alike, so only
the header, a lead marker or the site's convention can tell right from left. Evidence that disagrees, is
impossible or absent leaves the side undetermined, with the reason. Thumbs on the same side are one hand
twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from ra_node.domain.geometry import Box


class Side(StrEnum):
    """Laterality of a hand."""

    RIGHT = "R"
    LEFT = "L"


class EvidenceReach(StrEnum):
    """Scope of a statement about the side."""

    IMAGE = "image"
    STUDY = "study"
    """Study and procedure texts: they may refer to another image, so they can contradict but never decide.
    The same holds for a lead marker that the direction of the thumb does not confirm."""


class Pairing(StrEnum):
    """Relation of two hands on one plate by their thumbs."""

    TWO_HANDS = "thumbs on opposite sides"
    SAME_HAND = "thumbs on the same side"
    THUMBS_UNSURE = "thumbs not seen well enough"
    VIEWS_DIFFER = "one hand PA, the other oblique, thumbs on opposite sides"


Laterality = Literal["R", "L", "B"]


@dataclass(frozen=True, slots=True)
class SideStatement:
    """A statement of a code or text: `source` is the DICOM keyword; "B" is both hands. No text is kept."""

    source: str
    says: Laterality
    reach: EvidenceReach = EvidenceReach.IMAGE


@dataclass(frozen=True, slots=True)
class SideHeader:
    """Evidence of sides in the header, empty where absent.

    image_laterality is (0020,0062), laterality (0020,0060), patient_orientation (0020,0020): the
    directions of the rows and of the columns (PS3.3 C.7.6.1.1.1). `statements` are those of codes and texts.
    Several values of one attribute are joined by a backslash; a value that is no defined term is "?".
    """

    image_laterality: str = ""
    laterality: str = ""
    patient_orientation: tuple[str, ...] = ()
    statements: tuple[SideStatement, ...] = ()


@dataclass(frozen=True, slots=True)
class MarkerSide:
    """The side of the first hand of an image by its lead markers.

    `letter` is as read, `place` where the hand lies beside which it was read, "" in an image of one hand.
    `decides` is False where the thumb does not point as in the PA view of that side.
    """

    side: Side
    letter: str
    place: str = ""
    decides: bool = True

    @property
    def source(self) -> str:
        return f"lead marker ({self.letter})" + (f" at {self.place}" if self.place else "")


@dataclass(frozen=True, slots=True)
class SideFinding:
    """The side of one hand with the evidence behind it; None is undetermined.

    `evidence` names the sources, or the reason why there is no side, as a sentence for the report.
    """

    side: Side | None
    evidence: str
    conflict: bool = False
    by_header: bool = True
    """False where only the site's convention or a lead marker gave the side."""
    marker: str = ""
    """The letter of the lead marker that was read and names this side; "" where none was."""


Convention = Literal["none", "right-hand-on-image-left", "right-hand-on-image-right"]
"""Convention that a site guarantees for every two-hand radiograph it sends."""

UNDEFINED = "?"
"""Replaces a value that is no defined term, which may hold anything and is never quoted."""

_AXES = {"R": 0, "L": 0, "A": 1, "P": 1, "H": 2, "F": 2}
_WORDS = {"R": "right", "L": "left", "B": "both hands"}
_TWICE = "thumbs on the same side: one hand twice"
_UNSURE = {
    Pairing.THUMBS_UNSURE: "the thumbs are not clear enough to tell two hands from one hand twice",
    Pairing.VIEWS_DIFFER: "one hand is in PA view, the other oblique: this may be one hand twice",
}


def sides_of(
    boxes: Sequence[Box],
    header: SideHeader,
    convention: Convention = "none",
    pairing: Pairing = Pairing.TWO_HANDS,
    marker: MarkerSide | None = None,
) -> tuple[SideFinding, ...]:
    """Side of each hand of one image, in the order of `boxes`; `pairing` is the relation of their thumbs."""
    if len(boxes) == 1:
        return (_side_of_single(header, marker),)
    if len(boxes) == 2:
        return _sides_of_pair(boxes[0], boxes[1], header, convention, pairing, marker)
    return tuple(SideFinding(None, f"{len(boxes)} hands in one image") for _ in boxes)


def places_of(boxes: Sequence[Box]) -> tuple[str, ...]:
    """Position of each hand in its image, for hands without side."""
    if len(boxes) != 2:
        return tuple("" if len(boxes) == 1 else f"number {n}" for n in range(1, len(boxes) + 1))
    first, second = (box.centre for box in boxes)
    if _side_by_side(boxes[0], boxes[1]):
        return ("image left", "image right") if first.x <= second.x else ("image right", "image left")
    return ("image top", "image bottom") if first.y <= second.y else ("image bottom", "image top")


def defined_orientation(values: Sequence[str]) -> tuple[str, ...]:
    """Patient Orientation with each value that is no defined term for people replaced by `UNDEFINED`.

    A single letter is kept: it shows what was found and identifies nobody.
    """
    return tuple(value if _is_direction(value) or len(value) < 2 else UNDEFINED for value in values)


def _is_direction(value: str) -> bool:
    """One to three letters of different axes (PS3.3 C.7.6.1.1.1)."""
    axes = [_AXES.get(letter) for letter in value]
    return 0 < len(axes) <= 3 and None not in axes and len(set(axes)) == len(axes)


def _attributes(header: SideHeader) -> dict[str, str]:
    """The two attributes with their values, strongest first (PS3.3 C.7.6.1, C.8.11.7)."""
    both = {"ImageLaterality": header.image_laterality, "Laterality": header.laterality}
    return {keyword: value for keyword, value in both.items() if value}


def _statements(header: SideHeader) -> list[tuple[Laterality, str, EvidenceReach]]:
    """Every statement as (side, source, scope), strongest first."""
    found: list[tuple[Laterality, str, EvidenceReach]] = []
    for keyword, value in _attributes(header).items():
        named = value.split("\\")
        found += [
            (each, f"{keyword} ({each})", EvidenceReach.IMAGE) for each in ("R", "L", "B") if each in named
        ]
    return found + [(each.says, each.source, each.reach) for each in header.statements]


def _by_side(statements: Iterable[tuple[Laterality, str, EvidenceReach]]) -> dict[Laterality, list[str]]:
    """Names of the sources by side, each once."""
    named: dict[Laterality, list[str]] = {}
    for says, source, _ in statements:
        sources = named.setdefault(says, [])
        if source not in sources:
            sources.append(source)
    return named


def _contradiction(named: dict[Laterality, list[str]]) -> SideFinding:
    parts = [f"{_WORDS[says]} by {', '.join(named[says])}" for says in ("R", "L", "B") if says in named]
    return SideFinding(None, f"{'; '.join(parts)}: they disagree", conflict=True)


def _side_of_single(header: SideHeader, marker: MarkerSide | None) -> SideFinding:
    """One hand: the attributes, then codes and texts of the image, then its lead marker."""
    if marker is None:
        return _by_statements(header)
    if not marker.decides and not _statements(header):
        return SideFinding(None, f"{marker.source} does not fit the direction of the thumb in a PA view")
    reach = EvidenceReach.IMAGE if marker.decides else EvidenceReach.STUDY
    said = SideStatement(marker.source, marker.side.value, reach)
    found = _by_statements(replace(header, statements=(*header.statements, said)))
    if found.side is None:
        return found
    beside = found.evidence if marker.source in found.evidence else f"{found.evidence}; {marker.source}"
    by_header = any(says == marker.side.value for says, _, _ in _statements(header))
    return replace(found, evidence=beside, by_header=by_header, marker=marker.letter)


def _by_statements(header: SideHeader) -> SideFinding:
    """The side that every statement names; any contradiction leaves it open."""
    statements = _statements(header)
    named = _by_side(statements)
    if len(named) > 1:
        return _contradiction(named)
    words = " and ".join(f"{keyword} is {value}" for keyword, value in _attributes(header).items())
    if UNDEFINED in words or not named:
        return SideFinding(None, _silence(header, words))
    ((says, sources),) = named.items()
    if says == "B":
        return SideFinding(None, f"{words or f'both hands by {sources[0]}'}, but one hand was found")
    image = _by_side(each for each in statements if each[2] is EvidenceReach.IMAGE).get(says)
    if image is None:
        text = f"{', '.join(sources)} alone names the {_WORDS[says]} hand and may mean another image"
        return SideFinding(None, text)
    by_attribute = says in (*header.image_laterality, *header.laterality)
    return SideFinding(Side(says), words if by_attribute else f"{_WORDS[says]} by {', '.join(image)}")


def _silence(header: SideHeader, words: str) -> str:
    """Reason why a header gives no side for a single hand."""
    odd = [keyword for keyword, value in _attributes(header).items() if UNDEFINED in value]
    if odd:
        return f"{', '.join(odd)}: expected R or L, found no defined term"
    return f"{words}, but one hand was found" if words else "no laterality in the header"


def _sides_of_pair(
    a: Box,
    b: Box,
    header: SideHeader,
    convention: Convention,
    pairing: Pairing,
    marker: MarkerSide | None,
) -> tuple[SideFinding, ...]:
    if pairing is Pairing.SAME_HAND:
        single = _side_of_single(header, marker)
        return (replace(single, evidence=f"{_TWICE}; {single.evidence}"),) * 2
    named = _by_side(each for each in _statements(header) if each[2] is EvidenceReach.IMAGE)
    one_sided = {says: sources for says, sources in named.items() if says != "B"}
    if len(one_sided) > 1 or (one_sided and "B" in named):
        return (_contradiction(named),) * 2
    if one_sided:
        ((says, sources),) = one_sided.items()
        text = f"the header says only {says} ({', '.join(sources)}), but two hands were found"
        return (SideFinding(None, text, conflict=True),) * 2
    if pairing in _UNSURE:
        return (SideFinding(None, _UNSURE[pairing]),) * 2
    found = _by_place(a, b, header, convention)
    return found if marker is None or found[0].conflict else _beside_marker(found, marker)


def _beside_marker(found: tuple[SideFinding, ...], marker: MarkerSide) -> tuple[SideFinding, ...]:
    """The sides of two hands by their places, compared with the lead marker beside one of them."""
    first = found[0]
    if first.side is None:
        return _both(marker.side, marker.source, by_header=False, marker=marker) if marker.decides else found
    if first.side is not marker.side:
        words = f"{first.evidence} and {marker.source}: they disagree"
        return (SideFinding(None, words, conflict=True),) * 2
    return _both(first.side, f"{first.evidence}; {marker.source}", by_header=first.by_header, marker=marker)


def _by_place(a: Box, b: Box, header: SideHeader, convention: Convention) -> tuple[SideFinding, ...]:
    """The sides of two hands by Patient Orientation and the site's convention."""
    oriented, fault = _by_orientation(a, b, header)
    agreed = _by_convention(a, b, convention)
    if oriented is None and agreed is None:
        impossible = "impossible" in fault
        return (SideFinding(None, fault, conflict=impossible),) * 2
    if oriented is not None and agreed is not None:
        words = f"{oriented[0]} and {agreed[0]}"
        if oriented[1] != agreed[1]:
            return (SideFinding(None, f"{words}: they disagree", conflict=True),) * 2
        return _both(oriented[1], words, by_header=True)
    if oriented is not None:
        return _both(oriented[1], oriented[0], by_header=True)
    assert agreed is not None
    words = f"{fault}; by convention alone: {agreed[0]}" if header.patient_orientation else agreed[0]
    return _both(agreed[1], words, by_header=False)


def _both(
    first: Side, words: str, *, by_header: bool, marker: MarkerSide | None = None
) -> tuple[SideFinding, ...]:
    letter = marker.letter if marker else ""
    return tuple(
        SideFinding(side, words, by_header=by_header, marker=letter) for side in (first, _other(first))
    )


def _by_orientation(a: Box, b: Box, header: SideHeader) -> tuple[tuple[str, Side] | None, str]:
    """The side of `a` by Patient Orientation (0020,0020), or the reason why there is none; PS3.3 C.7.6.1.1.1.

    Its first value is the patient direction of increasing columns, the second that of increasing rows.
    """
    values = header.patient_orientation
    fault = _fault_of_orientation(values)
    if fault:
        return None, fault
    text = "PatientOrientation is " + "\\".join(values)
    axis = 0 if _side_by_side(a, b) else 1
    if values[axis][0] not in ("R", "L"):
        return None, f"{text}: neither right nor left from hand to hand"
    towards_end = Side(values[axis][0])
    last = max((a, b), key=lambda box: box.centre.x if axis == 0 else box.centre.y)
    return (text, towards_end if last is a else _other(towards_end)), ""


def _fault_of_orientation(values: Sequence[str]) -> str:
    """Reason why Patient Orientation cannot be used, or "" where its two directions are possible."""
    text = "PatientOrientation is " + "\\".join(values)
    if not any(values):
        return "no patient orientation in the header"
    if len(values) != 2 or "" in values:
        return f"PatientOrientation: expected 2 values, found {sum(bool(value) for value in values)}"
    if UNDEFINED in values:
        return "PatientOrientation: expected directions such as L\\F, found no defined terms"
    if not all(_is_direction(value) for value in values):
        return f"{text}: not defined terms"
    if _AXES[values[0][0]] == _AXES[values[1][0]]:
        return f"{text}: impossible, rows and columns along one axis"
    return ""


def _by_convention(a: Box, b: Box, convention: Convention) -> tuple[str, Side] | None:
    """The side of `a` by the site's convention; only for hands side by side."""
    if convention == "none" or not _side_by_side(a, b):
        return None
    on_left = Side.RIGHT if convention == "right-hand-on-image-left" else Side.LEFT
    left = min((a, b), key=lambda box: box.centre.x)
    return f"the site's convention is {convention}", on_left if left is a else _other(on_left)


def _side_by_side(a: Box, b: Box) -> bool:
    return abs(a.centre.x - b.centre.x) >= abs(a.centre.y - b.centre.y)


def _other(side: Side) -> Side:
    return Side.LEFT if side is Side.RIGHT else Side.RIGHT
