"""Layout of the second frame of the overlay, how the result came about; computed before painting.

Radiographs keep their shape and are separate from the text: a panel is beside or under its image, never
on it. Only lines, labels of sides and joints, and a short tag at a refused hand are drawn on a radiograph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ra_node.dicom.overlay.elements import ElementGroup, Part, moved, settled, stacked
from ra_node.dicom.overlay.hand_panel import refusal_panel
from ra_node.dicom.overlay.header_footer import footer, header, listed, remarked
from ra_node.dicom.overlay.image_tile import GAP_PX, DisplayedImage, Plan, fitted, tile
from ra_node.dicom.overlay.typesetting import Pen
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import HandFinding, ImageFinding, StudyReport

MARGIN_PX = 30
TOP_PX = 16
"""Above the first line, which stays clear of what viewers lay over the top of an image."""

TILE_GAP_PX = 36
LONGEST_PX = 1800
"""A display of two megapixels shows nearly every pixel; radiographs shrink until the picture fits."""

LEAST_SHRINK, STEP = 0.55, 0.05
"""Radiographs are at least about half of their largest size; the image becomes longer instead."""

LEAST_WIDTH_PX, LEAST_HEIGHT_PX = 1276, 1360
"""Minimum size: viewers enlarge a smaller image until its first line is under their cine bar."""

MOST_IMAGES = 4

_WITHOUT_PICTURE = frozenset(
    {
        Reason.UNREADABLE_PIXELS, Reason.NO_PIXELS, Reason.TOO_LARGE, Reason.NOT_A_RADIOGRAPH, Reason.AI_MADE,
        Reason.PATIENT_CONFLICT,
    }
)  # fmt: skip

Displays = Mapping[str, NDArray[np.uint8]]


def shown_images(report: StudyReport) -> tuple[ImageFinding, ...]:
    """Return the images that the picture shows, in the report's order: at most four, rated ones first."""
    able = [image for image in report.images if can_show(image)]
    ranked = sorted(range(len(able)), key=lambda n: (not has_rated_hand(able[n]), not able[n].hands, n))
    return tuple(able[n] for n in sorted(ranked[:MOST_IMAGES]))


def lay_out(report: StudyReport, displays: Displays, pen: Pen) -> ElementGroup:
    """Lay out the whole picture of a report, in the largest size of its radiographs that fits a display.

    `displays` are (rows, columns) by SOP Instance UID, used only to place tags.
    """
    shrink = 1.0
    sketch = _laid_out(report, None, pen, shrink)
    while max(sketch.width_px, sketch.height_px) > LONGEST_PX and sketch.photos and shrink > LEAST_SHRINK:
        shrink = max(_shrunk(sketch, shrink), LEAST_SHRINK)
        sketch = _laid_out(report, None, pen, shrink)
    whole = _laid_out(report, displays, pen, shrink)
    return replace(whole, parts=tuple(settled(whole.parts)))


def _shrunk(block: ElementGroup, shrink: float) -> float:
    """Scale factor for the radiographs so that everything fits, at least one step smaller."""
    tops = {photo.box.y1: photo.box.height_px for photo in block.photos}
    over = max(block.width_px, block.height_px) - LONGEST_PX
    return min(shrink * (1 - over / sum(tops.values())), shrink - STEP)


def _laid_out(report: StudyReport, displays: Displays | None, pen: Pen, shrink: float) -> ElementGroup:
    """Lay out with radiographs of that size; without displays a sketch, in which only sizes count.

    The footer is at the bottom, however short the content is.
    """
    shown = shown_images(report)
    common = _common_remarks(shown)
    tiles = [_tiled(_tiles(shown, common, report, displays, pen, shrink))] if shown else []
    width = max([LEAST_WIDTH_PX, *(block.width_px for block in tiles)])
    blocks = [header(report, width, pen), *(_centred(block, width) for block in tiles)]
    if not shown:
        blocks.append(refusal_panel(study_refusal(report), width, pen))
    if common:
        blocks.append(remarked(common, width, pen))
    others = [image for image in report.images if image not in shown]
    if others and len(report.images) > 1:
        blocks.append(listed(others, report, width, pen))
    body, foot = stacked(blocks, GAP_PX), footer(report, width, pen)
    below = max(TOP_PX + body.height_px + GAP_PX, LEAST_HEIGHT_PX - MARGIN_PX - foot.height_px)
    parts = (*moved(body.parts, MARGIN_PX, TOP_PX), *moved(foot.parts, MARGIN_PX, below))
    return ElementGroup(width + 2 * MARGIN_PX, below + foot.height_px + MARGIN_PX, parts)


def _common_remarks(shown: Sequence[ImageFinding]) -> tuple[str, ...]:
    """The remarks that every image shown has, in their order, each once."""
    if not shown:
        return ()
    first = dict.fromkeys(shown[0].remarks)
    return tuple(remark for remark in first if all(remark in image.remarks for image in shown))


def study_refusal(report: StudyReport) -> Refusal | None:
    """Why nothing of the study is shown."""
    refusals = [report.refusal, *(image.refusal for image in report.images)]
    return next((refusal for refusal in refusals if refusal is not None), None)


def can_show(image: ImageFinding) -> bool:
    """Whether an image has pixels that may be shown."""
    if image.rows <= 0 or image.columns <= 0:
        return False
    return image.refusal is None or image.refusal.reason not in _WITHOUT_PICTURE


def has_rated_hand(image: ImageFinding) -> bool:
    """Whether a hand of the image has a result or is inconclusive."""
    return any(hand.refusal is None for hand in image.hands)


def _tiles(
    shown: Sequence[ImageFinding],
    common: Sequence[str],
    report: StudyReport,
    displays: Displays | None,
    pen: Pen,
    shrink: float,
) -> list[ElementGroup]:
    plan = _levelled(_plan(shown, shrink), shown)
    sizes = [fitted(image, plan) for image in shown]
    cell = max(width for width, _ in sizes), max(height for _, height in sizes)
    numbers = {image.sop_instance_uid: n for n, image in enumerate(report.images, 1)}
    total = len(report.images)
    tiles = []
    for image in shown:
        number = numbers[image.sop_instance_uid]
        title = pen.say("image_of", number=number, count=total) if total > 1 else ""
        own = tuple(dict.fromkeys(remark for remark in image.remarks if remark not in common))
        display = None if displays is None else displays.get(image.sop_instance_uid)
        tiles.append(tile(DisplayedImage(image, own, display, displays is None), title, plan, cell, pen))
    return tiles


def _plan(shown: Sequence[ImageFinding], shrink: float) -> Plan:
    """Choose by count and shape, so that the image is neither very tall nor very wide."""
    plan = _full_plan(shown)
    return replace(plan, width_px=round(shrink * plan.width_px), height_px=round(shrink * plan.height_px))


def _full_plan(shown: Sequence[ImageFinding]) -> Plan:
    wide = any(len(image.hands) > 1 or image.columns > 1.15 * image.rows for image in shown)
    stacked_hands = all(len(image.hands) == 2 and not _side_by_side(image.hands) for image in shown)
    if len(shown) == 1:
        return Plan(1276, 976, under=True) if wide and not stacked_hands else Plan(900, 1170, under=False)
    if len(shown) == 2:
        return Plan(1050 if wide else 826, 976, under=True)
    return Plan(1050, 750, under=True) if wide else Plan(676, 750, under=False)


def _levelled(plan: Plan, shown: Sequence[ImageFinding]) -> Plan:
    """Show all radiographs equally high, unless that would make a large one small."""
    heights = [fitted(image, plan)[1] for image in shown]
    return replace(plan, height_px=min(heights)) if min(heights) > 0.6 * max(heights) else plan


def _side_by_side(hands: Sequence[HandFinding]) -> bool:
    xs = [hand.region.box.centre.x for hand in hands]
    ys = [hand.region.box.centre.y for hand in hands]
    return max(xs) - min(xs) >= max(ys) - min(ys)


def _tiled(tiles: Sequence[ElementGroup]) -> ElementGroup:
    """Two tiles a row, each column as wide as its widest tile."""
    columns = [max(tile.width_px for tile in tiles[n::2]) for n in range(min(len(tiles), 2))]
    rows = [_row(tiles[n : n + 2], columns) for n in range(0, len(tiles), 2)]
    return stacked(rows, TILE_GAP_PX)


def _row(tiles: Sequence[ElementGroup], columns: Sequence[int]) -> ElementGroup:
    parts: list[Part] = []
    x = 0
    for block, width in zip(tiles, columns, strict=False):
        parts += moved(block.parts, x + (width - block.width_px) // 2, 0)
        x += width + TILE_GAP_PX
    return ElementGroup(x - TILE_GAP_PX, max(block.height_px for block in tiles), tuple(parts))


def _centred(block: ElementGroup, width_px: int) -> ElementGroup:
    return ElementGroup(width_px, block.height_px, moved(block.parts, (width_px - block.width_px) // 2, 0))
