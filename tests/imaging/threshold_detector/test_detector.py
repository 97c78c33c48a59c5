"""One or two hands are found wherever they lie; nothing else is taken for a hand."""

from __future__ import annotations

import csv
import math
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ra_node.domain.geometry import Box, intersection_over_union
from ra_node.domain.report import HandRegion, Reason
from ra_node.imaging.threshold_detector.detector import find_hands
from tests.imaging.conftest import RealHand
from tests.imaging.silhouette_hand import COLUMNS, FINGERTIPS, ROWS, drawn_hand, two_hands

Picture = NDArray[np.float32]


def holds(box: Box, x: float, y: float) -> bool:
    return box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1


def test_a_hand_is_found_with_all_its_fingertips():
    """The box reaches from the wrist to every fingertip and the fingers point up."""
    found = find_hands(drawn_hand())
    assert found.refusal is None
    (hand,) = found.hands
    assert hand.rotation == 0
    assert all(holds(hand.box, x, y) for x, y in FINGERTIPS)
    assert holds(hand.box, 220, 430)
    assert hand.score > 0.7


def test_the_outline_lies_in_the_image_and_in_the_box():
    """An outline is a polygon of at most 200 points that a report can draw as it is."""
    (hand,) = find_hands(drawn_hand()).hands
    assert 10 <= len(hand.outline) <= 200
    assert hand.outline[0] != hand.outline[-1]
    assert all(0 <= point.x <= COLUMNS and 0 <= point.y <= ROWS for point in hand.outline)
    assert all(holds(hand.box, point.x, point.y) for point in hand.outline)
    corners = np.array([[point.x, point.y] for point in hand.outline], np.float32)
    assert 0.2 < cv2.contourArea(corners) / hand.box.area_px < 0.9
    assert cv2.pointPolygonTest(corners, (215.0, 345.0), measureDist=False) > 0


@pytest.mark.parametrize("picture", [drawn_hand(), two_hands()], ids=["one", "two"])
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_quarter_turns_turn_boxes_and_rotation(picture: Picture, turns: int):
    """Turning the image clockwise turns what is found in it, but for the step of a grey level."""
    rows, columns = picture.shape
    upright = find_hands(picture).hands
    turned = find_hands(np.ascontiguousarray(np.rot90(picture, -turns))).hands
    assert len(turned) == len(upright)
    expected = [turned_box(hand.box, rows, columns, turns) for hand in upright]
    for hand in turned:
        assert hand.rotation == 90 * turns
        assert max(intersection_over_union(hand.box, box) for box in expected) > 0.85


def turned_box(box: Box, rows: int, columns: int, turns: int) -> Box:
    """Turn a box clockwise with its image."""
    for _ in range(turns):
        box = Box(rows - box.y1, box.x0, rows - box.y0, box.x1)
        rows, columns = columns, rows
    return box


@pytest.mark.parametrize("gap", [0, 30, 150])
def test_two_hands_are_found_from_left_to_right(gap: int):
    """Both hands of a plate have a box of their own, even when the thumbs nearly touch."""
    hands = find_hands(two_hands(gap)).hands
    assert len(hands) == 2
    assert hands[0].box.centre.x < COLUMNS < hands[1].box.centre.x
    assert intersection_over_union(hands[0].box, hands[1].box) == 0
    assert all(holds(hands[1].box, COLUMNS + gap + x, y) for x, y in FINGERTIPS)


def test_hands_above_each_other_are_ordered_from_top_to_bottom():
    """Two hands in a column keep an order that does not depend on a few pixels of their places."""
    hand = drawn_hand()
    hands = find_hands(np.vstack([hand, np.full((40, COLUMNS), 20, np.float32), hand])).hands
    assert len(hands) == 2
    assert hands[0].box.centre.y < ROWS < hands[1].box.centre.y


def test_touching_hands_are_parted():
    """Thumbs that lie over each other make one shape but still two hands."""
    hand = drawn_hand()
    lap = 170
    picture = np.full((ROWS, 2 * COLUMNS - lap), 20, np.float32)
    picture[:, :COLUMNS] = hand[:, ::-1]
    picture[:, COLUMNS - lap :] = np.maximum(picture[:, COLUMNS - lap :], hand)
    hands = find_hands(picture).hands
    assert len(hands) == 2
    assert intersection_over_union(hands[0].box, hands[1].box) < 0.2


def with_frame(picture: Picture) -> Picture:
    return np.pad(picture, 25, constant_values=255)


def with_marker(picture: Picture) -> Picture:
    marked = picture.copy()
    cv2.putText(marked_bytes := np.zeros(marked.shape, np.uint8), "L", (10, 60), 0, 2, 255, 9)
    return np.maximum(marked, marked_bytes.astype(np.float32))


def in_bright_field(picture: Picture) -> Picture:
    return np.pad(picture + 60, 80, constant_values=5)


def with_gradient(picture: Picture) -> Picture:
    return picture + np.linspace(0, 40, picture.shape[1], dtype=np.float32)


def flat(picture: Picture) -> Picture:
    return np.round(picture / 8)


@pytest.mark.parametrize("change", [with_frame, with_marker, in_bright_field, with_gradient, flat])
def test_what_real_plates_show_besides_hands_does_not_matter(change):
    """White frames, lead markers, collimated fields, gradients and poor contrast leave one hand."""
    (hand,) = find_hands(change(drawn_hand())).hands
    assert hand.rotation == 0
    assert hand.box.height_px > 0.7 * (ROWS - 60)
    assert hand.box.width_px < COLUMNS


@settings(max_examples=5, deadline=None)
@given(gain=st.floats(0.01, 100), offset=st.floats(-2000, 2000), scale=st.sampled_from([0.6, 1.0, 2.5]))
def test_scale_of_values_and_pixels_does_not_matter(gain, offset, scale):
    """Modality units are arbitrary and plates come in all resolutions."""
    picture = cv2.resize(drawn_hand(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    (reference,) = find_hands(drawn_hand()).hands
    (hand,) = find_hands(np.float32(gain) * picture + np.float32(offset)).hands
    expected = Box(*(round(scale * side) for side in box_sides(reference)))
    assert intersection_over_union(hand.box, expected) > 0.9


def box_sides(hand: HandRegion) -> tuple[int, int, int, int]:
    return hand.box.x0, hand.box.y0, hand.box.x1, hand.box.y1


def blank() -> NDArray[np.uint8]:
    return np.full((600, 500), 20, np.uint8)


def noise() -> NDArray[np.uint8]:
    return np.random.default_rng(2).integers(0, 255, (600, 500), dtype=np.uint8)


def gradient() -> NDArray[np.uint8]:
    return np.add.outer(np.arange(600) // 6, np.arange(500) // 5).astype(np.uint8)


def disk() -> NDArray[np.uint8]:
    return cv2.circle(blank(), (250, 300), 140, 180, -1)


def text() -> NDArray[np.uint8]:
    page = blank()
    for line in range(14):
        cv2.putText(page, "no hand on this page", (15, 40 + 40 * line), 0, 1.2, 220, 2)
    return page


def sole() -> NDArray[np.uint8]:
    foot = cv2.ellipse(blank(), (250, 240), (105, 120), 0, 0, 360, 160, -1)
    cv2.ellipse(foot, (250, 440), (75, 130), 0, 0, 360, 160, -1)
    for toe in range(5):
        cv2.ellipse(foot, (165 + 42 * toe, 125 - 5 * toe), (19, 36), 0, 0, 360, 160, -1)
    return foot


def chest() -> NDArray[np.uint8]:
    lungs = np.full((600, 500), 120, np.uint8)
    for side in (-1, 1):
        cv2.ellipse(lungs, (250 + side * 110, 290), (80, 190), 0, 0, 360, 50, -1)
        for rib in range(8):
            cv2.ellipse(lungs, (250 + side * 110, 140 + 45 * rib), (100, 28), side * 15, 180, 360, 110, 7)
    cv2.rectangle(lungs, (230, 30), (270, 590), 210, -1)
    cv2.ellipse(lungs, (285, 380), (85, 70), 20, 0, 360, 200, -1)
    return cv2.GaussianBlur(lungs, (0, 0), 3)


@pytest.mark.parametrize("draw", [blank, noise, gradient, disk, text, sole, chest])
def test_what_is_no_hand_is_refused(draw):
    """Neither polarity of a picture without a hand is taken for one, and the answer says so."""
    for picture in (draw().astype(np.float32), 255 - draw().astype(np.float32)):
        found = find_hands(picture)
        assert found.hands == ()
        assert found.refusal is not None
        assert found.refusal.reason is Reason.NO_HAND
        assert found.refusal.text == "Expected one or two hands in the image, found none."


def test_three_hands_are_refused():
    """A plate with three hands belongs to more than one patient, so none of them is judged."""
    found = find_hands(np.hstack([drawn_hand()] * 3))
    assert found.hands == ()
    assert found.refusal is not None
    assert found.refusal.reason is Reason.TOO_MANY_HANDS
    assert "found 3" in found.refusal.text


def joints(folder: Path) -> dict[str, NDArray[np.float64]]:
    """Read the joints as (joint, x or y), in the order of the file."""
    with (folder / "joints.csv").open() as rows:
        return {
            row["rsna_id"]: np.array([float(value) for value in list(row.values())[2:]]).reshape(-1, 2)
            for row in csv.DictReader(rows)
        }


def test_real_hands_are_found_with_all_joints(radiographs: Path, real_hands: list[RealHand]):
    """Of a spread sample of real radiographs at most one fails to be one hand with its joints."""
    known = joints(radiographs)
    failed = [hand.identity for hand in real_hands if not fits(hand, known.get(hand.identity))]
    assert len(real_hands) >= 30
    assert len(failed) <= 1, failed


def fits(real: RealHand, points: NDArray[np.float64] | None) -> bool:
    if len(real.found.hands) != 1:
        return False
    if points is None:
        return True
    (mcp_3, wrist_2), hand = (points[7], points[11]), real.found.hands[0]
    pointing = math.degrees(math.atan2(mcp_3[0] - wrist_2[0], wrist_2[1] - mcp_3[1]))
    apart = abs((pointing - hand.rotation + 180) % 360 - 180)
    return apart < 50 and all(holds(hand.box, x, y) for x, y in points)


def test_composed_pairs_of_real_hands_are_two(real_hands: list[RealHand]):
    """Two different real hands, one mirrored, side by side are exactly two hands."""
    counts = []
    for left, right in pairwise(hand.values for hand in real_hands[::8]):
        rows = min(len(left), len(right))
        pair = np.hstack([left[-rows:], right[-rows:, ::-1]])
        counts.append(len(find_hands(pair).hands))
    assert counts.count(2) >= len(counts) - 1, counts
