"""Places sides, refusals and joint labels on a radiograph where they hide no hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.dicom.overlay.elements import GROUND, ElementGroup, Ink, Part, Rectangle, moved, stacked
from ra_node.domain.geometry import Box, Point

CELL_PX = 6
"""Cell size of the coarse cost map for free places."""

MARGIN_PX = 9
DEAR = 16
"""Cost of a cell of a hand, more than that of the brightest cell outside."""

GREY_STEP = 24
"""Brightness step that costs one: a lead marker costs much, dark background nothing."""

FAR_REACH, NEAR_REACH = 1 / 3, 4 / 3
"""Cost of a pixel of distance: to avoid hiding a cell of a hand, a tag moves up to 48 px, a label 12."""

MARKER_STEP = 48
"""A cell outside the hands that differs so much from its surroundings may be a lead marker."""

AWAY = 2.0
"""Extra cost of a pixel outside the box of the tag's own hand, so that it stays with that hand."""

_ASTRAY = 1e9
"""More than the cost of any place."""


@dataclass(frozen=True, slots=True)
class CanvasHand:
    """A hand in canvas pixels: its box and its outline."""

    box: Box
    outline: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Tag:
    """A label for a point of the hand at `home`; points of other hands, `rivals`, must not be nearer.

    `reach` is the cost of a pixel of distance from the target.
    """

    block: ElementGroup
    target: Point
    home: Box
    rivals: tuple[Point, ...] = ()
    reach: float = FAR_REACH


@dataclass(slots=True)
class Places:
    """Free places of one radiograph at `picture` (canvas pixels); each placed tag occupies its own.

    `display` (rows, columns) is used only to find bright structures such as a lead marker.
    """

    picture: Box
    cost: NDArray[np.int64] = field(repr=False)
    markers: NDArray[np.bool_] = field(repr=False)

    @classmethod
    def around(cls, hands: Sequence[CanvasHand], picture: Box, display: NDArray[np.uint8] | None) -> Places:
        hidden = _outlines(hands, picture)
        markers = marker_cells(hidden, display)
        return cls(picture, cost_of_cells(hands, hidden, picture, display) + markers * DEAR * DEAR, markers)

    def put(self, tag: Tag) -> Box | None:
        """Find and occupy the place for a tag; None without space, or if it would hide a lead marker."""
        width, height = tag.block.width_px, tag.block.height_px
        if width + CELL_PX > self.picture.width_px or height + CELL_PX > self.picture.height_px:
            return None
        x, y = free_place(tag, self.cost, self.picture)
        box = Box(x, y, x + width, y + height)
        if self.markers[_cells(box, self.picture)].any():
            return None
        self.take(box)
        return box

    def take(self, box: Box) -> None:
        """Mark a box as occupied for later tags."""
        self.cost[_cells(box, self.picture)] += DEAR * DEAR


def framed_words(
    lines: Sequence[ElementGroup], ink: Ink, *, dashed: bool, margin_px: int = MARGIN_PX
) -> ElementGroup:
    """Framed lines of text on a dark background."""
    words = stacked(lines)
    width, height = words.width_px + 2 * margin_px, words.height_px + 2 * margin_px
    frame = Rectangle(Box(0, 0, width, height), fill=GROUND, line=ink, line_px=2, dashed=dashed)
    return ElementGroup(width, height, (frame, *moved(words.parts, margin_px, margin_px)))


def at(block: ElementGroup, box: Box) -> tuple[Part, ...]:
    """The parts of a block at a box."""
    return moved(block.parts, box.x0, box.y0)


def _cells(box: Box, picture: Box) -> tuple[slice, slice]:
    """The cells that a box touches, rows and columns."""
    x0, x1 = (max(x - picture.x0, 0) // CELL_PX for x in (box.x0, box.x1))
    y0, y1 = (max(y - picture.y0, 0) // CELL_PX for y in (box.y0, box.y1))
    return slice(y0, y1 + 1), slice(x0, x1 + 1)


def free_place(tag: Tag, cost: NDArray[np.int64], picture: Box) -> tuple[int, int]:
    """Return left and top in `picture` of the cheapest place for a tag."""
    width, height = -(-tag.block.width_px // CELL_PX), -(-tag.block.height_px // CELL_PX)
    sums = np.pad(cost.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    hidden = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    rows, columns = np.indices(hidden.shape)
    x, y = picture.x0 + CELL_PX * columns, picture.y0 + CELL_PX * rows
    middle_x, middle_y = x + tag.block.width_px / 2, y + tag.block.height_px / 2
    far = np.hypot(middle_x - tag.target.x, middle_y - tag.target.y)
    astray = np.zeros(hidden.shape, bool)
    for rival in tag.rivals:
        astray |= np.hypot(middle_x - rival.x, middle_y - rival.y) < far
    away = _outside(middle_x, tag.home.x0, tag.home.x1) + _outside(middle_y, tag.home.y0, tag.home.y1)
    if tag.rivals:  # a tag between two hands belongs wholly to its own
        half_px = tag.block.width_px / 2
        away += _outside(middle_x, tag.home.x0 + half_px, tag.home.x1 - half_px)
    price = hidden + tag.reach * far + AWAY * away + astray * _ASTRAY
    row, column = np.unravel_index(int(price.argmin()), hidden.shape)
    return int(x[row, column]), int(y[row, column])


def _outside(values: NDArray[np.float64], first: float, last: float) -> NDArray[np.float64]:
    """Distance of each value from a range."""
    return np.maximum(np.maximum(first - values, values - last), 0)


def cost_of_cells(
    hands: Sequence[CanvasHand], hidden: NDArray[np.uint8], picture: Box, display: NDArray[np.uint8] | None
) -> NDArray[np.int64]:
    """Cost of hiding each cell of the picture: (rows, columns) of cells.

    A hand costs most, bright pixels more than dark ones, and the rest of a hand's box a little, because an
    outline may miss a fingertip.
    """
    cheap = np.zeros(hidden.shape, np.int64)
    if display is not None:
        step = max(min(display.shape) // (4 * min(hidden.shape)), 1)
        small = cv2.resize(display[::step, ::step], hidden.shape[::-1], interpolation=cv2.INTER_AREA)
        cheap += np.asarray(small, np.int64) // GREY_STEP
    for hand in hands:
        cheap[_cells(hand.box, picture)] += 1
    return hidden.astype(np.int64) * DEAR + cheap


def _outlines(hands: Sequence[CanvasHand], picture: Box) -> NDArray[np.uint8]:
    """The cells of hands, and those beside them: 1, else 0."""
    shape = (max(picture.height_px // CELL_PX, 1), max(picture.width_px // CELL_PX, 1))
    inside = np.zeros(shape, np.uint8)
    for hand in hands:
        points = [[(p.x - picture.x0) / CELL_PX, (p.y - picture.y0) / CELL_PX] for p in hand.outline]
        cv2.fillPoly(inside, [np.round(points).astype(np.int32)], (1,))
    return np.asarray(cv2.dilate(inside, np.ones((3, 3), np.uint8)), np.uint8)


def marker_cells(hidden: NDArray[np.uint8], display: NDArray[np.uint8] | None) -> NDArray[np.bool_]:
    """Cells outside the hands in which a lead marker may lie, by contrast; forearms and edges count too."""
    if display is None:
        return np.zeros(hidden.shape, bool)
    rows, columns = hidden.shape
    step = max(min(display.shape[0] // (4 * rows), display.shape[1] // (4 * columns)), 1)
    small = np.ascontiguousarray(display[::step, ::step])
    window = np.ones([max(-(-have // want), 1) for have, want in zip(small.shape, hidden.shape, strict=True)])
    high, low = (
        cv2.resize(extreme(small, window.astype(np.uint8)), (columns, rows), interpolation=cv2.INTER_NEAREST)
        for extreme in (cv2.dilate, cv2.erode)
    )
    around = np.ones((3, 3), np.uint8)
    differs = cv2.subtract(cv2.dilate(high, around), cv2.erode(low, around)) > MARKER_STEP
    outside = hidden == 0
    if outside.any():
        ground = float(np.median(high[outside]))
        differs |= high > ground + 2 * MARKER_STEP
    far = cv2.dilate(hidden, np.ones((5, 5), np.uint8)) == 0
    return np.asarray(differs & far, bool)
