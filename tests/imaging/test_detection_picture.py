"""The picture of a finding shows each hand where it is and says why one was refused."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from ra_node.domain.geometry import Box, Point
from ra_node.domain.laterality.evidence import Side, SideFinding
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import HandFinding, HandRegion, ImageFinding, Joint
from ra_node.errors import Refused
from ra_node.imaging.detection_picture import draw_finding, write_picture

BOX = Box(200, 300, 600, 900)
HAND = HandFinding(HandRegion(BOX, BOX.corners(), 0, 0.9), SideFinding(Side.LEFT, "Laterality is L"), "")
FINDING = ImageFinding("1", "class", "series", 1000, 800, (HAND,))
DISPLAY = np.full((500, 400), 40, np.uint8)
"""Half the size of the image, as previews are."""


def coloured(picture: np.ndarray) -> np.ndarray:
    return np.ptp(picture.astype(int), axis=2) > 20


def test_the_outline_is_drawn_at_the_hand():
    """At the scale of the picture: 1.2 pixels of it for one of the image."""
    drawn = coloured(draw_finding(DISPLAY, FINDING)[:1200])
    rows, columns = np.nonzero(drawn)
    assert (rows.min(), rows.max()) == pytest.approx((360, 1080), abs=4)
    assert (columns.min(), columns.max()) == pytest.approx((240, 720), abs=4)


@pytest.mark.parametrize(("rotation", "towards"), [(0, (-1, 0)), (90, (0, 1)), (180, (1, 0)), (270, (0, -1))])
def test_an_arrow_points_where_the_fingers_are(rotation, towards):
    region = replace(HAND.region, rotation=rotation)
    picture = draw_finding(DISPLAY, replace(FINDING, hands=(replace(HAND, region=region),)))[:1200]
    white = np.argwhere(picture.min(axis=2) > 240).mean(axis=0)
    away = white - np.array([720, 480])
    assert away @ np.array(towards) > 20


def test_a_joint_is_marked():
    joint = Joint("mcp_2", Point(400, 700), 0.9)
    region = replace(HAND.region, joints=(joint,))
    marked = draw_finding(DISPLAY, replace(FINDING, hands=(replace(HAND, region=region),)))
    bare = draw_finding(DISPLAY, FINDING)
    rows, columns = np.nonzero((marked != bare).any(axis=2))
    assert (rows.mean(), columns.mean()) == pytest.approx((840, 480), abs=3)


def test_a_refused_hand_has_another_colour_and_its_reason():
    refused = replace(HAND, refusal=Refusal(Reason.HAND_CUT_OFF, "Expected all fingers."))
    picture = draw_finding(DISPLAY, replace(FINDING, hands=(refused,)))
    plain = draw_finding(DISPLAY, FINDING)
    assert picture.shape[0] > plain.shape[0]
    assert not np.array_equal(picture[:1200], plain[:1200])


def test_a_picture_that_cannot_be_written_is_said(tmp_path):
    picture = draw_finding(DISPLAY, FINDING)
    write_picture(picture, tmp_path / "one.png")
    assert np.array_equal(cv2.imread(str(tmp_path / "one.png")), picture)
    with pytest.raises(Refused, match=r"two\.png"):
        write_picture(picture, tmp_path / "nowhere" / "two.png")


def test_an_image_without_hands_says_why():
    """Also with letters that the picture's font does not have."""
    refusal = Refusal(Reason.NO_HAND, "Found no hand, für Händler.")
    empty = replace(FINDING, hands=(), refusal=refusal)
    picture = draw_finding(DISPLAY, empty)
    assert picture[1200:].any()
