"""The hand finder's networks see a hand upright, whatever its place, size and turn in the image."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_node.domain.joints import JOINTS
from ra_node.inference.hand_detector.preprocessing import (
    AXIS_PX,
    SIDE_PX,
    Pose,
    channels,
    into_square,
    inverse,
    moved,
    pose_of,
    seen_hand,
    seen_whole,
)
from training.phantom.draw import draw_hands
from training.phantom.recipe import HandRecipe, PhantomRecipe

WRIST, KNUCKLE = JOINTS.index("wrist_2"), JOINTS.index("mcp_3")
places = st.floats(-500, 2500)
arrows = st.floats(-400, 400)


@given(places, places, arrows, arrows)
def test_a_hand_stands_upright_in_the_middle_of_its_square(x: float, y: float, dx: float, dy: float) -> None:
    """The arrow from wrist to MCP 3 points up, with one length, and the way back is the way."""
    wrist, knuckle = np.array([x, y]), np.array([x + dx, y + dy + 500])
    matrix = into_square(pose_of(wrist, knuckle))
    square = moved(np.stack([wrist, knuckle]), matrix)
    assert square[0] - square[1] == pytest.approx([0, AXIS_PX], abs=1e-6)
    assert square[:, 0] == pytest.approx(SIDE_PX / 2, abs=1e-6)
    assert moved(square, inverse(matrix)) == pytest.approx(np.stack([wrist, knuckle]), abs=1e-5)


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_a_turned_image_shows_the_same_hand(quarter: int) -> None:
    """What the reader sees does not change when image and pose are turned together."""
    film = draw_hands(PhantomRecipe((HandRecipe(),), rows=400, columns=320, seed=4))
    image = film.pixels.astype(np.float32)
    joints = np.array([[film.hands[0].joints[name].x, film.hands[0].joints[name].y] for name in JOINTS])
    upright = seen_hand(image, pose_of(joints[WRIST], joints[KNUCKLE]))
    turned = np.ascontiguousarray(np.rot90(image, quarter))
    for _ in range(quarter):
        joints = np.stack([joints[:, 1], image.shape[1] - joints[:, 0]], axis=1)
        image = np.rot90(image)
    again = seen_hand(turned, pose_of(joints[WRIST], joints[KNUCKLE]))
    assert np.abs(upright - again).mean() < 0.05


def test_exposure_does_not_matter() -> None:
    """Gain and offset of the grey levels leave what the networks see as it was."""
    picture = cv2.GaussianBlur(np.random.default_rng(0).random((120, 150), np.float32), (0, 0), 3)
    assert np.allclose(channels(picture), channels(300 * picture + 1000), atol=2e-3)


def test_nothing_is_seen_outside_the_image() -> None:
    """Around a small image both channels are 0, and so is what a hand at the edge lacks."""
    image = np.random.default_rng(0).random((300, 200)).astype(np.float32)
    assert not seen_whole(image)[:, :, 107:].any()
    assert not seen_hand(image, Pose(0, 150, 0, -40))[:, :, :60].any()
    assert seen_hand(image, Pose(0, 150, 0, -40))[:, :, 90:].any()


def test_a_picture_without_any_contrast_is_seen() -> None:
    """A flat film gives finite numbers."""
    assert np.isfinite(channels(np.full((50, 60), 7, np.float32))).all()
