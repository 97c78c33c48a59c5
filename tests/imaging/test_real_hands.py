"""Polarity and quality of the hands in a spread sample of real radiographs, found once (11 s of CPU)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ra_node.imaging.hand_detection import FoundHands, find
from ra_node.imaging.polarity import is_dark
from ra_node.imaging.quality import hand_quality
from tests.finders import demo_finder


@dataclass(frozen=True)
class RealHand:
    """A real radiograph and what is found in it."""

    identity: str
    values: NDArray[np.float32]
    found: FoundHands


@pytest.fixture(scope="module")
def real_hands(radiographs: Path) -> list[RealHand]:
    """Find the hands in a spread sample of the real radiographs, once for all tests."""
    hands = []
    for path in sorted((radiographs / "rsna").glob("*.png"), key=lambda path: int(path.stem))[::14]:
        values = np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.float32)
        hands.append(RealHand(path.stem, values, find(values, demo_finder())))
    return hands


def test_real_hands_are_bright(real_hands: list[RealHand]):
    """None of a spread sample is taken for a negative."""
    assert not [
        real.identity for real in real_hands for hand in real.found.hands if is_dark(real.values, hand)
    ]


def test_real_radiographs_are_judged(real_hands: list[RealHand]):
    """Of a spread sample of real radiographs, faint ones included, none or one is refused."""
    refused = [
        real.identity
        for real in real_hands
        for hand in real.found.hands
        if hand_quality(real.values, hand) is not None
    ]
    assert len(refused) <= 1, refused
