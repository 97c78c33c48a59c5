"""The same radiograph has the same digest whatever it was stored as, and no other one has it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ra_node.imaging.hand_cuts.pixel_digest import pixel_digest

pictures = arrays(np.uint16, st.tuples(st.integers(2, 9), st.integers(2, 9)), elements=st.integers(0, 4095))


def values_of(picture: np.ndarray) -> np.ndarray:
    return picture.astype(np.float32)


@given(
    pictures, st.integers(0, 3), st.booleans(), st.sampled_from([1.0, 0.3333333, 16.0]), st.integers(-99, 99)
)
def test_copies_have_one_digest(picture, turns, flipped, slope, intercept):
    """Turned, flipped, rescaled."""
    copy = np.rot90(picture[:, ::-1] if flipped else picture, turns)
    rescaled = np.float32(slope) * values_of(copy) + np.float32(intercept)
    assert pixel_digest(rescaled) == pixel_digest(values_of(picture))


@given(pictures, st.data())
def test_one_other_pixel_is_another_picture(picture, data):
    row, column = (data.draw(st.integers(0, size - 1)) for size in picture.shape)
    other = picture.copy()
    other[row, column] = 5000
    if other.max() > picture.max() or (other != picture).any():
        assert pixel_digest(values_of(other)) != pixel_digest(values_of(picture)) or same_ranks(
            other, picture
        )


def same_ranks(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether the order of the pixels is the same, in one of eight orientations."""

    def ranks(picture):
        return np.unique(picture, return_inverse=True)[1].reshape(picture.shape)

    turned = [np.rot90(p, k) for p in (one, one[:, ::-1]) for k in range(4)]
    return any(t.shape == other.shape and np.array_equal(ranks(t), ranks(other)) for t in turned)


@pytest.mark.parametrize("values", [np.zeros((3, 4), np.float32), np.full((1, 1), 0.5, np.float32)])
def test_a_picture_of_one_value_has_a_digest(values):
    assert len(pixel_digest(values)) == 32


def test_values_between_whole_numbers_are_told_apart():
    ramp = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    other = ramp.copy()
    other[0, 0], other[0, 1] = ramp[0, 1], ramp[0, 0]
    assert pixel_digest(ramp) != pixel_digest(other)
    assert pixel_digest(ramp) == pixel_digest(1000 * ramp)
