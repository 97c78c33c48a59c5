"""First frame of the overlay: whether to trust the result, the radiographs large, one verdict a hand.

The radiographs have the full width of the frame and at least 70 % of it; how the verdicts came about is the
second frame (`layout`). Frames are at most `LONGEST_PX` a side, whatever the number of images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC

import numpy as np
from numpy.typing import NDArray

from ra_node import __version__
from ra_node.dicom.overlay.elements import FINE_PX, MUTED, ElementGroup, Part, Photo, moved, settled, stacked
from ra_node.dicom.overlay.hand_marks import hand_marks
from ra_node.dicom.overlay.hand_strip import hand_strip, image_strip, refusal_strip
from ra_node.dicom.overlay.image_tile import withdrawn_band
from ra_node.dicom.overlay.layout import LONGEST_PX, can_show, has_rated_hand, study_refusal
from ra_node.dicom.overlay.status_band import status_band
from ra_node.dicom.overlay.thumbnails import ImageNumbers, thumbnails
from ra_node.dicom.overlay.typesetting import Pen
from ra_node.domain.geometry import Box
from ra_node.domain.refusal import Reason
from ra_node.domain.report import HandFinding, ImageFinding, StudyReport
from ra_node.domain.texts.report_trust import rated_hands

LEAST_WIDTH_PX = 720
MOST_LARGE, MOST_LARGE_REFUSED = 4, 2
ROUNDING_PX = 2
GAP_PX = 10
MARGIN_PX = 10
"""Beside strips and text only: radiographs reach the edge of the frame."""

MOST_RATIO = 2.2
"""Of the sides of the place of a radiograph: a longer one does not fill it, so that strips stay legible."""

Displays = Mapping[str, NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class FrameSource:
    """What a frame is made from: the displays (rows, columns) and numbers of images by SOP Instance UID."""

    report: StudyReport
    displays: Displays
    numbers: ImageNumbers
    pen: Pen


def large_images(report: StudyReport) -> tuple[ImageFinding, ...]:
    """The images shown large, in the report's order: those with a result, else the first refused ones."""
    able = [image for image in report.images if can_show(image)]
    rated = [image for image in able if has_rated_hand(image)]
    if rated:
        return tuple(rated[:MOST_LARGE])
    first = sorted(able, key=lambda image: not image.hands)[:MOST_LARGE_REFUSED]
    return tuple(image for image in able if image in first)


def pictured_images(report: StudyReport, layout: ElementGroup) -> tuple[ImageFinding, ...]:
    """The images whose pixels a frame shows, large or small, in the report's order."""
    pictured = {photo.sop_instance_uid for photo in layout.photos}
    return tuple(image for image in report.images if image.sop_instance_uid in pictured)


def lay_out_verdict(
    report: StudyReport, displays: Displays, pen: Pen, numbers: ImageNumbers | None = None
) -> ElementGroup:
    """Lay out the first frame, as large as fits: the arrangement with the largest radiographs."""
    frame = FrameSource(report, displays, numbers or {}, pen)
    large = large_images(report)
    made = [_fitted(frame, rows) for rows in _arrangements(large)]
    best = max(
        made,
        key=lambda block: (-max(block.height_px - LONGEST_PX, 0), round(radiograph_share(block), 3)),
    )
    whole = replace(best, parts=tuple(settled(best.parts)))
    return _marked(whole, large, frame)


def radiograph_share(block: ElementGroup) -> float:
    """Share of the frame that shows radiographs."""
    shown = sum(photo.box.width_px * photo.box.height_px for photo in block.photos)
    return shown / max(block.width_px * block.height_px, 1)


def _arrangements(images: Sequence[ImageFinding]) -> list[list[Sequence[ImageFinding]]]:
    """The images in rows of one to all of them."""
    count = len(images)
    return [[images[n : n + each] for n in range(0, count, each)] for each in range(1, count + 1)] or [[]]


def _fitted(frame: FrameSource, rows: Sequence[Sequence[ImageFinding]]) -> ElementGroup:
    """The widest frame that is not higher than it may be."""
    width = LONGEST_PX
    block = _laid_out(frame, rows, width)
    for _ in range(4):
        over = block.height_px - LONGEST_PX
        if over <= 0 or width <= LEAST_WIDTH_PX:
            break
        heights = sum(_row_height(row, width) for row in rows) or 1
        width = max(int(width * max(1 - over / heights, 0.3)), LEAST_WIDTH_PX)
        block = _laid_out(frame, rows, width)
    return block


def _laid_out(frame: FrameSource, rows: Sequence[Sequence[ImageFinding]], width: int) -> ElementGroup:
    report, pen = frame.report, frame.pen
    inner = width - 2 * MARGIN_PX
    blocks = [status_band(report, width, pen), *(_row(row, width, frame) for row in rows if row)]
    if not any(rows):
        blocks.append(_inset(refusal_strip(study_refusal(report), inner, pen), width))
    large = [image for row in rows for image in row]
    small = thumbnails(report, large, inner, pen, frame.numbers)
    blocks += [_inset(small, width)] if small.parts else []
    foot = pen.paragraph(footer_text(report, pen), FINE_PX, inner, lines=4, ink=MUTED)
    blocks.append(_inset(foot, width))
    whole = stacked(blocks, GAP_PX)
    return ElementGroup(width, whole.height_px + GAP_PX, whole.parts)


def _inset(block: ElementGroup, width: int) -> ElementGroup:
    return ElementGroup(width, block.height_px, moved(block.parts, MARGIN_PX, 0))


def _row_height(row: Sequence[ImageFinding], width: int) -> int:
    """Height at which the radiographs of a row, all equally high, fill the width."""
    ratios = [_ratio(image) for image in row]
    return max(int((width - GAP_PX * (len(row) - 1)) / sum(ratios)), 1)


def _ratio(image: ImageFinding) -> float:
    """Width to height of the place of an image."""
    return min(max(image.columns / image.rows, 1 / MOST_RATIO), MOST_RATIO)


def _row(row: Sequence[ImageFinding], width: int, frame: FrameSource) -> ElementGroup:
    """Radiographs side by side, each above the strips of its hands; all strips equally high."""
    height = _row_height(row, width)
    widths = [round(height * _ratio(image)) for image in row]
    widths[-1] = width - sum(widths[:-1]) - GAP_PX * (len(row) - 1)
    alone = len(rated_hands(frame.report)) == 1
    strips = [
        _strips(image, place, frame.pen, 0, alone=alone) for image, place in zip(row, widths, strict=True)
    ]
    deepest = max(block.height_px for block in strips)
    parts: list[Part] = []
    x = 0
    for image, place in zip(row, widths, strict=True):
        scale = min(place / image.columns, height / image.rows)
        size = max(round(scale * image.columns), 1), max(round(scale * image.rows), 1)
        if abs(size[0] - place) <= ROUNDING_PX:
            size = place, size[1]
        left, top = x + (place - size[0]) // 2, (height - size[1]) // 2
        parts.append(Photo(image.sop_instance_uid, Box(left, top, left + size[0], top + size[1])))
        parts += moved(_strips(image, place, frame.pen, deepest, alone=alone).parts, x, height + GAP_PX)
        x += place + GAP_PX
    return ElementGroup(width, height + GAP_PX + deepest, tuple(parts))


def _strips(image: ImageFinding, width: int, pen: Pen, height_px: int, *, alone: bool) -> ElementGroup:
    """The strips of an image, in the order of its hands from left to right."""
    hands: list[HandFinding] = sorted(image.hands, key=lambda hand: hand.region.box.centre.x)
    inner = width - 2 * MARGIN_PX
    if not hands:
        block = image_strip(image, inner, pen, height_px)
        return ElementGroup(width, block.height_px, moved(block.parts, MARGIN_PX, 0))
    each = (inner - GAP_PX * (len(hands) - 1)) // len(hands)
    least = max(hand_strip(hand, each, pen, height_px, alone=alone).height_px for hand in hands)
    parts: list[Part] = []
    for n, hand in enumerate(hands):
        strip = hand_strip(hand, each, pen, least, alone=alone)
        parts += moved(strip.parts, MARGIN_PX + n * (each + GAP_PX), 0)
    return ElementGroup(width, least, tuple(parts))


def _marked(block: ElementGroup, large: Sequence[ImageFinding], frame: FrameSource) -> ElementGroup:
    """The block with the marks of the hands on its large radiographs."""
    boxes = {photo.sop_instance_uid: photo.box for photo in block.photos}
    marks: list[Part] = []
    for image in large:
        display = frame.displays.get(image.sop_instance_uid)
        marks += hand_marks(image, boxes[image.sop_instance_uid], display, frame.pen)
        if image.refusal is not None and image.refusal.reason is Reason.WITHDRAWN:
            marks += withdrawn_band(boxes[image.sop_instance_uid], frame.pen)
    return replace(block, parts=(*block.parts, *settled(marks)))


def footer_text(report: StudyReport, pen: Pen) -> str:
    """Model, hash, time, and what the picture is not for."""
    made, bundle = report.created_at.astimezone(UTC), report.bundle
    return pen.say(
        "verdict_footer",
        bundle=bundle.name,
        bundle_version=bundle.version,
        sha256=bundle.sha256[:12],
        node_version=__version__,
        date=f"{made:%Y-%m-%d}",
        time=f"{made:%H:%M}",
    )
