"""One thread for pictures this small: more only wait for each other on a busy machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ra_node.imaging.hand_detection import FoundHands, find
from tests.finders import demo_finder


@dataclass(frozen=True)
class RealHand:
    """A real radiograph and what is found in it."""

    identity: str
    values: NDArray[np.float32]
    found: FoundHands


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Keep OpenCV to one thread while these tests run."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(before)


@pytest.fixture(scope="package")
def real_hands(radiographs: Path) -> list[RealHand]:
    """Find the hands in a spread sample of the real radiographs, once for all tests."""
    hands = []
    for path in sorted((radiographs / "rsna").glob("*.png"), key=lambda path: int(path.stem))[::14]:
        values = np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.float32)
        hands.append(RealHand(path.stem, values, find(values, demo_finder())))
    return hands
