"""Finds the hands of an image with the detector of the bundle; an image with none or too many is refused.

Only the networks decide: an image without detected joints of a hand has no hand, whatever its contours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ra_node.domain.laterality.chirality import exposures_of
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import HandRegion

_MOST_HANDS = 2
_MOST_EXPOSURES = 4


class HandFinder(Protocol):
    """Networks that find hands and their joints."""

    def find(self, values: NDArray[np.float32]) -> Sequence[HandRegion]:
        """The hands of values (rows, columns), bone bright, each with its detected joints."""


@dataclass(frozen=True, slots=True)
class FoundHands:
    """The hands of one image, from left to right, then from top to bottom; `refusal` iff there are none."""

    hands: tuple[HandRegion, ...]
    refusal: Refusal | None


def find(values: NDArray[np.float32], finder: HandFinder) -> FoundHands:
    """Find the hands in values (rows, columns), bone bright; none or more than two are refused."""
    regions = finder.find(values)
    refusal = number_refusal(regions)
    if refusal is None:
        return FoundHands(tuple(in_order(regions)), None)
    return FoundHands((), refusal)


def number_refusal(regions: Sequence[HandRegion]) -> Refusal | None:
    """The reason why an image with so many hands is not rated; None for one or two.

    Up to four exposures count as two hands where the thumbs determine which of them show the same hand.
    """
    count = len(regions)
    if 1 <= count <= _MOST_HANDS or (1 < count <= _MOST_EXPOSURES and exposures_of(regions)):
        return None
    reason = Reason.TOO_MANY_HANDS if count else Reason.NO_HAND
    return Refusal(reason, f"Expected one or two hands in the image, found {count or 'none'}.")


def in_order(regions: Sequence[HandRegion]) -> list[HandRegion]:
    """Order two hands left to right, or top to bottom where they lie above each other."""
    across = [region.box.centre.x for region in regions]
    down = [region.box.centre.y for region in regions]
    if max(across) - min(across) >= max(down) - min(down):
        return sorted(regions, key=lambda region: region.box.centre.x)
    return sorted(regions, key=lambda region: region.box.centre.y)
