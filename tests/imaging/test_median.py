"""The quick median is the median."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ra_node.imaging.median import median

LEVELS = st.integers(0, 40).map(float)


@given(arrays(np.float32, st.integers(1, 60), elements=LEVELS))
def test_it_is_that_of_numpy(values: np.ndarray) -> None:
    """Also of an even number, and where many are equal."""
    before = values.copy()
    assert median(values) == pytest.approx(float(np.median(values)))
    assert (values == before).all()


def test_the_shape_does_not_matter() -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert median(picture) == 5.5
