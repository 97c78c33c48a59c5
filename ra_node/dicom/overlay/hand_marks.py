"""Marks of a hand on its radiograph: four corner ticks, its side, and joint numbers beside the hand.

Nothing is drawn over bone: a number stands outside the outline of every hand, or it is left to the second
frame, and its line ends where the hand begins.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.dicom.overlay.annotations import on_canvas, placed_hand
from ra_node.dicom.overlay.elements import (
    FINE_PX,
    GROUND,
    TEXT_PX,
    WHITE,
    ElementGroup,
    Ink,
    Outline,
    Part,
    Rectangle,
    moved,
)
from ra_node.dicom.overlay.hand_strip import has_solid_line, verdict_ink
from ra_node.dicom.overlay.label_placement import NEAR_REACH, CanvasHand, Places, Tag, at, framed_words
from ra_node.dicom.overlay.typesetting import Pen
from ra_node.domain.geometry import Box, Point
from ra_node.domain.laterality.evidence import Side
from ra_node.domain.report import HandFinding, ImageFinding
from ra_node.domain.texts.joint_sentences import diseased_joints

TICK_PX, TICK_LINE_PX = 34, 4
LEAST_PICTURE_PX = 24 * FINE_PX
"""On a smaller radiograph a tag would be larger than a lead marker: it is omitted."""

MOST_AWAY_PX = 8
"""A side tag farther from its hand could be read with another one."""

_SIDE_KEYS = {Side.RIGHT: "tag_right", Side.LEFT: "tag_left", None: "tag_undetermined"}


def hand_marks(image: ImageFinding, picture: Box, display: NDArray[np.uint8] | None, pen: Pen) -> list[Part]:
    """All marks of an image at `picture`; `display` (rows, columns) is used to find lead markers."""
    hands = [placed_hand(hand, image, picture) for hand in image.hands]
    ticks: list[Outline] = []
    for hand, place in zip(image.hands, hands, strict=True):
        ticks += _ticks(place.box, picture, verdict_ink(hand))
    if max(picture.width_px, picture.height_px) < LEAST_PICTURE_PX:
        return [*ticks]
    free = Places.around(hands, picture, display)
    for tick in ticks:
        free.take(_around(tick))
    parts: list[Part] = [*ticks]
    for which, (hand, place) in enumerate(zip(image.hands, hands, strict=True)):
        rivals = tuple(other.box.centre for n, other in enumerate(hands) if n != which)
        parts += _side_tag(hand, place, rivals, free, pen)
    for hand, place in zip(image.hands, hands, strict=True):
        parts += _joint_numbers(hand, place, hands, image, free, pen)
    return parts


def _around(tick: Outline) -> Box:
    """The box of the points of a line."""
    xs, ys = [round(p.x) for p in tick.points], [round(p.y) for p in tick.points]
    return Box(min(xs), min(ys), max(xs), max(ys))


def _ticks(box: Box, picture: Box, ink: Ink) -> Iterator[Outline]:
    """The corners of the box of a hand, as two short lines each."""
    x0, y0 = max(box.x0, picture.x0 + 4), max(box.y0, picture.y0 + 4)
    x1, y1 = min(box.x1, picture.x1 - 4), min(box.y1, picture.y1 - 4)
    long_x, long_y = min(TICK_PX, (x1 - x0) // 3), min(TICK_PX, (y1 - y0) // 3)
    for x, dx in ((x0, long_x), (x1, -long_x)):
        for y, dy in ((y0, long_y), (y1, -long_y)):
            corner = (Point(x + dx, y), Point(x, y), Point(x, y + dy))
            yield Outline(corner, ink, line_px=TICK_LINE_PX, closed=False, role="hand")


def _side_tag(
    hand: HandFinding, place: CanvasHand, rivals: tuple[Point, ...], free: Places, pen: Pen
) -> tuple[Part, ...]:
    """The side in the smallest text, framed, so that it is not mistaken for a lead marker."""
    words = pen.line(pen.say(_SIDE_KEYS[hand.side.side]).upper(), FINE_PX, bold=True)
    block = framed_words([words], verdict_ink(hand), dashed=not has_solid_line(hand), margin_px=4)
    target = Point(place.box.centre.x, place.box.y0)
    box = free.put(Tag(block, target, place.box, rivals))
    if box is None or hides_hand(box, [place]) or _away(box, place.box) > MOST_AWAY_PX:
        return ()
    return at(block, box)


def _away(box: Box, home: Box) -> float:
    """Distance of a label from the box of its hand."""
    return max(home.x0 - box.x1, box.x0 - home.x1, home.y0 - box.y1, box.y0 - home.y1, 0)


def _joint_numbers(
    hand: HandFinding,
    place: CanvasHand,
    hands: Sequence[CanvasHand],
    image: ImageFinding,
    free: Places,
    pen: Pen,
) -> Iterator[Part]:
    """The stage of each diseased joint beside the hand, with a line towards the joint."""
    if not hand.rated:
        return
    for joint in diseased_joints(hand):
        words = pen.line(str(joint.stage), TEXT_PX, bold=True)
        size = words.width_px + 12, words.height_px - 4
        pad = Rectangle(Box(0, 0, *size), fill=GROUND)
        block = ElementGroup(*size, (pad, *moved(words.parts, 6, -2)))
        centre = on_canvas(joint.at, image, free.picture)
        box = free.put(Tag(block, centre, place.box, reach=NEAR_REACH))
        if box is None or hides_hand(box, hands):
            continue
        yield from at(block, box)
        line = leader(box, centre, place.outline)
        if line is not None:
            yield line


def hides_hand(box: Box, hands: Sequence[CanvasHand]) -> bool:
    """Whether a box covers part of a hand."""
    for hand in hands:
        mask = np.zeros((box.height_px, box.width_px), np.uint8)
        points = [[(p.x - box.x0) * 16, (p.y - box.y0) * 16] for p in hand.outline]
        cv2.fillPoly(mask, [np.round(points).astype(np.int32)], (1,), shift=4)
        if mask.any():
            return True
    return False


def leader(box: Box, target: Point, outline: Sequence[Point]) -> Outline | None:
    """A line from a label towards a joint, up to the outline of the hand; None where there is no room."""
    start = Point(min(max(target.x, box.x0), box.x1), min(max(target.y, box.y0), box.y1))
    contour = np.array([(p.x, p.y) for p in outline], np.float32).reshape(-1, 1, 2)
    steps = max(int(math.hypot(target.x - start.x, target.y - start.y)), 1)
    for n in range(steps):
        point = Point(start.x + (target.x - start.x) * n / steps, start.y + (target.y - start.y) * n / steps)
        if cv2.pointPolygonTest(contour, (float(point.x), float(point.y)), measureDist=False) >= 0:
            break
    else:
        return None
    if n < 4:
        return None
    return Outline((start, point), WHITE, line_px=3, closed=False, halo_px=1)
