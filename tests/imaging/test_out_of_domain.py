"""Half a hand, an oblique view, metal and plaster are seen by simple rules; a plain hand passes all."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ra_node.domain.geometry import Box, Point
from ra_node.domain.joints import JOINTS
from ra_node.domain.refusal import Reason
from ra_node.domain.report import HandRegion, Joint
from ra_node.domain.view.pixel_view import PixelView, SeenView
from ra_node.imaging.out_of_domain import out_of_domain

SHAPE = (800, 500)
PLACES = {
    "ip_1": (400, 330), "pip_2": (330, 220), "pip_3": (270, 200), "pip_4": (215, 215), "pip_5": (160, 260),
    "mcp_1": (370, 410), "mcp_2": (345, 325), "mcp_3": (275, 320), "mcp_4": (225, 330), "mcp_5": (165, 350),
    "wrist_1": (310, 540), "wrist_2": (260, 560), "wrist_3": (210, 540),
}  # fmt: skip
"""From wrist to MCP 3 are 240 px; MCP 2 to 5 lie 180 px apart across it: 0.75 of that, as in a PA view."""
OUTLINE = (
    (290, 80),
    (430, 300),
    (410, 430),
    (350, 560),
    (345, 720),
    (190, 720),
    (180, 560),
    (130, 380),
    (130, 200),
)


def region(**moved: tuple[float, float] | None) -> HandRegion:
    places = {name: moved.get(name, place) for name, place in PLACES.items()}
    joints = tuple(Joint(name, Point(*at), 0.99) for name, at in places.items() if at is not None)
    return HandRegion(Box(130, 80, 430, 720), tuple(Point(*at) for at in OUTLINE), 0, 0.99, joints)


def picture(hand: HandRegion) -> NDArray[np.float32]:
    """Soft tissue in the outline, bone along its middle, noise everywhere."""
    values = np.full(SHAPE, 200, np.float32)
    cv2.fillPoly(values, [np.int32([(p.x, p.y) for p in hand.outline])], 1200)
    values[120:720, 255:290] = 2500
    return values + np.random.default_rng(1).normal(0, 20, SHAPE).astype(np.float32)


def reasons(values: NDArray[np.float32], *hands: HandRegion) -> list[Reason]:
    return [refusal.reason for refusal in out_of_domain(values, hands)[0]]


WHOLE = region()


def test_a_whole_hand_from_back_or_front_passes() -> None:
    assert reasons(picture(WHOLE), WHOLE) == []


def test_a_finder_that_names_no_joints_gives_no_reason() -> None:
    assert out_of_domain(picture(WHOLE), [replace(WHOLE, joints=())]) == [()]
    assert out_of_domain(picture(WHOLE), []) == []


@pytest.mark.parametrize("name", JOINTS)
def test_every_joint_must_be_seen(name: str) -> None:
    lost = region(**{name: None})
    found = out_of_domain(picture(WHOLE), [lost])[0]
    assert found[0].reason is Reason.HAND_INCOMPLETE
    assert name.replace("_", " ").upper() in found[0].text


@pytest.mark.parametrize(("name", "at"), [("ip_1", (480, 330)), ("wrist_1", (400, 640))])
def test_a_joint_must_lie_in_the_outline(name: str, at: tuple[float, float]) -> None:
    """An outline without the thumb or the wrist, whose joints the reader guessed beside it."""
    assert reasons(picture(WHOLE), region(**{name: at}))[0] is Reason.HAND_INCOMPLETE


def test_an_outline_that_ends_in_the_wrist_is_not_a_whole_hand() -> None:
    cut = replace(WHOLE, outline=tuple(Point(x, min(y, 590)) for x, y in OUTLINE))
    values = np.full(SHAPE, 200, np.float32)
    values[:590] = picture(WHOLE)[:590]
    assert reasons(values[:590], cut) == [Reason.HAND_INCOMPLETE]


def test_knuckles_close_together_are_those_of_an_oblique_view() -> None:
    assert reasons(picture(WHOLE), region(mcp_2=(310, 325), mcp_5=(190, 350))) == [Reason.OTHER_VIEW]


def test_the_view_of_the_pixels_counts_where_it_is_known() -> None:
    """Narrow knuckles of a slender hand are no oblique view, wide ones of an oblique hand no frontal one."""
    narrow = region(mcp_2=(310, 325), mcp_5=(190, 350))
    frontal, oblique = SeenView(PixelView.FRONTAL, 0.95), SeenView(PixelView.OBLIQUE, 0.95)
    assert reasons(picture(WHOLE), replace(narrow, view=frontal)) == []
    assert reasons(picture(WHOLE), replace(WHOLE, view=oblique)) == [Reason.OTHER_VIEW]
    unsure = SeenView(PixelView.FRONTAL, 0.7)
    assert reasons(picture(WHOLE), replace(narrow, view=unsure)) == [Reason.OTHER_VIEW]
    assert reasons(picture(WHOLE), replace(WHOLE, view=unsure)) == []


def test_a_plate_is_metal_and_a_ring_is_not() -> None:
    ring, plate = picture(WHOLE), picture(WHOLE)
    ring[280:290, 260:290] = 60000
    plate[350:500, 260:290] = 60000
    assert reasons(ring, WHOLE) == []
    assert reasons(plate, WHOLE) == [Reason.METAL_OR_CAST]


def test_a_splint_beside_the_wrist_is_seen_and_another_hand_there_is_none() -> None:
    splint = picture(WHOLE)
    splint[480:720, 140:178] += 1500
    splint[480:720, 355:395] += 1500
    assert reasons(splint, WHOLE) == [Reason.METAL_OR_CAST]
    beside = replace(WHOLE, outline=tuple(Point(x + 230, y) for x, y in OUTLINE), box=Box(360, 80, 660, 720))
    both = np.pad(picture(WHOLE), ((0, 0), (0, 200)), constant_values=200)
    both[480:720, 410:575] += 1500
    assert reasons(both, WHOLE, beside) == []


def test_plaster_and_metal_are_told_with_the_joints_that_they_hide() -> None:
    """A plate along a metacarpal hides no more than its own joints, plaster to the palm the wrist alone."""
    plate, splint, long = picture(WHOLE), picture(WHOLE), picture(WHOLE)
    plate[310:500, 260:290] = 60000
    splint[480:720, 140:178] += 1500
    splint[480:720, 355:395] += 1500
    long[200:720, 90:132] += 1500
    long[200:720, 350:395] += 1500
    texts = [out_of_domain(values, [WHOLE])[0][0].text for values in (plate, splint, long)]
    assert "over 1 of 13 joints: metal" in texts[0]
    assert "over 3 of 13 joints: plaster" in texts[1]
    hidden = int(texts[2].partition(" over ")[2].split()[0])
    assert 4 < hidden <= 13


def test_an_image_of_one_tone_is_no_plaster_and_no_error() -> None:
    assert Reason.HAND_INCOMPLETE not in reasons(np.full(SHAPE, 7, np.float32), WHOLE)
