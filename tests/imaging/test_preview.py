"""The reduced picture of an image comes back as it was kept, or not at all."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ra_node.errors import Refused
from ra_node.imaging.preview import PREVIEW_PX, PREVIEW_SUFFIX, encode_preview, read_preview, reduced

SIZES = st.tuples(st.integers(1, 60), st.integers(1, 60))
NOISE = np.random.default_rng(3).integers(0, 256, (90, 70), np.uint8)


@settings(max_examples=40, deadline=None)
@given(arrays(np.uint8, SIZES))
def test_what_is_kept_comes_back_whole(tmp_path_factory, picture):
    """Every pixel of a picture of any size, also of one column or one row."""
    path = tmp_path_factory.getbasetemp() / f"preview{PREVIEW_SUFFIX}"
    path.write_bytes(encode_preview(picture))
    assert np.array_equal(read_preview(path), picture)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_preview_that_is_cut_off_is_refused(tmp_path, share):
    """Half a radiograph is never shown as if it were one."""
    whole = encode_preview(NOISE)
    path = tmp_path / f"cut{PREVIEW_SUFFIX}"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(Refused):
        read_preview(path)


def test_a_missing_preview_is_refused(tmp_path):
    with pytest.raises(Refused):
        read_preview(tmp_path / "none.pgm")


def test_a_preview_of_an_earlier_version_is_still_read(tmp_path):
    """A node that is upgraded between examination and report holds PNG files."""
    path = tmp_path / "old.png"
    path.write_bytes(cv2.imencode(".png", NOISE)[1].tobytes())
    assert np.array_equal(read_preview(path), NOISE)


@pytest.mark.parametrize("shape", [(3000, 2500), (1000, 4000), (8000, 1)])
def test_a_large_picture_shrinks_to_the_longest_side_and_keeps_its_shape(shape):
    small = reduced(np.full(shape, 77, np.uint8))
    assert max(small.shape) == PREVIEW_PX
    assert small.shape[0] / small.shape[1] == pytest.approx(shape[0] / shape[1], rel=0.01) or 1 in shape
    assert np.all(small == 77)


def test_a_small_picture_stays_as_it_is():
    assert reduced(NOISE) is NOISE


@pytest.mark.parametrize("longest", [2100, 3000, 3980, 4020, 7000])
def test_a_line_of_one_pixel_is_seen_at_its_place_wherever_it_lies(longest):
    """No pixel falls between those of the preview, at any size."""
    for at in (0, longest // 3, longest // 2 + 1, longest - 2):
        film = np.zeros((40, longest), np.uint8)
        film[:, at] = 255
        row = reduced(film)[5].astype(float)
        assert row.sum() > 50
        middle = (row * (np.arange(row.size) + 0.5)).sum() / row.sum()
        assert middle == pytest.approx((at + 0.5) * row.size / longest, abs=0.6)
