"""Where everything of the overlay lies, decided before anything is painted.

Radiographs keep their shape and stand apart from the words: a panel is beside or under its image, never
on it. Only the outlines of hands, and a short tag at a hand that was refused, lie on a radiograph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ra_node.dicom.overlay_margins import footer, header, listed
from ra_node.dicom.overlay_panel import refusal_panel
from ra_node.dicom.overlay_parts import Block, Part, moved, stacked
from ra_node.dicom.overlay_tile import GAP_PX, Plan, fitted, tile
from ra_node.domain.report import HandFinding, ImageFinding, Reason, StudyReport

MARGIN_PX = 48
TILE_GAP_PX = 64
LEAST_WIDTH_PX = 1700
MOST_IMAGES = 4

_WITHOUT_PICTURE = frozenset(
    {Reason.UNREADABLE_PIXELS, Reason.NO_PIXELS, Reason.TOO_LARGE, Reason.NOT_A_RADIOGRAPH, Reason.AI_MADE}
)

Displays = Mapping[str, NDArray[np.uint8]]


def shown_images(report: StudyReport) -> tuple[ImageFinding, ...]:
    """Return the images that the picture shows, in the report's order: at most four, judged ones first."""
    able = [image for image in report.images if _can_show(image)]
    ranked = sorted(range(len(able)), key=lambda n: (not _judged(able[n]), not able[n].hands, n))
    return tuple(able[n] for n in sorted(ranked[:MOST_IMAGES]))


def lay_out(report: StudyReport, displays: Displays) -> Block:
    """Lay out the whole picture of a report; its size follows from its content.

    `displays` are (rows, columns) by SOP Instance UID; they only tell where a tag would hide something.
    """
    shown = shown_images(report)
    tiles = [_tiled(_tiles(shown, report, displays))] if shown else []
    width = max([LEAST_WIDTH_PX, *(block.width_px for block in tiles)])
    blocks = [header(report, width), *(_centred(block, width) for block in tiles)]
    if not shown:
        blocks.append(refusal_panel(_reason(report), width))
    others = [image for image in report.images if image not in shown]
    if others and len(report.images) > 1:
        blocks.append(listed(others, report, width))
    blocks.append(footer(report, width))
    body = stacked(blocks, GAP_PX)
    parts = moved(body.parts, MARGIN_PX, MARGIN_PX)
    return Block(width + 2 * MARGIN_PX, body.height_px + 2 * MARGIN_PX, parts)


def _reason(report: StudyReport) -> str:
    """Why nothing of the study is shown."""
    refusals = [report.refusal, *(image.refusal for image in report.images)]
    return next((refusal.text for refusal in refusals if refusal is not None), "")


def _can_show(image: ImageFinding) -> bool:
    if image.rows <= 0 or image.columns <= 0:
        return False
    return image.refusal is None or image.refusal.reason not in _WITHOUT_PICTURE


def _judged(image: ImageFinding) -> bool:
    return any(hand.refusal is None for hand in image.hands)


def _tiles(shown: Sequence[ImageFinding], report: StudyReport, displays: Displays) -> list[Block]:
    plan = _plan(shown)
    plan = _levelled(plan, shown)
    sizes = [fitted(image, plan) for image in shown]
    cell = max(width for width, _ in sizes), max(height for _, height in sizes)
    numbers = {image.sop_instance_uid: n for n, image in enumerate(report.images, 1)}
    total = len(report.images)
    return [
        tile(
            image,
            f"Image {numbers[image.sop_instance_uid]} of {total}" if total > 1 else "",
            plan,
            cell,
            displays.get(image.sop_instance_uid),
        )
        for image in shown
    ]


def _plan(shown: Sequence[ImageFinding]) -> Plan:
    """Choose by count and shape, so that the whole picture is neither a tower nor a ribbon."""
    wide = any(len(image.hands) > 1 or image.columns > 1.15 * image.rows for image in shown)
    stacked_hands = all(len(image.hands) == 2 and not _side_by_side(image.hands) for image in shown)
    if len(shown) == 1:
        return Plan(1800, 1400, under=True) if wide and not stacked_hands else Plan(1500, 1700, under=False)
    if len(shown) == 2:
        return Plan(1800 if wide else 1100, 1300, under=True)
    return Plan(1800, 1000, under=True) if wide else Plan(900, 1000, under=False)


def _levelled(plan: Plan, shown: Sequence[ImageFinding]) -> Plan:
    """Show all radiographs equally high, unless that would make a large one small."""
    heights = [fitted(image, plan)[1] for image in shown]
    return replace(plan, height_px=min(heights)) if min(heights) > 0.6 * max(heights) else plan


def _side_by_side(hands: Sequence[HandFinding]) -> bool:
    xs = [hand.region.box.centre.x for hand in hands]
    ys = [hand.region.box.centre.y for hand in hands]
    return max(xs) - min(xs) >= max(ys) - min(ys)


def _tiled(tiles: Sequence[Block]) -> Block:
    """Two tiles a row, each column as wide as its widest tile."""
    columns = [max(tile.width_px for tile in tiles[n::2]) for n in range(min(len(tiles), 2))]
    rows = [_row(tiles[n : n + 2], columns) for n in range(0, len(tiles), 2)]
    return stacked(rows, TILE_GAP_PX)


def _row(tiles: Sequence[Block], columns: Sequence[int]) -> Block:
    parts: list[Part] = []
    x = 0
    for block, width in zip(tiles, columns, strict=False):
        parts += moved(block.parts, x + (width - block.width_px) // 2, 0)
        x += width + TILE_GAP_PX
    return Block(x - TILE_GAP_PX, max(block.height_px for block in tiles), tuple(parts))


def _centred(block: Block, width_px: int) -> Block:
    return Block(width_px, block.height_px, moved(block.parts, (width_px - block.width_px) // 2, 0))
