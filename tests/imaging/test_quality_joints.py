"""A hand at the image's edge whose joints are not all seen is cut off; anywhere else it is judged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ra_node.domain.geometry import Box, Point, Rotation
from ra_node.domain.joints import JOINTS
from ra_node.domain.refusal import Reason
from ra_node.domain.report import HandRegion, Joint
from ra_node.imaging.quality import hand_quality

ALL = tuple(Joint(name, Point(150, 150), 0.97) for name in JOINTS)
WITHOUT = tuple(joint for joint in ALL if joint.name not in ("pip_5", "mcp_5"))
WEDGE = ((150, 40), (210, 120), (190, 260), (110, 260), (90, 120))
"""A whole hand, fingers up, as a pentagon."""


def film(shift: int = 0) -> np.ndarray:
    """A bright pentagon on grain, which a finder would take for a hand."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:300, 0:300]
    inside = (np.abs(x - 150 - shift) < 60) & (y > 40) & (y < 260)
    return (100 * inside + rng.normal(20, 4, (300, 300)) + x * 0.1).astype(np.float32)


def region(shift: int = 0, joints: tuple[Joint, ...] = ALL, rotation: Rotation = 0) -> HandRegion:
    points = [(min(300, max(0, x + shift)), y) for x, y in WEDGE]
    xs = [x for x, _ in points]
    outline = tuple(Point(x, y) for x, y in points)
    return HandRegion(Box(min(xs), 40, max(xs), 260), outline, rotation, 0.95, joints)


@pytest.mark.parametrize("shift", [-92, 92])
def test_a_hand_at_the_edge_without_some_joints_is_cut_off(shift: int):
    """On either side, with the names of the joints."""
    refusal = hand_quality(film(shift), region(shift, WITHOUT))
    assert refusal is not None
    assert refusal.reason is Reason.HAND_CUT_OFF
    assert "without PIP 5, MCP 5" in refusal.text


def test_a_hand_that_touches_the_edge_with_all_joints_is_judged():
    """A finger's tip may end at the edge."""
    assert hand_quality(film(-92), region(-92)) is None


def fingers(pip_y: float, ends_outside: int) -> tuple[Joint, ...]:
    """All joints of a hand that touches the upper edge; so many fingers point beyond it."""
    placed = {joint.name: joint for joint in ALL}
    for finger in range(2, 6):
        out = finger - 2 < ends_outside
        placed[f"mcp_{finger}"] = Joint(f"mcp_{finger}", Point(100 + 20 * finger, 60), 0.97)
        placed[f"pip_{finger}"] = Joint(f"pip_{finger}", Point(100 + 20 * finger, pip_y if out else 40), 0.97)
    return tuple(placed.values())


@pytest.mark.parametrize(("ends_outside", "judged"), [(0, True), (1, True), (2, False), (4, False)])
def test_a_hand_at_the_edge_whose_fingers_end_outside_is_cut_off(ends_outside: int, *, judged: bool):
    """All named joints are seen, and the last ones of two fingers cannot be; one finger may be bent."""
    top = [Point(x, max(0, y - 40)) for x, y in WEDGE]
    hand = HandRegion(Box(90, 0, 210, 220), tuple(top), 0, 0.95, fingers(8, ends_outside))
    refusal = hand_quality(np.roll(film(), -40, axis=0), hand)
    assert (refusal is None) == judged
    if refusal is not None:
        assert refusal.reason is Reason.HAND_CUT_OFF
        assert f"found {ends_outside} whose last joint" in refusal.text


def test_a_hand_inside_the_image_may_lack_joints():
    """A destroyed joint is disease, no fault of the film."""
    assert hand_quality(film(), region(0, WITHOUT)) is None


def test_a_forearm_at_the_edge_says_nothing():
    """The image ends behind the wrist."""
    low = replace(region(0, WITHOUT), box=Box(90, 40, 210, 260))
    assert hand_quality(film()[:260], low) is None


def test_a_finder_that_names_no_joints_is_not_asked_for_them():
    """Image analysis alone."""
    assert hand_quality(film(-92), region(-92, ())) is None
