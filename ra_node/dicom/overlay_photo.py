"""What lies on a radiograph and what leads from it to the panels: outlines, tags, lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ra_node.dicom.overlay_panel import ink_of, is_dashed
from ra_node.dicom.overlay_parts import RULE, Frame, Outline, Part, Photo
from ra_node.dicom.overlay_tag import Hand, refusal_tags
from ra_node.domain.geometry import Box, Point
from ra_node.domain.report import HandFinding, ImageFinding

CLEAR_PX = 6
"""A line to a panel begins this far from the radiograph, so that its halo does not touch it."""


def photo_parts(image: ImageFinding, picture: Box, display: NDArray[np.uint8] | None) -> list[Part]:
    """Place the radiograph in `picture` with the outlines of its hands and a tag at each refused one.

    `display` (rows, columns) only tells where a tag would hide something bright.
    """
    hands = [_on_photo(hand, image, picture) for hand in image.hands]
    parts: list[Part] = [Photo(image.sop_instance_uid, picture), Frame(picture, line=RULE, line_px=2)]
    for hand, place in zip(image.hands, hands, strict=True):
        parts.append(Outline(place.outline, ink_of(hand), dashed=is_dashed(hand)))
    parts += refusal_tags(hands, [hand.refusal for hand in image.hands], picture, display)
    return parts


def link(hand: HandFinding, image: ImageFinding, picture: Box, panel: Box) -> Outline:
    """Draw the line from the edge of the radiograph, level with the hand, to the hand's panel."""
    start = on_canvas(hand.region.box.centre, image, picture)
    if panel.y0 >= picture.y1:
        end = min(max(start.x, panel.x0 + 40), panel.x1 - 40)
        middle = (picture.y1 + panel.y0) / 2
        first, last = Point(start.x, picture.y1 + CLEAR_PX), Point(end, panel.y0)
        path = (first, Point(start.x, middle), Point(end, middle), last)
    else:
        end = min(max(start.y, panel.y0 + 40), panel.y1 - 40)
        middle = (picture.x1 + panel.x0) / 2
        first, last = Point(picture.x1 + CLEAR_PX, start.y), Point(panel.x0, end)
        path = (first, Point(middle, start.y), Point(middle, end), last)
    return Outline(path, ink_of(hand), line_px=4, closed=False, dashed=is_dashed(hand))


def on_canvas(point: Point, image: ImageFinding, picture: Box) -> Point:
    """Return where a point of the image lies on the canvas, held inside the picture."""
    x = picture.x0 + point.x * picture.width_px / image.columns
    y = picture.y0 + point.y * picture.height_px / image.rows
    return Point(min(max(x, picture.x0), picture.x1 - 1), min(max(y, picture.y0), picture.y1 - 1))


def _on_photo(hand: HandFinding, image: ImageFinding, picture: Box) -> Hand:
    region = hand.region
    points = region.outline if len(region.outline) > 2 else region.box.corners()
    first = on_canvas(Point(region.box.x0, region.box.y0), image, picture)
    last = on_canvas(Point(region.box.x1, region.box.y1), image, picture)
    x0, y0 = round(first.x), round(first.y)
    box = Box(x0, y0, max(round(last.x), x0 + 1), max(round(last.y), y0 + 1))
    return Hand(box, tuple(on_canvas(point, image, picture) for point in points))
