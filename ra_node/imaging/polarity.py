"""Detects images with inverted polarity (dark bone) and inverts them.

The photometric interpretation may be wrong, and a PNG has none. The networks would rate an inverted hand
without an error.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.report import HandRegion
from ra_node.imaging.median import median
from ra_node.imaging.pixels import Radiograph

INVERTED = "Greyscale was inverted against the header (bone dark) and has been corrected."

_SIDE_PX = 256
_RIM = 0.04
"""Width of the background rim used for comparison, as a share of the hand's longer side."""


def turned_round(radiograph: Radiograph) -> Radiograph:
    """Invert an image (rows, columns) within its range."""
    values = radiograph.values
    return replace(
        radiograph,
        values=values.min() + values.max() - values,
        display=np.uint8(255) - radiograph.display,
    )


def is_dark(values: NDArray[np.float32], region: HandRegion) -> bool:
    """Whether the hand at `region` of values (rows, columns) is darker than the background beside it."""
    rows, columns = values.shape
    box = region.box.grown(3 * _RIM).clipped(rows, columns)
    step = max(1, max(box.width_px, box.height_px) // _SIDE_PX)
    part = values[box.y0 : box.y1 : step, box.x0 : box.x1 : step]
    corners = [[(point.x - box.x0) / step, (point.y - box.y0) / step] for point in region.outline]
    mask = np.zeros(part.shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(np.array(corners)).astype(np.int32)], 1)
    width = 2 + max(2, round(_RIM * max(part.shape)))
    kernel = np.ones((3, 3), np.uint8)
    inside = cv2.erode(mask, kernel, iterations=2) > 0
    grown = cv2.dilate(mask, kernel, iterations=width)
    beside = (grown > 0) & (cv2.dilate(mask, kernel, iterations=2) == 0)
    if not inside.any() or not beside.any():
        return False
    return median(part[inside]) < median(part[beside])
