"""Contours, rings and joint names of the heat map, asked of the layout before it is painted."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tests.dicom.builders import image, refused_hand, report
from tests.dicom.overlay.layouts import case_layout, laid_out, said
from tests.dicom.overlay_cases import REPORTS


@pytest.mark.parametrize("case", ["explained", "explained, two images"])
def test_what_the_networks_looked_at_lies_where_the_report_says(case):
    """Contours and rings are points of the report in the scale of its radiograph, inside the hand's box."""
    shown, layout = REPORTS[case], case_layout(case)
    boxes = {photo.sop_instance_uid: photo.box for photo in layout.photos}
    wanted, rings = [], []
    for each in shown.images:
        box = boxes[each.sop_instance_uid]
        scale = box.width_px / each.columns
        for finding in each.hands:
            joints = {joint.name: joint.at for joint in finding.region.joints}
            wanted += [
                [(box.x0 + scale * p.x, box.y0 + scale * p.y) for p in contour.points]
                for contour in sorted(finding.explanation.contours, key=lambda one: one.level)
            ]
            for joint in finding.explanation.joints[:3]:
                at = joints[joint.name]
                rings.append((box.x0 + scale * at.x, box.y0 + scale * at.y))
    drawn = [outline for outline in layout.outlines if outline.role == "attention" and outline.closed]
    assert len(drawn) == len(wanted) > 0
    for outline, points in zip(drawn, wanted, strict=True):
        assert [(p.x, p.y) for p in outline.points] == [pytest.approx(point, abs=1) for point in points]
    middles = [
        (sum(p.x for p in each.points) / len(each.points), sum(p.y for p in each.points) / len(each.points))
        for each in layout.outlines
        if each.role == "joint"
    ]
    assert middles == [pytest.approx(ring, abs=1) for ring in rings]


def test_attention_is_thinner_than_the_hand_and_bold_where_it_is_highest():
    """Bone stays visible under it, and the lines tell their levels without colour."""
    layout = case_layout("explained")
    hands = {each.line_px for each in layout.outlines if each.role == "hand"}
    lines = {each.line_px for each in layout.outlines if each.role == "attention" and each.closed}
    (thin, bold), (hand_px,) = sorted(lines), hands
    assert thin < hand_px < bold <= 4
    assert thin == 2


def test_a_named_joint_is_said_at_its_place_and_in_the_panel():
    """A line leads from the ring at the joint to the joint's name, and the panel names its share."""
    layout = case_layout("explained")
    rings = [each.points for each in layout.outlines if each.role == "joint"]
    middles = [(sum(p.x for p in each) / 32, sum(p.y for p in each) / 32) for each in rings]
    leaders = [each.points for each in layout.outlines if each.halo_px == 1 and not each.closed][:3]
    names = ("MCP 2", "PIP 3", "wrist, middle")
    for name, (x, y), (start, end) in zip(names, middles, leaders, strict=True):
        label = next(words.box for words in layout.words if words.text == name)
        assert math.hypot(start.x - x, start.y - y) == pytest.approx(8, abs=1)
        assert label.x0 - 7 <= end.x <= label.x1 + 7
        assert label.y0 - 1 <= end.y <= label.y1 + 1
    assert "Staging heat map, most at MCP 2 41 %, PIP 3 22 %, wrist, middle 17 %." in said(layout)


def test_a_refused_hand_has_no_attention():
    """Without a result there is nothing that could have carried it."""
    shown = REPORTS["explained"]
    judged = shown.images[0].hands[0]
    refused = replace(judged, recognition=None, staging=None, refusal=refused_hand().refusal)
    layout = laid_out(report(image(refused)))
    assert {each.role for each in layout.outlines} <= {"hand", "line"}


def test_a_legend_tells_the_lines_that_are_drawn():
    """Attention is explained where it is drawn, and not where it is not."""
    key = "model attention"
    assert key in said(case_layout("explained"))
    assert key not in said(case_layout("two hands"))
