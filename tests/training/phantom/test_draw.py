"""The picture and what is said about it agree."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ra_node.domain.geometry import Point, intersection_over_union
from ra_node.domain.joints import JOINTS
from ra_node.domain.laterality.evidence import Side
from training.phantom.draw import draw_hands, turned_point
from training.phantom.film import WHITE, Exposure
from training.phantom.recipe import HandRecipe, PhantomHand, PhantomRecipe

SMALL = PhantomRecipe(rows=240, columns=288)
SINGLE = PhantomRecipe(hands=(HandRecipe(Side.LEFT),), rows=540, columns=400, markers=False)
CLEAN = replace(SINGLE, exposure=Exposure(noise=0.0))


def inside_outline(hand: PhantomHand, point: Point) -> bool:
    outline = np.array([(p.x, p.y) for p in hand.outline], np.float32)
    return cv2.pointPolygonTest(outline, (point.x, point.y), False) >= 0


def test_every_joint_has_a_place_inside_its_hand():
    """The 13 joints lie in the box and on the silhouette."""
    for hand in draw_hands(SMALL).hands:
        assert set(hand.joints) == set(JOINTS)
        for point in hand.joints.values():
            assert hand.box.x0 <= point.x < hand.box.x1
            assert hand.box.y0 <= point.y < hand.box.y1
            assert inside_outline(hand, point)


def test_a_hand_is_brighter_than_the_air_beside_it():
    """Bone is bright: the joints' surroundings outshine every corner of the picture at the top."""
    phantom = draw_hands(replace(SMALL, markers=False))
    for hand in phantom.hands:
        bone = [phantom.pixels[int(p.y), int(p.x)] for p in hand.joints.values()]
        assert min(bone) > 2 * float(phantom.pixels[:10].mean())


def test_equal_recipes_give_equal_pixels():
    """Nothing but the recipe decides the picture."""
    first, again = draw_hands(SMALL), draw_hands(SMALL)
    assert np.array_equal(first.pixels, again.pixels)
    assert first.hands == again.hands


def test_another_seed_gives_another_hand():
    """Pose and proportions follow the seed."""
    one, other = draw_hands(SMALL), draw_hands(replace(SMALL, seed=1))
    assert one.hands[0].joints != other.hands[0].joints


def test_pixels_are_twelve_bits_and_of_the_wanted_size():
    """Other rooms rely on rows by columns and on 0 to 4095."""
    pixels = draw_hands(replace(SMALL, exposure=Exposure(gain=3.0))).pixels
    assert pixels.shape == (240, 288)
    assert pixels.dtype == np.uint16
    assert pixels.max() <= WHITE


def test_thumbs_point_towards_each_other():
    """Two hands on one plate, whatever their sides."""
    left, right = draw_hands(SMALL).hands
    assert left.joints["ip_1"].x > left.joints["pip_5"].x
    assert right.joints["ip_1"].x < right.joints["pip_5"].x
    assert (left.side, right.side) == (Side.RIGHT, Side.LEFT)


@pytest.mark.parametrize("side", [Side.LEFT, Side.RIGHT])
def test_a_single_hand_is_seen_from_its_back(side):
    """A left hand then shows its thumb on the image's right."""
    (hand,) = draw_hands(replace(SINGLE, hands=(HandRecipe(side),))).hands
    assert (hand.joints["ip_1"].x > hand.joints["pip_5"].x) == (side is Side.LEFT)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_turned_picture_is_the_upright_one_turned(rotation):
    """np.rot90 with k = rotation // 90 makes it upright; boxes and joints turn with it."""
    upright, turned = draw_hands(SMALL), draw_hands(replace(SMALL, rotation=rotation))
    assert np.array_equal(np.rot90(turned.pixels, k=rotation // 90), upright.pixels)
    for hand in turned.hands:
        (same,) = [other for other in upright.hands if other.side is hand.side]
        assert hand.rotation == rotation
        assert hand.joints["mcp_3"] == turned_point(same.joints["mcp_3"], 240, 288, rotation)
        corners = [turned_point(corner, 240, 288, rotation) for corner in same.box.corners()]
        assert {(p.x, p.y) for p in corners} == {(p.x, p.y) for p in hand.box.corners()}


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_hands_come_in_reading_order(rotation):
    """From left to right, or from top to bottom where the picture lies on its side."""
    first, second = (hand.box.centre for hand in draw_hands(replace(SMALL, rotation=rotation)).hands)
    assert first.x < second.x if rotation in (0, 180) else first.y < second.y


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    stages=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    tilt_deg=st.floats(-8, 8),
    size=st.tuples(st.integers(150, 220), st.integers(180, 260)),
    rotation=st.sampled_from([0, 90, 180, 270]),
)
def test_hands_stay_in_the_picture_and_apart(seed, stages, tilt_deg, size, rotation):
    """For any seed, stage, tilt and size."""
    hands = HandRecipe(Side.RIGHT, stages[0]), HandRecipe(Side.LEFT, stages[1])
    recipe = PhantomRecipe(hands, *size, rotation=rotation, tilt_deg=tilt_deg, seed=seed)
    phantom = draw_hands(recipe)
    rows, columns = phantom.pixels.shape
    for hand in phantom.hands:
        assert hand.box.clipped(rows, columns) == hand.box
        assert len(hand.outline) <= 200
        for point in (*hand.joints.values(), *hand.outline):
            assert 0 <= point.x <= columns
            assert 0 <= point.y <= rows
        assert all(inside_outline(hand, point) for point in hand.joints.values())
    assert intersection_over_union(phantom.hands[0].box, phantom.hands[1].box) == 0
    assert {hand.side: hand.stage for hand in phantom.hands} == dict(zip("RL", stages, strict=True))


def test_the_joint_space_shrinks_with_the_stage():
    """In the numbers that the phantom states."""
    gaps = [
        draw_hands(replace(CLEAN, hands=(HandRecipe(Side.LEFT, joint_stages={"mcp_3": stage}),)))
        .hands[0]
        .gaps_mm["mcp_3"]
        for stage in range(6)
    ]
    assert gaps == sorted(gaps, reverse=True)
    assert len(set(gaps)) == 6
    assert gaps[5] == 0


@pytest.mark.parametrize("joint", ["mcp_2", "mcp_3", "mcp_4"])
def test_a_narrowed_joint_space_shows_in_the_pixels(joint):
    """The dark line between two bones fills up from stage 0 to stage 4."""
    darkest = [_darkest_near(joint, stage) for stage in (0, 4)]
    assert darkest[1] > darkest[0]


def _darkest_near(joint: str, stage: int) -> float:
    """The darkest value on the way from the metacarpal's head to the phalanx, smoothed over 1 mm."""
    fine = replace(CLEAN, rows=1080, columns=800)
    recipe = replace(fine, hands=(HandRecipe(Side.LEFT, joint_stages={joint: stage}),))
    phantom = draw_hands(recipe)
    at = phantom.hands[0].joints[joint]
    reach = round(3.0 / phantom.spacing_mm)
    lines = phantom.pixels[int(at.y) - reach : int(at.y) + reach, int(at.x) - 4 : int(at.x) + 5]
    return float(np.median(lines, axis=1).min())


def test_disease_changes_the_picture_only_of_its_hand():
    """The other hand keeps every pixel of its own."""
    ill = replace(SMALL, hands=(HandRecipe(Side.RIGHT, 4), HandRecipe(Side.LEFT)))
    healthy, changed = draw_hands(SMALL), draw_hands(ill)
    assert healthy.hands[1] == changed.hands[1]
    assert healthy.hands[0].joint_stages != changed.hands[0].joint_stages
    difference = np.abs(healthy.pixels.astype(int) - changed.pixels.astype(int))
    assert difference[:, :144].mean() > 10 * difference[:, 160:].mean()


def test_a_marker_is_lead_beside_its_hand():
    """The letter is the brightest thing on the outer side."""
    with_letter, without = draw_hands(SMALL), draw_hands(replace(SMALL, markers=False))
    changed = with_letter.pixels.astype(int) - without.pixels > WHITE // 3
    columns = np.flatnonzero(changed.any(axis=0))
    assert columns.min() < 40
    assert columns.max() > 248
    assert not changed[:, 60:228].any()


@pytest.mark.parametrize(("collimation", "value"), [("shutter", 0), ("lead", WHITE)])
def test_collimation_blanks_the_border(collimation, value):
    """Outside the field there is one value, and no hand."""
    phantom = draw_hands(replace(SMALL, collimation=collimation))
    assert phantom.pixels[0, 0] == phantom.pixels[-1, -1] == value
    assert max(hand.box.y1 for hand in phantom.hands) < 240


def test_a_lower_dose_is_noisier():
    """Photon noise grows as the dose falls."""
    air = (
        draw_hands(replace(SINGLE, exposure=Exposure(dose=dose))).pixels[:30, :60].astype(float)
        for dose in (1.0, 0.02)
    )
    good, poor = (np.diff(rows, axis=1).std() for rows in air)
    assert poor > 3 * good


@pytest.mark.parametrize("hands", [(), (HandRecipe(),) * 3])
def test_only_one_or_two_hands_are_drawn(hands):
    """Anything else is refused with what was found."""
    with pytest.raises(ValueError, match=f"found {len(hands)}"):
        PhantomRecipe(hands=hands)


def test_an_unknown_joint_is_refused():
    """A misspelt joint must not pass as a healthy hand."""
    wrong = replace(SMALL, hands=(HandRecipe(joint_stages={"pip_1": 3}),))
    with pytest.raises(ValueError, match="pip_1"):
        draw_hands(wrong)
