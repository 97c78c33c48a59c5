"""Paints a layout: radiographs first, then lines, frames and text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.dicom.overlay.elements import GROUND, ElementGroup, Ink, Outline, Photo, Rectangle, Words
from ra_node.dicom.overlay.fonts import ascent_px, letters, stroke_px
from ra_node.dicom.overlay.layout import lay_out
from ra_node.dicom.overlay.thumbnails import ImageNumbers
from ra_node.dicom.overlay.typesetting import pen_of
from ra_node.dicom.overlay.verdict_frame import lay_out_verdict
from ra_node.domain.geometry import Box, Point
from ra_node.domain.report import StudyReport
from ra_node.domain.texts.translations import Language, english

DASH_PX = (20.0, 14.0)
"""Length of a dash and of the gap after it."""

HALO: Ink = (0, 0, 0)
SHIFT = 4
"""OpenCV takes coordinates in parts of 2**-4 of a pixel."""


def render_overlay(
    report: StudyReport,
    displays: Mapping[str, NDArray[np.uint8]],
    language: Language | None = None,
    numbers: ImageNumbers | None = None,
) -> NDArray[np.uint8]:
    """Draw the first frame of a report, in English without a language: (rows, columns, 3) RGB.

    `displays` holds the display pixels (rows, columns) by SOP Instance UID, bone bright. Their contrast is
    not changed. The place of an image without display stays dark; its results are still written. Raises Fatal
    where the font of the language is not installed.
    """
    return paint(lay_out_verdict(report, displays, pen_of(language or english()), numbers), displays)


def render_detail(
    report: StudyReport, displays: Mapping[str, NDArray[np.uint8]], language: Language | None = None
) -> NDArray[np.uint8]:
    """Draw the second frame, how the result came about: (rows, columns, 3) RGB."""
    return paint(lay_out(report, displays, pen_of(language or english())), displays)


def paint(layout: ElementGroup, displays: Mapping[str, NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Paint a layout: (rows, columns, 3) RGB."""
    canvas = np.empty((layout.height_px, layout.width_px, 3), np.uint8)
    _fill(canvas, Box(0, 0, layout.width_px, layout.height_px), GROUND)
    for photo in layout.photos:
        _put_photo(canvas, photo, displays.get(photo.sop_instance_uid))
    for outline in layout.outlines:
        _draw_outline(canvas, outline)
    for frame in layout.frames:
        _draw_frame(canvas, frame)
    for words in layout.words:
        _draw_words(canvas, words)
    return canvas


def _fill(canvas: NDArray[np.uint8], box: Box, ink: Ink) -> None:
    """Fill a box; numpy would take fifty times as long to repeat three bytes."""
    cv2.rectangle(canvas, (box.x0, box.y0), (box.x1 - 1, box.y1 - 1), ink, cv2.FILLED)


def _put_photo(canvas: NDArray[np.uint8], photo: Photo, display: NDArray[np.uint8] | None) -> None:
    if display is None:
        return
    box = photo.box
    shrinks = display.shape[1] > box.width_px
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    fitted = cv2.resize(display, (box.width_px, box.height_px), interpolation=method)
    place = canvas[box.y0 : box.y1, box.x0 : box.x1]
    cv2.cvtColor(fitted, cv2.COLOR_GRAY2RGB, dst=place)


def _draw_outline(canvas: NDArray[np.uint8], outline: Outline) -> None:
    """A light line in a dark halo, visible on bone and on black alike."""
    points = [*outline.points, outline.points[0]] if outline.closed else list(outline.points)
    strokes = list(dashes(points)) if outline.dashed else [points]
    fixed = [_fixed_point(stroke) for stroke in strokes]
    for ink, width in ((HALO, outline.line_px + 2 * outline.halo_px), (outline.ink, outline.line_px)):
        cv2.polylines(
            canvas,
            fixed,
            isClosed=False,
            color=ink,
            thickness=width,
            lineType=cv2.LINE_AA,
            shift=SHIFT,
        )


def _fixed_point(stroke: Sequence[Point]) -> NDArray[np.int32]:
    """Give the points in sixteenths of a pixel, as OpenCV takes them."""
    places = np.array([(point.x, point.y) for point in stroke])
    return np.round(places * (1 << SHIFT)).astype(np.int32)


def dashes(points: Sequence[Point], dash_px: tuple[float, float] = DASH_PX) -> Iterator[list[Point]]:
    """Cut a line into dashes of even length that follow its corners."""
    period = sum(dash_px)
    at = 0.0
    stroke: list[Point] = []
    for a, b in pairwise(points):
        length = float(np.hypot(b.x - a.x, b.y - a.y))
        gone = 0.0
        while gone < length:
            phase = (at + gone) % period
            inked = phase < dash_px[0]
            step = min((dash_px[0] if inked else period) - phase, length - gone)
            step = max(step, 1e-6)
            if inked:
                stroke = stroke or [_between(a, b, gone / length)]
                stroke.append(_between(a, b, min((gone + step) / length, 1.0)))
            elif stroke:
                yield stroke
                stroke = []
            gone += step
        at += length
    if stroke:
        yield stroke


def _between(a: Point, b: Point, part: float) -> Point:
    return Point(a.x + (b.x - a.x) * part, a.y + (b.y - a.y) * part)


def _draw_frame(canvas: NDArray[np.uint8], frame: Rectangle) -> None:
    """Fill a frame and draw its line inside its edge."""
    box, line_px = frame.box, frame.line_px
    if frame.fill is not None:
        _fill(canvas, box, frame.fill)
    if frame.line is None:
        return
    a, b, c, d = box.corners()
    for side in ((a, b), (b, c), (c, d), (d, a)):
        for stroke in dashes(side) if frame.dashed else (side,):
            _fill(canvas, _bar(stroke, box, line_px), frame.line)


def _bar(stroke: Sequence[Point], box: Box, line_px: int) -> Box:
    """One stroke of a frame as a bar that stays inside the frame."""
    x0, x1 = sorted((round(stroke[0].x), round(stroke[-1].x)))
    y0, y1 = sorted((round(stroke[0].y), round(stroke[-1].y)))
    x0, y0 = min(x0, box.x1 - line_px), min(y0, box.y1 - line_px)
    return Box(x0, y0, max(x0 + line_px, x1), max(y0 + line_px, y1))


def _draw_words(canvas: NDArray[np.uint8], words: Words) -> None:
    """Blend the text colour into the pixels by glyph coverage."""
    drawn = letters(words.face, words.text, words.size_px, bold=words.bold)
    top = words.box.y0 + ascent_px(words.face, words.size_px) + drawn.top
    left = words.box.x0 + stroke_px(words.face, words.size_px, bold=words.bold) + drawn.left
    cover = drawn.cover[max(-top, 0) :, max(-left, 0) :]
    place = canvas[max(top, 0) :, max(left, 0) :][: cover.shape[0], : cover.shape[1]]
    cover = cover[: place.shape[0], : place.shape[1]]
    if cover.size == 0:
        return
    each = cv2.cvtColor(cover, cv2.COLOR_GRAY2RGB)
    ink = cv2.multiply(each, np.array((*words.ink, 0), float), scale=1 / 255)
    under = cv2.multiply(place, cv2.bitwise_not(each), scale=1 / 255)
    cv2.add(under, ink, dst=place)
