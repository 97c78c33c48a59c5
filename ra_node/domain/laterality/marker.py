"""Evidence of sides from the lead markers of an image: letters that were read in its pixels.

A marker lies on the plate as it is seen, so its letter and the thumb agree: in a PA view the thumb of a right
hand lies anticlockwise from the fingers, and in a mirrored picture letter and thumb are both mirrored. A
mirrored letter states this of its own hand only: two exposures on one image may be mirrored separately.
A letter that the thumb does not confirm may be an initial, a palm-up view or a misread: it gives no side,
unless the other hand of the plate has the other letter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from ra_node.domain.geometry import Box
from ra_node.domain.laterality.chirality import thumb_side
from ra_node.domain.laterality.evidence import MarkerSide, Pairing, Side, places_of
from ra_node.domain.report import HandRegion

MARKER_CLASSES = ("other", "R", "L", "D", "E", "G", "R mirrored", "L mirrored", "G mirrored")
"""Classes of the marker reader; the mirror image of D or E is the same letter upside down."""

MarkerLetters = Literal["RL", "DE", "DI", "DG"]
"""Right and left as a site's markers name them: R and L, D and E (Portuguese), D and I (Spanish; an I is
never read, as any stroke is one), D and G (French)."""

_SIDES: Mapping[str, Side] = MappingProxyType(
    {"R": Side.RIGHT, "L": Side.LEFT, "D": Side.RIGHT, "E": Side.LEFT, "G": Side.LEFT}
)
_INITIAL = 0.75
"""A letter smaller than the largest side letter by this factor is an initial."""
_NEARER = 0.5
"""A letter belongs to one of two hands when it is nearer to it by this factor."""


@dataclass(frozen=True, slots=True)
class MarkerLetter:
    """One letter that was read, with its box in the image and its probability (0..1)."""

    letter: str
    box: Box
    score: float
    mirrored: bool = False

    @property
    def height_px(self) -> int:
        return max(self.box.width_px, self.box.height_px)


def letter_of(name: str) -> tuple[str, bool]:
    """The letter of a class of the marker reader, and whether it is mirrored."""
    return name[0], name.endswith("mirrored")


def marker_side(
    letters: Sequence[MarkerLetter],
    regions: Sequence[HandRegion],
    pairing: Pairing,
    used: Sequence[MarkerLetters] = ("RL",),
) -> MarkerSide | None:
    """The side of the first hand by the side letters of an image; None where they name none, or both."""
    known = "".join(used)
    side_letters = [one for one in letters if one.letter in known]
    if not side_letters or not 1 <= len(regions) <= 2:
        return None
    tallest = max(one.height_px for one in side_letters)
    side_letters = [one for one in side_letters if one.height_px >= _INITIAL * tallest]
    if len(regions) == 1 or pairing is Pairing.SAME_HAND:
        found = [(one, regions[0]) for one in side_letters]
    else:
        found = [(one, hand) for one in side_letters if (hand := _hand_beside(one, regions)) is not None]
    return _agreed(found, regions) if len(found) == len(side_letters) else None


def _agreed(
    found: Sequence[tuple[MarkerLetter, HandRegion]], regions: Sequence[HandRegion]
) -> MarkerSide | None:
    """The one side of the first hand that all letters name; None where they do not agree."""
    first = regions[0]
    named = {_side_of(one) if hand is first else _other(_side_of(one)) for one, hand in found}
    all_named = len({id(hand) for _, hand in found}) == len(regions)
    fits = [(one, hand) for one, hand in found if _fits(one, hand) and (all_named or not one.mirrored)]
    plain = [(one, hand) for one, hand in found if not one.mirrored]
    if len(named) != 1 or not (fits or plain):
        return None
    one, hand = (fits or plain)[0]
    places = places_of([region.box for region in regions])
    place = places[list(regions).index(hand)] if len(regions) == 2 else ""
    both = len({id(hand) for _, hand in plain}) == 2
    return MarkerSide(named.pop(), one.letter, place, decides=bool(fits) or both)


def _fits(letter: MarkerLetter, hand: HandRegion) -> bool:
    """Whether the thumb points as in the PA view of the side of a letter, mirrored if the letter is."""
    expected = 1 if _side_of(letter) is Side.LEFT else -1
    return thumb_side(hand) == (-expected if letter.mirrored else expected)


def _hand_beside(letter: MarkerLetter, regions: Sequence[HandRegion]) -> HandRegion | None:
    """The one of two hands to which a letter plainly belongs."""
    near, far = sorted(regions, key=lambda region: _distance(letter.box, region.box))
    away = _distance(letter.box, far.box)
    return near if away > 0 and _distance(letter.box, near.box) <= _NEARER * away else None


def _distance(a: Box, b: Box) -> float:
    """Between the edges of two boxes; 0 where they overlap."""
    across = max(a.x0 - b.x1, b.x0 - a.x1, 0)
    down = max(a.y0 - b.y1, b.y0 - a.y1, 0)
    return float((across**2 + down**2) ** 0.5)


def _side_of(letter: MarkerLetter) -> Side:
    return _SIDES[letter.letter]


def _other(side: Side) -> Side:
    return Side.LEFT if side is Side.RIGHT else Side.RIGHT
