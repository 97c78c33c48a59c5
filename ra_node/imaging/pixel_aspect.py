"""Resamples an image to square pixels, and maps results back to its own pixels.

Detection, crops and networks depend on shape, so a distorted aspect ratio changes the result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ra_node.domain.geometry import Box, Point
from ra_node.domain.report import Explanation, HandRegion
from ra_node.imaging.pixels import Radiograph

SAME = 1.02
"""Two aspect ratios within this factor are equal, because spacings are rounded."""
_MOST = 4.0
_TAKEN = "square pixels were assumed"
_MOST_PIXELS = 30_000_000
"""A larger image is reduced along its finer axis, a smaller one enlarged along its coarser axis."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Scale from pixels of the image to those of the square grid, in x and y."""

    x: float = 1.0
    y: float = 1.0

    @property
    def is_none(self) -> bool:
        return self.x == self.y


UNSTRETCHED = Stretch()


def true_aspect(stated: Sequence[float]) -> tuple[float, tuple[str, ...]]:
    """Pixel aspect ratio (height by width) from all attributes that state it, with remarks."""
    if not stated or all(1 / SAME <= ratio <= SAME for ratio in stated):
        return 1.0, ()
    told = ", ".join(dict.fromkeys(f"{ratio:.3g}" for ratio in stated))
    if max(stated) > SAME * min(stated):
        return 1.0, (
            f"The header contradicts itself about the shape of a pixel (height by width {told}): {_TAKEN}.",
        )
    if not 1 / _MOST <= stated[0] <= _MOST:
        return 1.0, (f"The header gives an impossible shape of a pixel (height by width {told}): {_TAKEN}.",)
    text = f"The pixels are not square (height by width {told}); the image was resampled before analysis."
    return stated[0], (text,)


def squared(radiograph: Radiograph, aspect: float) -> tuple[Radiograph, Stretch]:
    """Resample to square pixels; `aspect` is height by width of a pixel."""
    if aspect == 1.0:
        return radiograph, UNSTRETCHED
    rows, columns = radiograph.values.shape
    grow = rows * columns * max(aspect, 1 / aspect) <= _MOST_PIXELS
    tall = aspect > 1
    x = 1.0 if tall == grow else 1 / aspect
    y = aspect if tall == grow else 1.0
    size = (max(1, round(columns * x)), max(1, round(rows * y)))
    way = cv2.INTER_LINEAR if grow else cv2.INTER_AREA
    resampled = replace(
        radiograph,
        values=np.asarray(cv2.resize(radiograph.values, size, interpolation=way), np.float32),
        display=np.asarray(cv2.resize(radiograph.display, size, interpolation=way), np.uint8),
    )
    return resampled, Stretch(size[0] / columns, size[1] / rows)


def region_in_image(region: HandRegion, stretch: Stretch, shape: tuple[int, int]) -> HandRegion:
    """Map a region of the square grid to the pixels of its image (rows, columns)."""
    return _moved(region, 1 / stretch.x, 1 / stretch.y, shape)


def region_in_square(region: HandRegion, stretch: Stretch, shape: tuple[int, int]) -> HandRegion:
    """Map a region of an image (rows, columns) to the square grid."""
    rows, columns = square_shape(stretch, shape)
    return _moved(region, stretch.x, stretch.y, (rows, columns))


def square_shape(stretch: Stretch, shape: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the square grid of an image (rows, columns)."""
    return round(shape[0] * stretch.y), round(shape[1] * stretch.x)


def explanation_in_image(explanation: Explanation, stretch: Stretch) -> Explanation:
    """Map the contours of the square grid to the pixels of the image."""
    lines = tuple(
        replace(line, points=tuple(Point(point.x / stretch.x, point.y / stretch.y) for point in line.points))
        for line in explanation.contours
    )
    return replace(explanation, contours=lines)


def _moved(region: HandRegion, x: float, y: float, shape: tuple[int, int]) -> HandRegion:
    rows, columns = shape
    box = region.box
    return replace(
        region,
        box=Box(
            math.floor(box.x0 * x), math.floor(box.y0 * y), math.ceil(box.x1 * x), math.ceil(box.y1 * y)
        ).clipped(rows, columns),
        outline=tuple(Point(min(p.x * x, columns), min(p.y * y, rows)) for p in region.outline),
        joints=tuple(replace(joint, at=Point(joint.at.x * x, joint.at.y * y)) for joint in region.joints),
    )
