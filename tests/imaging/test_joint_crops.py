"""A joint looks the same however its hand lies and however large its pixels are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from ra_node.domain.geometry import Box, Point
from ra_node.domain.joints import JOINTS
from ra_node.domain.report import HandRegion, Joint
from ra_node.imaging.joint_crops import FINGER_WINDOW, WRIST_WINDOW, joint_crops, joint_frames

PLACES = {
    "ip_1": (70, 220), "pip_2": (130, 110), "pip_3": (180, 90), "pip_4": (230, 100), "pip_5": (280, 140),
    "mcp_1": (100, 290), "mcp_2": (140, 200), "mcp_3": (180, 190), "mcp_4": (220, 200), "mcp_5": (260, 220),
    "wrist_1": (150, 340), "wrist_2": (180, 345), "wrist_3": (210, 340),
}  # fmt: skip
ROWS, COLUMNS = 400, 360


def hand(scale: float = 1.0, *, without: tuple[str, ...] = ()) -> HandRegion:
    joints = tuple(
        Joint(name, Point(scale * x, scale * y), 0.99)
        for name, (x, y) in PLACES.items()
        if name not in without
    )
    box = Box(round(20 * scale), round(20 * scale), round(340 * scale), round(390 * scale))
    return HandRegion(box, box.corners(), 0, 0.99, joints)


def picture(scale: float = 1.0) -> NDArray[np.float32]:
    """Smooth waves, so that sizes and turns can be compared without loss."""
    y, x = np.mgrid[: round(ROWS * scale), : round(COLUMNS * scale)].astype(np.float32) + 0.5
    return np.asarray(900 + 500 * np.sin(x / scale / 17) * np.cos(y / scale / 23), np.float32)


def turned(values: NDArray[np.float32], region: HandRegion) -> tuple[NDArray[np.float32], HandRegion]:
    """A quarter turn clockwise."""
    rows = values.shape[0]

    def there(point: Point) -> Point:
        return Point(rows - point.y, point.x)

    joints = tuple(Joint(joint.name, there(joint.at), joint.score) for joint in region.joints)
    box = region.box
    moved = Box(rows - box.y1, box.x0, rows - box.y0, box.x1)
    return np.ascontiguousarray(np.rot90(values, k=-1)), HandRegion(moved, moved.corners(), 90, 0.99, joints)


def test_all_thirteen_joints_come_in_their_order_and_size() -> None:
    cut = joint_crops(picture(), hand(), 96)
    assert tuple(frame.name for frame in cut.frames) == JOINTS
    assert cut.images.shape == (13, 96, 96)
    assert cut.images.dtype == np.uint8
    assert cut.kinds.tolist() == list(range(13))
    unit = float(np.median([math.dist(PLACES[f"mcp_{k}"], PLACES[f"pip_{k}"]) for k in (2, 3, 4, 5)]))
    sides = {frame.name: frame.side_px for frame in cut.frames}
    assert sides["mcp_2"] == pytest.approx(FINGER_WINDOW * unit)
    assert sides["wrist_2"] == pytest.approx(WRIST_WINDOW * unit)


def test_a_turned_picture_gives_the_same_crops() -> None:
    """Each joint is turned along its finger: only interpolation at pixel borders may differ."""
    straight = joint_crops(picture(), hand(), 96).images.astype(int)
    quarter = joint_crops(*turned(picture(), hand()), 96).images.astype(int)
    assert np.abs(straight - quarter).max() <= 2


def test_a_finer_picture_gives_the_same_crops() -> None:
    coarse = joint_crops(picture(), hand(), 64).images.astype(int)
    fine = joint_crops(picture(3), hand(3), 64).images.astype(int)
    assert np.abs(coarse - fine).mean() < 1.5


def test_the_fingertip_is_up() -> None:
    values = np.full((ROWS, COLUMNS), 100, np.float32)
    values[:190] = 200  # everything above MCP 3, whose finger points straight up
    cut = joint_crops(values, hand(), 96)
    crop = cut.images[JOINTS.index("mcp_3")]
    assert crop[:40].min() > 200
    assert crop[-40:].max() < 50


def test_corners_begin_at_the_fingertips_end_and_go_round() -> None:
    frame = next(frame for frame in joint_frames(hand()) if frame.name == "mcp_3")
    x, y, half = 180, 190, frame.side_px / 2
    found = [(round(p.x - x, 6), round(p.y - y, 6)) for p in frame.corners()]
    near = pytest.approx
    assert found == [(near(-half), near(-half)), (near(half), near(-half)), (near(half), near(half)),
                     (near(-half), near(half))]  # fmt: skip


def test_what_was_not_seen_is_not_cut_out() -> None:
    names = [frame.name for frame in joint_frames(hand(without=("pip_5", "wrist_1")))]
    assert names == [name for name in JOINTS if name not in ("pip_5", "wrist_1")]


@pytest.mark.parametrize("without", [("wrist_2",), ("mcp_3",), ("pip_2", "pip_3", "pip_4", "pip_5")])
def test_a_hand_without_direction_or_size_has_no_crops(without: tuple[str, ...]) -> None:
    cut = joint_crops(picture(), hand(without=without), 96)
    assert cut.frames == ()
    assert cut.images.shape == (0, 96, 96)


def test_exposure_does_not_count() -> None:
    """Grey levels are those between two percentiles of the hand."""
    one = joint_crops(picture(), hand(), 96).images.astype(int)
    other = joint_crops(picture() * 7 - 4000, hand(), 96).images.astype(int)
    assert np.abs(one - other).max() <= 1


def test_a_joint_at_the_edge_and_a_hand_without_contrast_are_cut_out_all_the_same() -> None:
    values = picture()[:350, :270]
    assert joint_crops(values, hand(), 96).images.shape == (13, 96, 96)
    assert joint_crops(np.zeros((ROWS, COLUMNS), np.float32), hand(), 96).images.max() == 0


def test_the_numbers_are_those_that_bundles_were_trained_with() -> None:
    """Change `JOINT_CROPS_ID` with these."""
    images = joint_crops(picture(2.5), hand(2.5), 96).images
    means = [round(float(image.mean())) for image in images]
    assert means == GOLDEN


GOLDEN = [125, 126, 131, 126, 124, 128, 122, 129, 123, 125, 127, 124, 126]
