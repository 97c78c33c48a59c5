"""Oblong pixels are judged on the true shape, and what was found is given in the image's own pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ra_node.domain.geometry import Box, Point
from ra_node.domain.report import HandRegion
from ra_node.imaging.pixel_aspect import (
    UNSTRETCHED,
    region_in_image,
    region_in_square,
    square_shape,
    squared,
    true_aspect,
)
from ra_node.imaging.pixels import Radiograph


@pytest.mark.parametrize(
    ("stated", "aspect", "part"),
    [
        ((), 1.0, ""),
        ((1.0, 1.001), 1.0, ""),
        ((0.75,), 0.75, "not square"),
        ((0.75, 0.7501), 0.75, "not square"),
        ((0.75, 1.0), 1.0, "contradicts itself"),
        ((9.0,), 1.0, "impossible"),
    ],
)
def test_only_a_shape_that_is_possible_and_uncontradicted_is_used(stated, aspect, part):
    used, remarks = true_aspect(stated)
    assert used == aspect
    assert part in "".join(remarks)
    assert bool(part) == bool(remarks)


@settings(deadline=None, max_examples=30)
@given(st.sampled_from([0.4, 0.75, 1.3, 2.5]), st.integers(0, 60), st.integers(0, 30))
def test_a_region_comes_back_to_where_it_was(aspect, left, top):
    """Within a pixel of the image, since boxes are whole pixels."""
    rows, columns = 130, 160
    picture = Radiograph(np.zeros((rows, columns), np.float32), np.zeros((rows, columns), np.uint8))
    square, stretch = squared(picture, aspect)
    assert square.values.shape == square.display.shape == square_shape(stretch, (rows, columns))
    assert stretch.x / stretch.y == pytest.approx(1 / aspect, rel=0.02)
    box = Box(left, top, left + 90, top + 90)
    region = HandRegion(box, (Point(left, top), Point(left + 9, top + 80)), 0, 0.9)
    back = region_in_image(region_in_square(region, stretch, (rows, columns)), stretch, (rows, columns))
    found = np.array([back.box.x0, back.box.y0, back.box.x1, back.box.y1])
    assert np.abs(found - (box.x0, box.y0, box.x1, box.y1)).max() <= 2.5
    assert back.outline[1].x == pytest.approx(left + 9)


def test_square_pixels_are_left_as_they_are():
    picture = Radiograph(np.zeros((9, 9), np.float32), np.zeros((9, 9), np.uint8))
    assert squared(picture, 1.0) == (picture, UNSTRETCHED)
