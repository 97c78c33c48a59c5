"""One radiograph with its panels: under it or beside it, never on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ra_node.dicom.overlay.annotations import link, photo_parts
from ra_node.dicom.overlay.elements import (
    AMBER,
    FINE_PX,
    GROUND,
    SMALL_PX,
    TEXT_PX,
    ElementGroup,
    Part,
    Photo,
    Rectangle,
    moved,
    stacked,
)
from ra_node.dicom.overlay.hand_panel import PANEL_PX, hand_panel, image_panel, resized
from ra_node.dicom.overlay.typesetting import Pen
from ra_node.domain.geometry import Box
from ra_node.domain.refusal import Reason
from ra_node.domain.report import HandFinding, ImageFinding
from ra_node.domain.texts.report_sentences import refusal_text
from ra_node.domain.texts.wording import told

GAP_PX = 28
LINK_PX = 36
"""Space between a radiograph and its panels, where a line leads from each hand to its panel."""

TITLE_PX = 52
"""Space above a radiograph for its title, where it has one."""

REMARK_PX = 12

BAND_PX = 120
"""Size of the word across a radiograph whose result is withdrawn."""

MOST_SCALE = 1.5
"""Largest magnification of a small radiograph."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Arrangement of radiographs and panels.

    `width_px` and `height_px` bound a radiograph; `under` puts its panels below it, else to its right.
    """

    width_px: int
    height_px: int
    under: bool


@dataclass(frozen=True, slots=True)
class DisplayedImage:
    """An image with its own remarks, and its display pixels: (rows, columns) or None."""

    image: ImageFinding
    remarks: tuple[str, ...]
    display: NDArray[np.uint8] | None
    sketch: bool = False
    """Omit elements on the radiograph: only the size of the tile is needed."""


Placed = tuple[Box, list[tuple[Box, ElementGroup]]]
"""Position of the radiograph in its tile, and the panels with their positions."""


def tile(shown: DisplayedImage, title: str, plan: Plan, cell: tuple[int, int], pen: Pen) -> ElementGroup:
    """Lay out one image; `cell` (width, height) is the space that all radiographs of the picture have.

    Panels begin where the cell ends, so panels of neighbouring tiles are aligned.
    """
    image = shown.image
    hands = _ordered(image.hands, under=plan.under)
    top = TITLE_PX if title else 0
    place = _place_under if plan.under else _place_beside
    picture, panels = place(shown, hands, (cell[0], top + cell[1]), plan, pen)
    photo: list[Part] = [Photo(image.sop_instance_uid, picture)]
    parts = photo if shown.sketch else photo_parts(image, picture, shown.display, pen)
    if image.refusal is not None and image.refusal.reason is Reason.WITHDRAWN:
        parts += withdrawn_band(picture, pen)
    for box, panel in panels:
        parts += moved(panel.parts, box.x0, box.y0)
    if len(hands) > 1:
        parts += [link(hand, image, picture, box) for hand, (box, _) in zip(hands, panels, strict=True)]
    if title:
        parts += moved(pen.line(title, TEXT_PX, bold=True).parts, picture.x0, picture.y0 - TITLE_PX)
    corners = [picture, *(box for box, _ in panels)]
    right, bottom = max(box.x1 for box in corners), max(box.y1 for box in corners)
    notes = _remarks(shown, right, pen)
    parts += moved(notes.parts, 0, bottom + REMARK_PX)
    return ElementGroup(right, bottom + (notes.height_px + REMARK_PX if notes.parts else 0), tuple(parts))


def withdrawn_band(picture: Box, pen: Pen) -> list[Part]:
    """A band across the radiograph that says that its result is withdrawn, as large as fits."""
    word = pen.say("withdrawn")
    size_px = min(BAND_PX, picture.height_px // 3)
    line = pen.line(word, size_px, ink=GROUND, bold=True)
    while line.width_px > picture.width_px and size_px > FINE_PX:
        size_px -= 4
        line = pen.line(word, size_px, ink=GROUND, bold=True)
    top = picture.y0 + (picture.height_px - line.height_px) // 2
    band = Rectangle(Box(picture.x0, top, picture.x1, top + line.height_px), fill=AMBER)
    return [band, *moved(line.parts, picture.x0 + (picture.width_px - line.width_px) // 2, top)]


def _remarks(shown: DisplayedImage, width_px: int, pen: Pen) -> ElementGroup:
    """Remarks of an image, below it."""
    image = shown.image
    texts = [told(remark, pen.language) for remark in shown.remarks]
    if image.hands and image.refusal is not None:
        texts.append(refusal_text(image.refusal, pen.language))
    return stacked([pen.paragraph(text, SMALL_PX, width_px, lines=3) for text in texts], 3)


def fitted(image: ImageFinding, plan: Plan) -> tuple[int, int]:
    """(width, height) of an image as shown; the aspect ratio is kept."""
    scale = min(plan.width_px / image.columns, plan.height_px / image.rows, MOST_SCALE)
    return max(round(scale * image.columns), 1), max(round(scale * image.rows), 1)


def _ordered(hands: Sequence[HandFinding], *, under: bool) -> list[HandFinding]:
    """Hands in the order in which they lie along the row or column of panels."""
    return sorted(hands, key=lambda hand: hand.region.box.centre.x if under else hand.region.box.centre.y)


def _place_under(
    shown: DisplayedImage, hands: Sequence[HandFinding], cell: tuple[int, int], plan: Plan, pen: Pen
) -> Placed:
    """Put the panels in a row under the radiograph, each as wide as the row allows."""
    size = fitted(shown.image, plan)
    count = max(len(hands), 1)
    width = max(size[0], count * (PANEL_PX + GAP_PX) - GAP_PX)
    each = (width - GAP_PX * (count - 1)) // count
    panels = _panels(shown.image, hands, each, pen)
    boxes = [_at(n * (each + GAP_PX), cell[1] + LINK_PX, panel) for n, panel in enumerate(panels)]
    picture = _at((width - size[0]) // 2, cell[1] - size[1], ElementGroup(*size))
    return picture, list(zip(boxes, panels, strict=True))


def _place_beside(
    shown: DisplayedImage, hands: Sequence[HandFinding], cell: tuple[int, int], plan: Plan, pen: Pen
) -> Placed:
    """Put the panels in a column to the right of the radiograph."""
    size = fitted(shown.image, plan)
    picture = _at(cell[0] - size[0], cell[1] - size[1], ElementGroup(*size))
    placed = []
    y = picture.y0
    for panel in _panels(shown.image, hands, PANEL_PX, pen, height_px=size[1]):
        placed.append((_at(picture.x1 + LINK_PX, y, panel), panel))
        y += panel.height_px + GAP_PX
    return picture, placed


def _panels(
    image: ImageFinding, hands: Sequence[HandFinding], width_px: int, pen: Pen, height_px: int = 0
) -> list[ElementGroup]:
    """All panels of an image, equally high; `height_px` is the height available to a column."""
    if not hands:
        return [image_panel(image, width_px, pen)]
    share = height_px // len(hands) - GAP_PX
    panels = [hand_panel(hand, width_px, pen, share) for hand in hands]
    deepest = max(panel.height_px for panel in panels)
    return [resized(panel, deepest) for panel in panels]


def _at(x: int, y: int, block: ElementGroup) -> Box:
    return Box(x, y, x + block.width_px, y + block.height_px)
