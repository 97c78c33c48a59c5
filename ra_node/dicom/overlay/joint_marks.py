"""Rings the joints of stage 1 and more on a radiograph, each with the number of its stage beside it.

Numbers have the size of a result (`KEY_PX`), so that they are 11 pixels high where the picture is shown at a
quarter of its size, and stand on a dark ground; no colour is needed to read them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ra_node.dicom.overlay.elements import (
    GROUND,
    KEY_PX,
    WHITE,
    ElementGroup,
    Outline,
    Part,
    Rectangle,
    moved,
)
from ra_node.dicom.overlay.typesetting import Pen
from ra_node.domain.geometry import Box, Point
from ra_node.domain.report import JointStaging

LEAST_RADIUS_PX, MOST_RADIUS_PX = 16, 34
RING_SHARE = 0.3
"""Radius of a ring as a share of the joint crop: the bone ends lie inside."""

RING_PX, BOLD_RING_PX = 4, 7
"""Width of a ring, and of one of the hand's highest stage."""

_DIRECTIONS = tuple(math.radians(angle) for angle in (-45, -135, 45, 135, 0, 180, -90, 90))


@dataclass(frozen=True, slots=True)
class JointMark:
    """A ring in canvas pixels, and where the number of its stage stands."""

    joint: JointStaging
    centre: Point
    radius_px: float
    number: Box

    @property
    def box(self) -> Box:
        """What ring and number take together."""
        ring = _square(self.centre, self.radius_px)
        return Box(
            min(ring.x0, self.number.x0),
            min(ring.y0, self.number.y0),
            max(ring.x1, self.number.x1),
            max(ring.y1, self.number.y1),
        )


def placed_marks(
    joints: Sequence[tuple[JointStaging, Point, float]], picture: Box, pen: Pen
) -> list[JointMark]:
    """Place the marks of the diseased joints of an image; each comes with its centre and side on the canvas.

    A number takes the first place around its ring that hides the least of other rings and numbers.
    """
    rings = [
        (joint, centre, min(max(RING_SHARE * side, LEAST_RADIUS_PX), MOST_RADIUS_PX))
        for joint, centre, side in joints
    ]
    taken = [_square(centre, radius) for _, centre, radius in rings]
    marks: list[JointMark] = []
    for at, (joint, centre, radius) in enumerate(rings):
        size = _number(joint, pen)
        others = [box for n, box in enumerate(taken) if n != at]
        numbers = [mark.number for mark in marks]
        box = min(
            _around(centre, radius, size),
            key=lambda place: _outside(place, picture) + 3 * _hidden(place, numbers) + _hidden(place, others),
        )
        marks.append(JointMark(joint, centre, radius, _held(box, picture)))
    return marks


def mark_parts(marks: Sequence[JointMark], pen: Pen) -> Iterator[Part]:
    """Draw marks: all rings, then all numbers on top of them."""
    highest = max((mark.joint.stage for mark in marks), default=0)
    for mark in marks:
        line_px = BOLD_RING_PX if mark.joint.stage == highest else RING_PX
        yield ring_at(mark.centre, mark.radius_px, line_px)
    for mark in marks:
        yield from moved(_number(mark.joint, pen).parts, mark.number.x0, mark.number.y0)


def ring_at(centre: Point, radius: float, line_px: int) -> Outline:
    """A white ring with a dark rim."""
    turns = (2 * math.pi * n / 32 for n in range(32))
    points = (Point(centre.x + radius * math.cos(t), centre.y + radius * math.sin(t)) for t in turns)
    return Outline(tuple(points), WHITE, line_px=line_px, halo_px=2, role="joint")


def _number(joint: JointStaging, pen: Pen) -> ElementGroup:
    words = pen.line(str(joint.stage), KEY_PX, bold=True)
    pad = Rectangle(Box(0, 0, words.width_px + 10, words.height_px - 6), fill=GROUND)
    return ElementGroup(words.width_px + 10, words.height_px - 6, (pad, *moved(words.parts, 5, -3)))


def _around(centre: Point, radius: float, block: ElementGroup) -> list[Box]:
    boxes = []
    for angle in _DIRECTIONS:
        x = centre.x + math.cos(angle) * (radius + block.width_px / 2 + 4)
        y = centre.y + math.sin(angle) * (radius + block.height_px / 2 + 4)
        left, top = round(x - block.width_px / 2), round(y - block.height_px / 2)
        boxes.append(Box(left, top, left + block.width_px, top + block.height_px))
    return boxes


def _square(centre: Point, radius: float) -> Box:
    return Box(
        math.floor(centre.x - radius),
        math.floor(centre.y - radius),
        math.ceil(centre.x + radius),
        math.ceil(centre.y + radius),
    )


def _hidden(box: Box, others: Sequence[Box]) -> int:
    """Pixels that a box shares with others."""
    return sum(
        max(0, min(box.x1, other.x1) - max(box.x0, other.x0))
        * max(0, min(box.y1, other.y1) - max(box.y0, other.y0))
        for other in others
    )


def _outside(box: Box, picture: Box) -> int:
    return 10 * (box.width_px * box.height_px - _hidden(box, [picture]))


def _held(box: Box, picture: Box) -> Box:
    """The box moved inside the picture."""
    dx = max(picture.x0 - box.x0, 0) + min(picture.x1 - box.x1, 0)
    dy = max(picture.y0 - box.y0, 0) + min(picture.y1 - box.y1, 0)
    return Box(box.x0 + dx, box.y0 + dy, box.x1 + dx, box.y1 + dy)
