"""Every letter of a lead marker is among the pieces, and nothing inside a hand is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ra_node.domain.geometry import Box
from ra_node.domain.report import HandRegion
from ra_node.inference.marker_reader.candidates import MOST_CANDIDATES, PATCH_PX, marker_candidates


def plate(text: str = "R", *, side: int = 1000, ground: int = 40, ink: int = 230) -> np.ndarray:
    """A square plate with letters whose ink lies at (100..., 160...200) of 1000."""
    picture = np.full((side, side), ground, np.uint8)
    cv2.putText(picture, text, (side // 10, side // 5), 0, 1.9 * side / 1000, ink, max(2, 6 * side // 1000))
    return picture


def overlaps(a: Box, b: Box) -> bool:
    return a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1


@pytest.mark.parametrize("side", [400, 1000, 3000])
@pytest.mark.parametrize(("ground", "ink"), [(0, 255), (120, 170), (60, 75)])
def test_a_letter_is_found_where_it_lies_at_any_size_and_contrast(side, ground, ink):
    boxes, patches = marker_candidates(plate(side=side, ground=ground, ink=ink), [])
    letter = Box(side // 10, side * 16 // 100, side * 14 // 100, side // 5)
    found = [at for at, box in enumerate(boxes) if overlaps(box, letter) and box.height_px > 0.025 * side]
    assert found
    patch = patches[found[0]]
    assert patch.shape == (2, PATCH_PX, PATCH_PX)
    on = patch[1] > 0.5
    assert patch[0][on].mean() > 0.8
    assert patch[0][patch[1] < 0.1].mean() < 0.4


def test_dark_letters_on_a_bright_label_are_found_as_bright_ones():
    picture = np.full((1000, 1000), 30, np.uint8)
    picture[100:200, 100:260] = 240
    cv2.putText(picture, "RT", (120, 175), 0, 1.7, 30, 5)
    boxes, patches = marker_candidates(picture, [])
    inside = [at for at, box in enumerate(boxes) if box.x0 > 105 and box.x1 < 255 and box.width_px < 60]
    assert len(inside) >= 2
    assert all(patches[at][0][patches[at][1] > 0.5].mean() > 0.8 for at in inside)


def test_what_lies_inside_a_hand_is_no_piece():
    box = Box(50, 100, 300, 300)
    hand = HandRegion(box, box.corners(), 0, 0.99)
    assert marker_candidates(plate(), [])[0]
    assert not marker_candidates(plate(), [hand])[0]


@pytest.mark.parametrize("value", [0, 128, 255])
def test_an_even_plate_has_no_pieces(value):
    boxes, patches = marker_candidates(np.full((300, 200), value, np.uint8), [])
    assert not boxes
    assert patches.shape == (0, 2, PATCH_PX, PATCH_PX)


def test_noise_gives_a_bounded_number_of_pieces():
    noise = np.random.default_rng(1).integers(0, 256, (60, 80)).astype(np.uint8)
    boxes, _ = marker_candidates(cv2.resize(noise, (800, 600), interpolation=cv2.INTER_NEAREST), [])
    assert len(boxes) <= MOST_CANDIDATES
