"""Diseased joints are ringed and numbered on the radiograph, large enough for a quarter of its size."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ra_node.dicom.overlay.elements import Outline, Words, settled
from ra_node.dicom.overlay.joint_marks import JointMark, mark_parts, placed_marks
from ra_node.dicom.overlay.layout import lay_out
from ra_node.domain.geometry import Box, Point
from ra_node.domain.joints import JOINTS
from ra_node.domain.laterality.evidence import Side
from ra_node.domain.report import Joint, JointStaging, StudyReport, without_heat_maps
from tests.dicom.builders import (
    LEFT_REGION,
    explained,
    hand,
    image,
    joint_staging,
    report,
    with_joints,
)
from tests.dicom.overlay_cases import ENGLISH

PICTURE = Box(0, 0, 1200, 900)
QUARTER_PX = 40
"""A capital of this size is 7 pixels high at a quarter."""


def both(**stages: int) -> StudyReport:
    left = hand(0.9, 2, Side.LEFT, place="image right", where=LEFT_REGION)
    return report(image(with_joints(hand(), **stages), with_joints(left, mcp_3=2)))


def rings(made: StudyReport) -> list[Outline]:
    return [line for line in lay_out(made, {}, ENGLISH).outlines if line.role == "joint"]


def numbers(made: StudyReport) -> list[Words]:
    return [words for words in lay_out(made, {}, ENGLISH).words if words.text in set("12345") and words.bold]


def test_joints_of_stage_0_have_neither_ring_nor_number() -> None:
    marked, unmarked = rings(both(mcp_2=3, pip_3=1)), rings(both())
    assert len(marked) - len(unmarked) == 2


def test_numbers_say_the_stages_and_are_legible_at_a_quarter() -> None:
    """In both hands, beside those of the panels' charts."""
    inside = [words for words in numbers(both(mcp_2=3, pip_3=1, wrist_1=5)) if words.size_px >= QUARTER_PX]
    assert sorted(words.text for words in inside) == ["1", "2", "3", "5"]


def placed(stages: dict[str, int], spread: float) -> list[JointMark]:
    """Thirteen joints in a row, `spread` pixels apart."""
    joints: list[tuple[JointStaging, Point, float]] = []
    for at, name in enumerate(JOINTS):
        if name in stages:
            centre = Point(100 + spread * at, 400)
            joints.append((joint_staging(Joint(name, centre, 1), stages[name]), centre, 80.0))
    return placed_marks(joints, PICTURE, ENGLISH)


def test_numbers_of_thirteen_crowded_joints_hide_neither_each_other_nor_a_ring() -> None:
    marks = placed(dict.fromkeys(JOINTS, 2), 60)
    assert len(marks) == len(JOINTS)
    for one in marks:
        for other in marks:
            if one is not other:
                assert not _overlap(one.number, other.number)
                assert not _overlap(one.number, _core(other))


def test_the_number_stands_at_its_own_ring() -> None:
    for mark in placed(dict.fromkeys(JOINTS, 2), 60):
        middle = mark.number.centre
        away = [abs(middle.x - (100 + 60 * at)) + abs(middle.y - 400) for at in range(len(JOINTS))]
        assert away.index(min(away)) == JOINTS.index(mark.joint.name)


def test_numbers_stay_in_the_picture() -> None:
    corner = Point(5, 5)
    [mark] = placed_marks([(joint_staging(Joint("ip_1", corner, 1), 4), corner, 80.0)], PICTURE, ENGLISH)
    assert mark.number.x0 >= 0
    assert mark.number.y0 >= 0


def test_the_highest_stage_has_the_boldest_ring() -> None:
    marks = placed({"mcp_2": 1, "mcp_3": 4}, 60)
    lines = [part for part in settled(mark_parts(marks, ENGLISH)) if isinstance(part, Outline)]
    assert lines[0].line_px < lines[1].line_px


@pytest.mark.parametrize("graded", [True, False])
def test_the_heat_map_leaves_the_overlay_where_joints_have_stages(graded: bool) -> None:
    """It stays in the report, and on the overlay of a bundle without the task."""
    hot = explained(hand(), mcp_2=0.4)
    one = report(image(replace(with_joints(hot, mcp_2=3), explanation=hot.explanation) if graded else hot))
    drawn = without_heat_maps(one)
    lines = [line for line in lay_out(drawn, {}, ENGLISH).outlines if line.role == "attention"]
    assert bool(lines) is not graded
    assert one.hands[0].explanation is not None


def _overlap(a: Box, b: Box) -> bool:
    return min(a.x1, b.x1) > max(a.x0, b.x0) and min(a.y1, b.y1) > max(a.y0, b.y0)


def _core(mark: JointMark) -> Box:
    """The inside of a ring, in which the bone must stay visible."""
    half = round(0.6 * mark.radius_px)
    x, y = round(mark.centre.x), round(mark.centre.y)
    return Box(x - half, y - half, x + half, y + half)
