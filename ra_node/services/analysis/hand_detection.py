"""Detects the hands of an image: with the networks of the bundle where it has them, else by thresholds.

The networks decide: an image without detected joints has no hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ra_node.domain.report import HandRegion
from ra_node.imaging.threshold_detector.detector import FoundHands, find_hands, in_order, number_refusal


class HandFinder(Protocol):
    """Networks that detect hands and their joints."""

    def find(self, values: NDArray[np.float32]) -> Sequence[HandRegion]:
        """Hands of values (rows, columns), bone bright, each with the detected joints."""


def find(values: NDArray[np.float32], finder: HandFinder | None) -> FoundHands:
    """Detect the hands in values (rows, columns), bone bright; none or more than two are refused."""
    if finder is None:
        return find_hands(values)
    regions = finder.find(values)
    refusal = number_refusal(len(regions))
    if refusal is None:
        return FoundHands(tuple(in_order(regions)), None)
    return FoundHands((), refusal)
