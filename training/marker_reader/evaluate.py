"""Evaluates the marker reader on held-out radiographs: right, none, wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ra_node.domain.laterality.chirality import pairing_of
from ra_node.domain.laterality.evidence import MarkerSide, Pairing
from ra_node.domain.laterality.marker import marker_side
from ra_node.inference.bundles.manifest import Interval
from ra_node.inference.marker_reader.candidates import Patches
from ra_node.inference.marker_reader.reader import letters_in
from training.marker_reader.real import PicturePieces

MEASURED_ON = (
    "held-out plates with a found hand: children with a left hand and its L (RSNA bone age, 2017), and adults"
)
_KINDS = {
    "children": "children",
    "adult_single": "adults PA",
    "adult_deformed": "adults, deformed",
    "views_nonpa": "adults oblique or lateral",
    "views_twice": "adults, one hand twice",
    "part_crop": "adults, part of a hand",
}
OUTCOMES = ("right", "none", "wrong", "read")


def marker_of(
    one: PicturePieces, chances: Callable[[Patches], NDArray[np.float32]], least_score: float
) -> MarkerSide | None:
    """Side of the first hand of a picture by its markers, decided as in the node."""
    if not 1 <= len(one.regions) <= 2 or not len(one.boxes):
        return None
    pairing = pairing_of(one.regions) if len(one.regions) == 2 else Pairing.TWO_HANDS
    letters = letters_in(one.boxes, chances(one.patches), least_score)
    found = marker_side(letters, one.regions, pairing)
    return found if found is not None and found.decides else None


def outcomes(
    found: Sequence[PicturePieces], chances: Callable[[Patches], NDArray[np.float32]], least_score: float
) -> dict[str, Counter[str]]:
    """Count right, none and wrong by kind of picture; plates with a known letter are counted separately.

    A plate without a noted letter may still have a legible one: there a letter is only counted as read.
    """
    counts: dict[str, Counter[str]] = {}
    for one in found:
        letter = one.picture.letter
        if letter is None or len(one.regions) != 1:
            continue
        read = marker_of(one, chances, least_score)
        noted = "letter known" if letter else "no letter noted"
        kind = f"{_KINDS.get(one.picture.kind, one.picture.kind)}, {noted}"
        known = "right" if read is not None and read.side == letter else "wrong"
        outcome = "none" if read is None else known if letter else "read"
        counts.setdefault(kind, Counter())[outcome] += 1
    return counts


def wilson(hits: int, count: int) -> Interval:
    """A share with its 95 % interval by Wilson's score."""
    if count == 0:
        return 0.0, 0.0, 1.0
    z, share = 1.959964, hits / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * (share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5 / (1 + z * z / count)
    return share, max(0.0, middle - half), min(1.0, middle + half)


def figures_of(counts: dict[str, Counter[str]]) -> dict[str, Interval]:
    """The shares of each outcome by kind."""
    return {
        f"{kind}: {outcome}": wilson(count[outcome], count.total())
        for kind, count in sorted(counts.items())
        for outcome in (("read", "none") if "no letter" in kind else ("right", "none", "wrong"))
    }
