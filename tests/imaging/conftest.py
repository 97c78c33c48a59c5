"""One thread for pictures this small: more only wait for each other on a busy machine."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import pytest


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Keep OpenCV to one thread while these tests run."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(before)
