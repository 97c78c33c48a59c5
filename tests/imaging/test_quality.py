"""A hand is refused only where nobody could read it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from ra_node.domain.refusal import Reason
from ra_node.imaging.quality import hand_quality
from tests.imaging.silhouette_hand import drawn_hand, only_hand


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_whole_hand_is_judged_though_its_forearm_leaves_the_image(turns: int):
    """The forearm always ends somewhere; only fingers must be whole."""
    picture = np.ascontiguousarray(np.rot90(drawn_hand(), -turns))
    assert hand_quality(picture, only_hand(picture)) is None


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_cut_off_fingers_are_refused(turns: int):
    """Fingers that leave the image at their side are refused with the share that was found there."""
    picture = np.ascontiguousarray(np.rot90(drawn_hand()[115:], -turns))
    refusal = hand_quality(picture, only_hand(picture))
    assert refusal is not None
    assert refusal.reason is Reason.HAND_CUT_OFF
    assert "at its edge" in refusal.text


def test_a_saturated_hand_is_refused():
    """A hand whose greater part is at the detector's limit shows no bone."""
    picture = drawn_hand()
    region = only_hand(picture)
    refusal = hand_quality(np.minimum(picture, np.float32(60)), region)
    assert refusal is not None
    assert refusal.reason is Reason.POOR_EXPOSURE


def test_a_hand_of_few_grey_levels_is_refused():
    picture = drawn_hand()
    refusal = hand_quality(np.round(picture / 80), only_hand(picture))
    assert refusal is not None
    assert refusal.reason is Reason.POOR_EXPOSURE
    assert "grey levels" in refusal.text


def test_a_hand_drowned_in_noise_is_refused():
    picture = drawn_hand()
    region = only_hand(picture)
    grain = np.random.default_rng(4).normal(0, 150, picture.shape).astype(np.float32)
    refusal = hand_quality(picture + grain, region)
    assert refusal is not None
    assert refusal.reason is Reason.POOR_EXPOSURE
    assert "times the noise" in refusal.text


def test_an_outline_of_nothing_is_not_refused():
    """A region too small to measure is left to the models."""
    picture = drawn_hand()
    region = only_hand(picture)
    tiny = replace(region, outline=region.outline[:1] * 3)
    assert hand_quality(picture, tiny) is None


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_hand_cut_along_its_side_is_refused(turns: int):
    """A little finger that the plate lost in part, whatever way the hand lies."""
    upright = drawn_hand()
    box = only_hand(upright).box
    start = box.x0 + round(0.18 * box.width_px)
    picture = np.ascontiguousarray(np.rot90(upright[:, start:], -turns))
    refusal = hand_quality(picture, only_hand(picture))
    assert refusal is not None
    assert refusal.reason is Reason.HAND_CUT_OFF


def test_metal_over_the_joints_is_refused():
    """A white piece as large as a palm hides what is to be judged; a ring does not."""
    picture = drawn_hand()
    region = only_hand(picture)
    middle = (round(region.box.centre.x), round(region.box.centre.y + 0.1 * region.box.height_px))
    size = region.box.width_px
    plate = cv2.circle(picture.copy(), middle, round(0.22 * size), float(picture.max() * 1.3), -1)
    refusal = hand_quality(plate, region)
    assert refusal is not None
    assert refusal.reason is Reason.METAL_OR_CAST
    ring = cv2.circle(picture.copy(), middle, round(0.03 * size), float(picture.max() * 1.3), -1)
    assert hand_quality(ring, region) is None
