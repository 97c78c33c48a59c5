"""One preprocessing for training and node: its numbers and its geometry."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ra_node.domain.geometry import Box, Point, Rotation
from ra_node.domain.report import HandRegion
from ra_node.imaging.model_input import PREPROCESSING_ID, RIM, crop_frame, hand_crop, outline_in_crop

GOLDEN_ID = "upright-square-masked-p1-p99.5-v2"
GOLDEN_GRID = [
    [0, 70, 129, 0, 0, 0, 0, 0],
    [0, 0, 24, 74, 126, 37, 0, 0],
    [0, 0, 60, 111, 16, 82, 0, 0],
    [0, 0, 95, 6, 56, 111, 0, 0],
    [0, 0, 130, 34, 97, 8, 0, 0],
    [0, 0, 16, 78, 136, 38, 0, 0],
    [0, 0, 55, 114, 25, 82, 0, 0],
    [0, 0, 0, 0, 0, 115, 0, 0],
]
"""Every eighth pixel of the golden crop; one grey level either way is the rounding of a platform."""


def region(box: Box, rotation: Rotation = 0) -> HandRegion:
    return HandRegion(box, box.corners(), rotation, 1.0)


def picture(rows: int = 300, columns: int = 200) -> NDArray[np.float32]:
    """Smooth waves in exact binary fractions with one bright bar, so that every platform agrees."""
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    values = (x * 3 + y * 2) % 257 + (x * y / 64) % 31
    values[100:140, 60:70] = 500
    return np.asarray(values, np.float32)


def test_the_recipe_gives_the_numbers_that_its_name_stands_for() -> None:
    """A change of any number here is a new recipe and needs a new PREPROCESSING_ID."""
    outline = (Point(25, 35), Point(170, 60), Point(150, 260), Point(40, 250))
    crop = hand_crop(picture(), HandRegion(Box(20, 30, 180, 270), outline, 0, 1.0), 64)
    found = crop[4::8, 4::8].astype(int)
    assert PREPROCESSING_ID == GOLDEN_ID
    assert np.abs(found - np.array(GOLDEN_GRID)).max() <= 1, found.tolist()


@given(st.integers(40, 300), st.integers(40, 300), st.sampled_from([32, 64, 224]))
def test_every_box_gives_a_square_that_uses_the_whole_scale(rows: int, columns: int, side_px: int) -> None:
    values = np.random.default_rng(rows * 1000 + columns).normal(size=(400, 400)).astype(np.float32)
    crop = hand_crop(values, region(Box(20, 30, 20 + columns, 30 + rows)), side_px)
    assert crop.shape == (side_px, side_px)
    assert crop.dtype == np.uint8
    assert (crop.min(), crop.max()) == (0, 255)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_turned_hand_gives_the_same_crop_as_an_upright_one(rotation: Rotation) -> None:
    """Fingers to the right (90) are turned back, and so on round the clock."""
    upright = picture(280, 280)
    turned = np.rot90(upright, k=-(rotation // 90))
    whole = Box(0, 0, 280, 280)
    assert np.array_equal(hand_crop(turned, region(whole, rotation)), hand_crop(upright, region(whole)))


def test_what_lies_outside_the_margin_box_changes_nothing() -> None:
    """A marker beside the hand neither shows nor sets the scale."""
    values, marked = picture(), picture()
    marked[:15, :], marked[290:, :], marked[:, :5] = 60000, 60000, 60000
    box = region(Box(20, 40, 160, 260))
    assert np.array_equal(hand_crop(values, box), hand_crop(marked, box))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**31),
    st.sampled_from([0, 90, 180, 270]),
    st.sampled_from([(300, 200), (1400, 900), (130, 90)]),
    st.sampled_from([32, 224]),
)
def test_what_lies_outside_the_outline_and_its_rim_changes_not_one_bit(
    seed: int, rotation: Rotation, shape: tuple[int, int], side_px: int
) -> None:
    """A letter beside the hand, noise, infinity, nothing at all: the crop of a region is the same."""
    rng = np.random.default_rng(seed)
    rows, columns = shape
    angles = np.sort(rng.uniform(0, 2 * np.pi, 40))
    reach = rng.uniform(0.15, 0.35, 40)
    outline = tuple(
        Point(float(columns * (0.5 + r * np.cos(a))), float(rows * (0.5 + r * np.sin(a))))
        for a, r in zip(angles, reach, strict=True)
    )
    x, y = [p.x for p in outline], [p.y for p in outline]
    box = Box(int(min(x)), int(min(y)), int(max(x)) + 1, int(max(y)) + 1)
    hand = HandRegion(box, outline, rotation, 1.0)
    inside = np.zeros(shape, np.uint8)
    rim_px = RIM * max(box.width_px, box.height_px)
    polygon = np.rint([(p.x - 0.5, p.y - 0.5) for p in outline]).astype(np.int32)
    cv2.fillPoly(inside, [polygon], 1)
    away = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    outside = away > rim_px + 3
    values = rng.normal(1000, 200, shape).astype(np.float32)
    crop = hand_crop(values, hand, side_px)
    for painted in (
        np.float32(0),
        np.float32(65535),
        np.float32(np.inf),
        rng.normal(0, 1e6, shape).astype(np.float32),
    ):
        assert np.array_equal(crop, hand_crop(np.where(outside, painted, values), hand, side_px))


def test_nothing_outside_the_outline_and_its_rim_is_seen() -> None:
    """The background is 0, as is the padding; the rim keeps skin that lies a little outside the outline."""
    box = Box(20, 40, 160, 260)
    outline = (Point(60, 60), Point(150, 60), Point(150, 240), Point(60, 240))
    crop = hand_crop(picture() + np.float32(1000), HandRegion(box, outline, 0, 1.0))
    frame = crop_frame((300, 200), HandRegion(box, outline, 0, 1.0))
    rows, columns = np.nonzero(crop)
    at = frame.to_image(np.stack([columns + 0.5, rows + 0.5], axis=1).astype(np.float64))
    rim_px = RIM * 220
    assert at[:, 0].min() == pytest.approx(60 - rim_px, abs=1.5)
    assert at[:, 0].max() == pytest.approx(150 + rim_px, abs=1.5)
    assert at[:, 1].max() == pytest.approx(240 + rim_px, abs=1.5)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("fine", [1, 4])
def test_the_outline_lies_in_a_crop_where_the_hand_does(rotation: Rotation, fine: int) -> None:
    """The mask of the heat map covers what the outline holds, whichever way the hand is turned."""
    outline = (Point(60, 60), Point(150, 60), Point(150, 240), Point(60, 240))
    hand = HandRegion(Box(20, 40, 160, 260), outline, rotation, 1.0)
    frame = crop_frame((300, 200), hand, 64)
    rows, columns = np.nonzero(outline_in_crop(hand, frame, fine))
    at = frame.to_image((np.stack([columns, rows], axis=1) + 0.5) / fine)
    for found, wanted in zip((*at.min(axis=0), *at.max(axis=0)), (60, 60, 150, 240), strict=True):
        assert found == pytest.approx(wanted, abs=6 / fine)


def test_an_outline_that_is_not_there_leaves_the_scale_to_the_whole_crop() -> None:
    box = Box(20, 40, 160, 260)
    tiny = HandRegion(box, (Point(50, 50), Point(52, 50), Point(52, 52)), 0, 1.0)
    assert np.array_equal(hand_crop(picture(), tiny), hand_crop(picture(), HandRegion(box, (), 0, 1.0)))


def test_the_shape_of_the_hand_is_kept_by_padding_the_shorter_side() -> None:
    crop = hand_crop(picture(400, 400) + np.float32(1), HandRegion(Box(100, 0, 300, 400), (), 0, 1.0))
    filled = np.flatnonzero(crop.any(axis=0))
    assert filled[-1] - filled[0] + 1 == pytest.approx(224 * (200 + 2 * 16) / 400, abs=2)


@given(st.floats(0.01, 100), st.floats(-1000, 1000))
def test_gain_and_offset_of_the_detector_do_not_matter(gain: float, offset: float) -> None:
    box = region(Box(20, 30, 180, 270))
    changed = hand_crop(picture() * np.float32(gain) + np.float32(offset), box).astype(int)
    assert np.abs(changed - hand_crop(picture(), box).astype(int)).max() <= 1


def test_a_hand_without_contrast_is_black_and_no_error() -> None:
    assert not hand_crop(np.full((50, 50), 7.0, np.float32), region(Box(5, 5, 45, 45))).any()


def test_a_box_outside_the_image_is_an_error() -> None:
    with pytest.raises(ValueError, match="a box needs"):
        hand_crop(picture(), region(Box(500, 500, 600, 600)))
