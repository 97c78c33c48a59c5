"""Writes at a refused hand that it was not analysed, where the words hide no hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.dicom.overlay_parts import (
    GROUND,
    KEY_PX,
    TEXT_PX,
    WHITE,
    Block,
    Frame,
    Part,
    line,
    moved,
    stacked,
)
from ra_node.domain.geometry import Box, Point
from ra_node.domain.report import Refusal

CELL_PX = 8
"""Side of a cell of the coarse map in which a free place is sought."""

MARGIN_PX = 14
DEAR = 16
"""What a cell of a hand costs, more than the brightest cell outside one."""

GREY_STEP = 24
"""Each such step of brightness costs one: a lead marker much, a dark ground nothing."""


@dataclass(frozen=True, slots=True)
class Hand:
    """A hand in canvas pixels: its box and its outline."""

    box: Box
    outline: tuple[Point, ...]


def refusal_tags(
    hands: Sequence[Hand], refusals: Sequence[Refusal | None], picture: Box, display: NDArray[np.uint8] | None
) -> tuple[Part, ...]:
    """Place "NOT ANALYSED" and the reason's own words beside each refused hand, all in canvas pixels.

    A place inside `picture` is nearer to its hand than to any other, hides as little as possible of hands,
    of other tags and of what is bright in `display` (a lead marker), and then lies nearest to the hand. A
    picture too small for a tag gets none: its panel says the same.
    """
    if not any(refusals):
        return ()
    cost = cost_of_cells(hands, picture, display)
    boxes = [hand.box for hand in hands]
    parts: list[Part] = []
    for which, refusal in enumerate(refusals):
        tag = _tag(refusal) if refusal is not None else None
        if tag is None or not _fits(tag, picture):
            continue
        x, y = free_place(Box(0, 0, tag.width_px, tag.height_px), boxes, which, cost, picture)
        cost[_cells(Box(x, y, x + tag.width_px, y + tag.height_px), picture)] += DEAR * DEAR
        parts += moved(tag.parts, x, y)
    return tuple(parts)


def _fits(tag: Block, picture: Box) -> bool:
    return tag.width_px + CELL_PX <= picture.width_px and tag.height_px + CELL_PX <= picture.height_px


def _cells(box: Box, picture: Box) -> tuple[slice, slice]:
    """The cells that a box touches, rows and columns."""
    x0, x1 = (max(x - picture.x0, 0) // CELL_PX for x in (box.x0, box.x1))
    y0, y1 = (max(y - picture.y0, 0) // CELL_PX for y in (box.y0, box.y1))
    return slice(y0, y1 + 1), slice(x0, x1 + 1)


def _tag(refusal: Refusal) -> Block:
    reason = refusal.reason.value.replace("_", " ")
    words = stacked([line("NOT ANALYSED", KEY_PX - 4, bold=True), line(reason, TEXT_PX)])
    width, height = words.width_px + 2 * MARGIN_PX, words.height_px + 2 * MARGIN_PX
    frame = Frame(Box(0, 0, width, height), fill=GROUND, line=WHITE, line_px=3, dashed=True)
    return Block(width, height, (frame, *moved(words.parts, MARGIN_PX, MARGIN_PX)))


def free_place(
    tag: Box, hands: Sequence[Box], which: int, cost: NDArray[np.int64], picture: Box
) -> tuple[int, int]:
    """Return the left and top in `picture` for a box of the size of `tag` that costs the least to hide."""
    width, height = -(-tag.width_px // CELL_PX), -(-tag.height_px // CELL_PX)
    sums = np.pad(cost.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    hidden = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    rows, columns = np.indices(hidden.shape)
    x, y = picture.x0 + CELL_PX * columns, picture.y0 + CELL_PX * rows
    far = np.stack(
        [
            np.hypot(x + tag.width_px / 2 - hand.centre.x, y + tag.height_px / 2 - hand.centre.y)
            for hand in hands
        ]
    )
    astray = far.min(axis=0) < far[which]
    order = np.lexsort((far[which].ravel(), hidden.ravel(), astray.ravel()))
    row, column = np.unravel_index(order[0], hidden.shape)
    return int(x[row, column]), int(y[row, column])


def cost_of_cells(
    hands: Sequence[Hand], picture: Box, display: NDArray[np.uint8] | None
) -> NDArray[np.int64]:
    """Return what it costs to hide each cell of the picture: (rows, columns) of cells.

    A hand costs most, what is bright more than what is dark, and the rest of a hand's box a little, because
    an outline may miss a fingertip.
    """
    shape = (picture.height_px // CELL_PX, picture.width_px // CELL_PX)
    dear = np.zeros(shape, np.uint8)
    cheap = np.zeros(shape, np.int64)
    if display is not None:
        small = cv2.resize(display, shape[::-1], interpolation=cv2.INTER_AREA)
        cheap += np.asarray(small, np.int64) // GREY_STEP
    for hand in hands:
        points = [[(p.x - picture.x0) / CELL_PX, (p.y - picture.y0) / CELL_PX] for p in hand.outline]
        cv2.fillPoly(dear, [np.round(points).astype(np.int32)], (1,))
        cheap[_cells(hand.box, picture)] += 1
    return np.asarray(cv2.dilate(dear, np.ones((3, 3), np.uint8)), np.int64) * DEAR + cheap
