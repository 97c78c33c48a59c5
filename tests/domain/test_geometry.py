"""Boxes keep their promises for any numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_node.domain.geometry import Box, intersection_over_union

sides = st.integers(1, 500)
boxes = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h), st.integers(-200, 500), st.integers(-200, 500), sides, sides
)


@given(boxes, boxes)
def test_intersection_over_union_is_symmetric_and_between_0_and_1(a, b):
    assert intersection_over_union(a, b) == intersection_over_union(b, a)
    assert 0 <= intersection_over_union(a, b) <= 1


@given(boxes)
def test_a_box_fully_overlaps_itself(box):
    assert intersection_over_union(box, box) == 1


@given(boxes, st.floats(0, 1))
def test_a_grown_box_holds_the_box(box, fraction):
    grown = box.grown(fraction)
    assert grown.x0 <= box.x0
    assert grown.y0 <= box.y0
    assert grown.x1 >= box.x1
    assert grown.y1 >= box.y1


def test_an_empty_box_is_refused_with_its_numbers():
    with pytest.raises(ValueError, match="x0 < x1"):
        Box(5, 0, 5, 10)
