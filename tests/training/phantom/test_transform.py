"""Millimetres and pixels are two names of the same place."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ra_node.domain.geometry import Box
from training.phantom.transform import place_frame


@given(
    tilt=st.floats(-180, 180),
    scale=st.floats(0.5, 8),
    mirrored=st.booleans(),
    origin=st.tuples(st.floats(0, 100), st.floats(0, 100)),
)
def test_a_pixel_grid_in_mm_goes_back_to_its_pixels(tilt, scale, mirrored, origin):
    """grid_mm gives the centres of pixels, to_px brings them back."""
    frame = place_frame(origin, scale, tilt, (100, 120), mirrored=mirrored)
    box = Box(10, 20, 14, 23)
    x, y = frame.grid_mm(box)
    back = frame.to_px(np.stack([x.ravel(), y.ravel()], axis=1)).reshape(3, 4, 2)
    assert np.allclose(back[..., 0], np.arange(10, 14) + 0.5, atol=0.01)
    assert np.allclose(back[..., 1], (np.arange(20, 23) + 0.5)[:, None], atol=0.01)


def test_a_mirror_changes_the_thumb_and_not_the_fingertips():
    """x in mm points to the thumb, y to the fingertips, which are up in an upright picture."""
    tip, thumb = np.array([[0, 10]], np.float32), np.array([[10, 0]], np.float32)
    for mirrored, way in ((False, 1), (True, -1)):
        frame = place_frame((50, 50), 2.0, 0.0, (100, 100), mirrored=mirrored)
        assert np.allclose(frame.to_px(tip), [[50, 30]])
        assert np.allclose(frame.to_px(thumb), [[50 + way * 20, 50]])


def test_a_window_outside_the_picture_is_none():
    """So that nothing is drawn there."""
    frame = place_frame((50, 50), 1.0, 0.0, (100, 100), mirrored=False)
    assert frame.window(np.array([[500, 500]], np.float32), 5.0) is None


def test_a_crop_and_a_coarser_grid_keep_their_places():
    """Both are the same frame on other pixels."""
    frame = place_frame((50, 40), 4.0, 10.0, (100, 100), mirrored=True)
    point = np.array([[3, 5]], np.float32)
    assert np.allclose(
        frame.cropped(Box(10, 20, 60, 70)).to_px(point), frame.to_px(point) - [10, 20], atol=1e-4
    )
    assert np.allclose(frame.coarser(2).to_px(point), frame.to_px(point) / 2, atol=1e-4)
