"""A heat map of a crop comes back to its place in the image, and to the joints there."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_node.domain.geometry import Box, Point, Rotation
from ra_node.domain.report import HandRegion, Joint
from ra_node.imaging.heat_map_contours import LEVELS, MOST_POINTS, explained
from ra_node.imaging.model_input import crop_frame, hand_crop

SHAPE = (400, 300)
BOX = Box(60, 40, 240, 360)
PLACES = {
    "wrist_2": Point(150, 300),
    "mcp_3": Point(150, 180),
    "pip_3": Point(150, 110),
    "mcp_5": Point(200, 190),
}


def region(rotation: Rotation = 0, *names: str) -> HandRegion:
    joints = tuple(Joint(name, PLACES[name], 1.0) for name in names or PLACES)
    return HandRegion(BOX, BOX.corners(), rotation, 1.0, joints)


def heat_at(where: HandRegion, *places: tuple[Point, float]) -> np.ndarray:
    """Heat of 6 px around places of the image, as a network would give it in the pixels of the crop."""
    rows, columns = np.mgrid[0:224, 0:224] + 0.5
    cells = crop_frame(SHAPE, where).to_image(np.stack([columns.ravel(), rows.ravel()], axis=1))
    heat = np.zeros(224 * 224, np.float32)
    for place, height in places:
        heat[np.hypot(cells[:, 0] - place.x, cells[:, 1] - place.y) < 6] = height
    return heat.reshape(224, 224)


@given(
    x=st.integers(75, 225),
    y=st.integers(55, 345),
    rotation=st.sampled_from((0, 90, 180, 270)),
    side=st.sampled_from((96, 160, 225)),
)
def test_a_point_of_the_crop_goes_back_to_where_it_was_cut_from(
    x: int, y: int, rotation: Rotation, side: int
):
    image = np.zeros(SHAPE, np.float32)
    image[y - 12 : y + 12, x - 12 : x + 12] = 1
    crop = hand_crop(image, region(rotation), side).astype(np.float64)
    rows, columns = np.mgrid[0:side, 0:side] + 0.5
    middle = [[(columns * crop).sum() / crop.sum(), (rows * crop).sum() / crop.sum()]]
    (found,) = crop_frame(SHAPE, region(rotation), side).to_image(np.array(middle))
    assert found == pytest.approx((x, y), abs=0.6)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_the_joint_under_the_heat_is_named_and_ringed(rotation: Rotation):
    where = region(rotation)
    told = explained(heat_at(where, (PLACES["mcp_5"], 1.0)), where, SHAPE)
    assert [joint.name for joint in told.joints] == ["mcp_5"]
    assert told.joints[0].share > 0.9
    assert [line.level for line in told.contours] == list(LEVELS)
    for line in told.contours:
        assert 3 <= len(line.points) <= MOST_POINTS
        ring = np.array([(point.x, point.y) for point in line.points], np.float32)
        assert cv2.pointPolygonTest(ring, (PLACES["mcp_5"].x, PLACES["mcp_5"].y), measureDist=False) > 0


def test_joints_come_by_their_share_of_all_heat_and_weak_ones_are_not_named():
    where = region()
    heat = heat_at(where, (PLACES["pip_3"], 1.0), (PLACES["mcp_5"], 0.5), (PLACES["mcp_3"], 0.1))
    told = explained(heat, where, SHAPE)
    assert [joint.name for joint in told.joints] == ["pip_3", "mcp_5"]
    assert sum(joint.share for joint in told.joints) == pytest.approx(1.5 / 1.6, abs=0.03)


def test_heat_beside_every_joint_names_none_but_is_drawn():
    where = region()
    told = explained(heat_at(where, (Point(80, 330), 1.0)), where, SHAPE)
    assert told.joints == ()
    assert told.contours


@pytest.mark.parametrize("names", [("mcp_5", "mcp_3"), ("wrist_2", "mcp_5")])
def test_without_the_hand_s_length_no_joint_is_named(names: tuple[str, ...]):
    where = region(0, *names)
    assert explained(heat_at(where, (PLACES["mcp_5"], 1.0)), where, SHAPE).joints == ()


def test_no_heat_explains_nothing():
    told = explained(np.zeros((224, 224), np.float32), region(), SHAPE)
    assert (told.joints, told.contours) == ((), ())


def test_lines_stay_inside_the_image_where_a_hand_touches_its_edge():
    """The padding of the crop may be hot too; it is no part of the image."""
    where = replace(region(), box=Box(120, 0, 300, 400))
    for line in explained(np.ones((224, 224), np.float32), where, SHAPE).contours:
        assert all(0 <= point.x <= SHAPE[1] and 0 <= point.y <= SHAPE[0] for point in line.points)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_heat_outside_the_outline_neither_counts_nor_is_drawn(rotation: Rotation):
    """A network with wide fields has heat beside the hand, where no pixel was shown to it."""
    outline = (Point(120, 60), Point(180, 60), Point(180, 340), Point(120, 340))
    where = replace(region(rotation), outline=outline)
    heat = heat_at(where, (Point(119, 200), 1.0), (Point(80, 100), 1.0), (PLACES["pip_3"], 0.5))
    told = explained(heat, where, SHAPE)
    assert told.contours
    for line in told.contours:
        assert all(119 <= point.x <= 181 and 59 <= point.y <= 341 for point in line.points)
    alone = explained(heat_at(where, (Point(80, 100), 1.0)), where, SHAPE)
    assert (alone.joints, alone.contours) == ((), ())
