"""One hand twice is told from two hands by the thumbs, however each is turned; what is not sure says so."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_node.domain.geometry import Box, Point
from ra_node.domain.laterality.chirality import better_view, exposures_of, obliqueness, pairing_of, thumb_side
from ra_node.domain.laterality.evidence import Pairing
from ra_node.domain.report import HandRegion, Joint
from ra_node.domain.view.pixel_view import PixelView, SeenView

PA = {
    "ip_1": (0.83, 0.85), "pip_2": (1.44, 0.39), "pip_3": (1.52, 0.02),
    "pip_4": (1.38, -0.30), "pip_5": (1.12, -0.61),
    "mcp_1": (0.55, 0.66), "mcp_2": (0.985, 0.29), "mcp_3": (1.0, 0.0),
    "mcp_4": (0.91, -0.23), "mcp_5": (0.79, -0.45),
    "wrist_1": (0.17, 0.29), "wrist_2": (0.0, 0.0), "wrist_3": (0.21, -0.27),
}  # fmt: skip
"""Mean joints of 604 PA hands: along the arrow from wrist to MCP 3, and across it to the thumb."""
OBLIQUE = PA | {
    "pip_2": (1.30, 0.36), "pip_5": (1.20, -0.39), "mcp_2": (0.97, 0.235), "mcp_5": (0.84, -0.365),
}  # fmt: skip


def seen(
    places: dict[str, tuple[float, float]],
    *,
    mirrored: bool = False,
    turned_deg: float = 0.0,
    score: float = 0.98,
    size_px: float = 200.0,
) -> HandRegion:
    """A hand with fingers up and the thumb to the right, mirrored and then turned clockwise."""
    turn = math.radians(turned_deg)
    joints = []
    for name, (along, across) in places.items():
        x, y = size_px * (-across if mirrored else across), -size_px * along
        at = Point(
            x * math.cos(turn) - y * math.sin(turn) + 600, x * math.sin(turn) + y * math.cos(turn) + 600
        )
        joints.append(Joint(name, at, score))
    box = Box(0, 0, 1200, 1200)
    return HandRegion(box, box.corners(), 0, score, tuple(joints))


TURNS = st.floats(0, 360)


@given(TURNS, TURNS, st.booleans())
def test_two_hands_are_two_hands_however_they_are_turned(first, second, swapped):
    """Upside down, crossed, one up and one down: mirror images stay mirror images."""
    pair = [seen(PA, turned_deg=first), seen(PA, mirrored=True, turned_deg=second)]
    assert pairing_of(pair[::-1] if swapped else pair) is Pairing.TWO_HANDS


@given(TURNS, TURNS, st.booleans(), st.sampled_from([PA, OBLIQUE]))
def test_one_hand_twice_is_known_however_it_is_turned(first, second, mirrored, view):
    """PA and oblique of one hand, or PA twice."""
    pair = [seen(PA, turned_deg=first, mirrored=mirrored), seen(view, turned_deg=second, mirrored=mirrored)]
    assert pairing_of(pair) is Pairing.SAME_HAND


def test_different_views_with_opposite_thumbs_are_not_taken_for_two_hands():
    """A hand from the back and obliquely from the palm, or a part of a plate that was mirrored."""
    assert pairing_of([seen(PA), seen(OBLIQUE, mirrored=True)]) is Pairing.VIEWS_DIFFER
    assert pairing_of([seen(OBLIQUE), seen(OBLIQUE, mirrored=True)]) is Pairing.TWO_HANDS


@pytest.mark.parametrize("lost", ["mcp_1", "mcp_5", "wrist_2", "mcp_3"])
def test_without_its_thumb_or_little_finger_a_hand_says_nothing(lost):
    hand = seen(PA)
    part = replace(hand, joints=tuple(joint for joint in hand.joints if joint.name != lost))
    assert thumb_side(part) == 0
    assert pairing_of([part, seen(PA, mirrored=True)]) is Pairing.THUMBS_UNSURE


def test_joints_of_a_low_score_have_no_vote():
    assert pairing_of([seen(PA, score=0.6), seen(PA, mirrored=True)]) is Pairing.THUMBS_UNSURE


def test_a_finder_without_joints_cannot_tell():
    bare = replace(seen(PA), joints=())
    assert pairing_of([bare, bare]) is Pairing.THUMBS_UNSURE


def test_joints_that_contradict_each_other_are_not_sure():
    """The wrist of a mirrored hand under the fingers of another."""
    crossed = PA | {"wrist_1": PA["wrist_3"], "wrist_3": PA["wrist_1"]}
    assert thumb_side(seen(crossed)) == 0


@pytest.mark.parametrize(("along", "across"), [(0.7, 0.0), (1.0, 0.05)])
def test_a_thumb_across_the_palm_is_not_sure(along, across):
    """It lies too near the middle to say on which side it is."""
    folded = PA | {"mcp_1": (along, PA["mcp_5"][1] + across)}
    assert thumb_side(seen(folded)) == 0


def test_the_less_oblique_view_counts():
    assert obliqueness(seen(OBLIQUE)) > obliqueness(seen(PA)) + 2
    assert better_view([seen(OBLIQUE), seen(PA)]) == 1
    assert better_view([seen(PA), seen(OBLIQUE, mirrored=True)]) == 0


def test_of_two_equal_views_the_surer_one_counts():
    assert better_view([seen(PA, score=0.95), seen(PA, score=0.99)]) == 1
    assert better_view([seen(PA), seen(PA)]) == 0


def shown(joints, view, **more):
    """A hand whose view the view head names."""
    return replace(seen(joints, **more), view=SeenView(view, 0.95))


def test_the_view_head_decides_before_the_joints():
    """An oblique view whose knuckles look frontal is still the one that is not used."""
    frontal, oblique = shown(PA, PixelView.FRONTAL), shown(PA, PixelView.OBLIQUE, score=0.99)
    assert better_view([oblique, frontal]) == 1
    mirrored = shown(PA, PixelView.OBLIQUE, mirrored=True)
    assert pairing_of([frontal, mirrored]) is Pairing.VIEWS_DIFFER
    assert pairing_of([frontal, shown(PA, PixelView.FRONTAL, mirrored=True)]) is Pairing.TWO_HANDS


def test_exposures_are_grouped_by_their_thumbs():
    right, left = seen(PA), seen(PA, mirrored=True)
    assert exposures_of([right, left, right, left]) == ((0, 2), (1, 3))
    assert exposures_of([right, right, right]) == ((0, 1, 2),)
    assert exposures_of([right, seen(PA, mirrored=True, score=0.6), left]) is None
    assert exposures_of([]) == ()
