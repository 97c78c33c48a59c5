"""Elements drawn on a radiograph: outlines, attention, tags, and lines to the panels."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ra_node.dicom.overlay.elements import (
    FINE_PX,
    GROUND,
    HEAT,
    KEY_PX,
    RULE,
    SMALL_PX,
    TEXT_PX,
    WHITE,
    ElementGroup,
    Outline,
    Part,
    Photo,
    Rectangle,
    moved,
)
from ra_node.dicom.overlay.hand_panel import ink_of, is_dashed, refused_word
from ra_node.dicom.overlay.joint_marks import mark_parts, placed_marks, ring_at
from ra_node.dicom.overlay.label_placement import NEAR_REACH, CanvasHand, Places, Tag, at, framed_words
from ra_node.dicom.overlay.typesetting import Pen
from ra_node.domain.geometry import Box, Point
from ra_node.domain.laterality.evidence import Side
from ra_node.domain.report import HandFinding, ImageFinding, JointStaging
from ra_node.domain.salient_joints import standing_out
from ra_node.domain.texts.joint_sentences import diseased_joints, joint_name

CLEAR_PX = 5
"""Gap between the radiograph and a line to a panel, so that the halo of the line does not touch it."""

RING_PX = 8
"""Radius of the ring in the middle of a named joint; bone stays visible in it."""

THIN_PX, BOLD_PX = 2, 4
"""Width of attention contours: of any level, and of the highest."""

TAGGED_PX = 24 * FINE_PX
"""On a smaller radiograph the text of a side tag would be larger than a lead marker: it is omitted."""

_SIDE_KEYS = {Side.RIGHT: "tag_right", Side.LEFT: "tag_left", None: "tag_undetermined"}


def photo_parts(image: ImageFinding, picture: Box, display: NDArray[np.uint8] | None, pen: Pen) -> list[Part]:
    """Place the radiograph in `picture` with attention contours, outlines, sides and refusals.

    `display` (rows, columns) is used only to find bright places that a tag must not hide.
    """
    places = [placed_hand(hand, image, picture) for hand in image.hands]
    parts: list[Part] = [Photo(image.sop_instance_uid, picture), Rectangle(picture, line=RULE, line_px=2)]
    for hand, place in zip(image.hands, places, strict=True):
        parts += _attention_lines(hand, image, picture)
        parts.append(Outline(place.outline, ink_of(hand), dashed=is_dashed(hand), role="hand"))
    free = Places.around(places, picture, display)
    marks = placed_marks(_diseased(image, picture), picture, pen)
    for mark in marks:
        free.take(mark.box)
    parts += mark_parts(marks, pen)
    tips = [_fingertips(hand, place.box) for hand, place in zip(image.hands, places, strict=True)]
    for which, hand in enumerate(image.hands):
        rivals = tuple(tip for n, tip in enumerate(tips) if n != which)
        for block in _tags(hand, picture, pen):
            box = free.put(Tag(block, tips[which], places[which].box, rivals))
            if box is not None:
                parts += at(block, box)
                break
    for hand, place in zip(image.hands, places, strict=True):
        parts += _joint_labels(hand, place, image, free, pen)
    return parts


def _diseased(image: ImageFinding, picture: Box) -> list[tuple[JointStaging, Point, float]]:
    """The joints of stage 1 and more of all hands with a result, with centre and side on the canvas."""
    scale = picture.width_px / image.columns
    return [
        (joint, on_canvas(joint.at, image, picture), scale * math.dist(*_edge(joint)))
        for hand in image.hands
        if hand.refusal is None
        for joint in diseased_joints(hand)
    ]


def _edge(joint: JointStaging) -> tuple[tuple[float, float], tuple[float, float]]:
    first, second = joint.square[:2]
    return (first.x, first.y), (second.x, second.y)


def link(hand: HandFinding, image: ImageFinding, picture: Box, panel: Box) -> Outline:
    """Draw the line from the edge of the radiograph, level with the hand, to the hand's panel."""
    start = on_canvas(hand.region.box.centre, image, picture)
    if panel.y0 >= picture.y1:
        end = min(max(start.x, panel.x0 + 30), panel.x1 - 30)
        middle = (picture.y1 + panel.y0) / 2
        first, last = Point(start.x, picture.y1 + CLEAR_PX), Point(end, panel.y0)
        path = (first, Point(start.x, middle), Point(end, middle), last)
    else:
        end = min(max(start.y, panel.y0 + 30), panel.y1 - 30)
        middle = (picture.x1 + panel.x0) / 2
        first, last = Point(picture.x1 + CLEAR_PX, start.y), Point(panel.x0, end)
        path = (first, Point(middle, start.y), Point(middle, end), last)
    return Outline(path, ink_of(hand), line_px=3, closed=False, dashed=is_dashed(hand))


def on_canvas(point: Point, image: ImageFinding, picture: Box) -> Point:
    """Map a point of the image to the canvas, clamped to the picture."""
    x = picture.x0 + point.x * picture.width_px / image.columns
    y = picture.y0 + point.y * picture.height_px / image.rows
    return Point(min(max(x, picture.x0), picture.x1 - 1), min(max(y, picture.y0), picture.y1 - 1))


def placed_hand(hand: HandFinding, image: ImageFinding, picture: Box) -> CanvasHand:
    """A hand of an image shown at `picture`, in canvas pixels."""
    region = hand.region
    points = region.outline if len(region.outline) > 2 else region.box.corners()
    first = on_canvas(Point(region.box.x0, region.box.y0), image, picture)
    last = on_canvas(Point(region.box.x1, region.box.y1), image, picture)
    x0, y0 = round(first.x), round(first.y)
    box = Box(x0, y0, max(round(last.x), x0 + 1), max(round(last.y), y0 + 1))
    return CanvasHand(box, tuple(on_canvas(point, image, picture) for point in points))


def _fingertips(hand: HandFinding, box: Box) -> Point:
    """Point at the fingertips: a tag there is read with its own hand, and the background is mostly dark."""
    x, y = box.centre.x, box.centre.y
    ends = {0: Point(x, box.y0), 90: Point(box.x1, y), 180: Point(x, box.y1), 270: Point(box.x0, y)}
    return ends[hand.region.rotation]


def _attention_lines(hand: HandFinding, image: ImageFinding, picture: Box) -> list[Part]:
    """Attention contours; the highest level is bold. None for a refused hand."""
    if hand.explanation is None or hand.refusal is not None:
        return []
    contours = hand.explanation.contours
    highest = max((contour.level for contour in contours), default=0.0)
    several = len({contour.level for contour in contours}) > 1
    return [
        Outline(
            tuple(on_canvas(point, image, picture) for point in contour.points),
            HEAT,
            role="attention",
            line_px=BOLD_PX if several and contour.level == highest else THIN_PX,
            halo_px=1,
        )
        for contour in sorted(contours, key=lambda each: each.level)
        if len(contour.points) > 2
    ]


def _tags(hand: HandFinding, picture: Box, pen: Pen) -> list[ElementGroup]:
    """Candidate tags of a hand, best first, without those that are too large for the radiograph."""
    large = max(picture.width_px, picture.height_px) >= TAGGED_PX
    if hand.recognition is not None and hand.refusal is None:
        return [_side_tag(hand, pen)] if large else []
    brief = pen.line(pen.say("not_analysed").upper(), FINE_PX, bold=True)
    small = framed_words([brief], WHITE, dashed=True, margin_px=4)
    return [_refusal_tag(hand, pen), small] if large else [small]


def _refusal_tag(hand: HandFinding, pen: Pen) -> ElementGroup:
    lines = [pen.line(pen.say(refused_word(hand)).upper(), KEY_PX - 3, bold=True)]
    if hand.refusal is not None:
        reason = pen.language.say(f"reason.{hand.refusal.reason}")
        if hand.side.side is not None:
            reason = pen.say("tag_refused", side=pen.say(_SIDE_KEYS[hand.side.side]), reason=reason)
        lines.append(pen.line(reason, TEXT_PX))
    return framed_words(lines, WHITE, dashed=True)


def _side_tag(hand: HandFinding, pen: Pen) -> ElementGroup:
    """The side in the smallest text: not larger than a lead marker, and not mistaken for one."""
    words = pen.line(pen.say(_SIDE_KEYS[hand.side.side]).upper(), FINE_PX, bold=True)
    return framed_words([words], ink_of(hand), dashed=is_dashed(hand), margin_px=4)


def _joint_labels(
    hand: HandFinding, place: CanvasHand, image: ImageFinding, free: Places, pen: Pen
) -> list[Part]:
    """Mark the salient joints with rings and label them, each with a line between."""
    if hand.explanation is None or hand.refusal is not None:
        return []
    seen = {joint.name: joint.at for joint in hand.region.joints}
    parts: list[Part] = []
    for share in standing_out(hand.explanation):
        if share.name not in seen:
            continue
        centre = on_canvas(seen[share.name], image, free.picture)
        words = pen.line(joint_name(share.name, pen.language), SMALL_PX, bold=True)
        pad = Rectangle(Box(0, 0, words.width_px + 10, words.height_px), fill=GROUND)
        block = ElementGroup(words.width_px + 10, words.height_px, (pad, *moved(words.parts, 5, 0)))
        box = free.put(Tag(block, centre, place.box, reach=NEAR_REACH))
        parts.append(ring_at(centre, RING_PX, 2))
        if box is not None:
            parts += [_leader(centre, box), *at(block, box)]
    return parts


def _leader(centre: Point, box: Box) -> Outline:
    """Line from the ring to the nearest point of a label."""
    end = Point(min(max(centre.x, box.x0), box.x1), min(max(centre.y, box.y0), box.y1))
    length = max(math.hypot(end.x - centre.x, end.y - centre.y), 1e-6)
    part = min(RING_PX / length, 1.0)
    start = Point(centre.x + (end.x - centre.x) * part, centre.y + (end.y - centre.y) * part)
    return Outline((start, end), WHITE, line_px=2, closed=False, halo_px=1)
