"""Any radiograph's values survive 16 bits exactly, and the crop of a cut is the crop of the image."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ra_node.domain.geometry import Box, Point
from ra_node.domain.report import HandRegion
from ra_node.imaging.hand_cuts.hand_png import coded, cut_out, turned_back, upright
from ra_node.imaging.model_input import hand_crop

finite = st.floats(-1e6, 1e6, width=32)


@given(arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=finite))
def test_any_values_come_back_exactly(values: np.ndarray) -> None:
    assert np.array_equal(coded(values).values, values)


@given(
    arrays(np.uint16, (6, 5)),
    st.floats(0.001, 100),
    st.floats(-2000, 2000),
)
def test_rescaled_words_come_back_exactly(words: np.ndarray, slope: float, intercept: float) -> None:
    values = (words.astype(np.float64) * slope + intercept).astype(np.float32)
    assert np.array_equal(coded(values).values, values)


def test_plain_words_need_no_table() -> None:
    values = np.arange(4096, dtype=np.float32).reshape(64, 64) * 2 - 1024
    code = coded(values)
    assert (code.levels, code.first, code.step) == (None, -1024.0, 2.0)
    assert coded(np.full((3, 3), 7, np.float32)).values.max() == 7


def test_more_values_than_words_are_kept_beside_a_picture_of_them() -> None:
    """Resampling to square pixels makes them; the words are for people then."""
    values = np.sqrt(np.arange(90000, dtype=np.float32)).reshape(300, 300)
    code = coded(values)
    assert np.array_equal(code.values, values)
    assert (code.words[0, 0], code.words[-1, -1]) == (0, 65535)


@given(
    st.integers(0, 60), st.integers(0, 60), st.integers(20, 60), st.integers(20, 60),
    st.sampled_from([0, 90, 180, 270]), st.integers(0, 99),
)  # fmt: skip
def test_the_crop_of_a_cut_is_the_crop_of_the_image(x, y, width, height, rotation, seed) -> None:
    """Also where the margin leaves the image, and after a turn upright and back."""
    values = np.random.default_rng(seed).integers(0, 4096, (120, 120)).astype(np.float32)
    box = Box(x, y, x + width, y + height)
    outline = (
        Point(x + 0.3, y + 1.7),
        Point(x + width - 1.1, y + 2.9),
        Point(x + width / 3, y + height - 0.7),
    )
    region = HandRegion(box, outline, rotation, 1.0)
    part, place = cut_out(values, region)
    code = coded(part)
    stored = upright(code.words, rotation)
    again = code.first + code.step * turned_back(stored, rotation).astype(np.float64)
    crop = hand_crop(again.astype(np.float32), place, 32)
    assert np.array_equal(crop, hand_crop(values, region, 32))
