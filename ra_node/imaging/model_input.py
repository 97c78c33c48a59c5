"""The one recipe that turns a found hand into what a network sees.

Training and node call this same function, and a golden test pins its numbers: a bundle names the
recipe by `PREPROCESSING_ID`, and one that was made with another recipe is refused.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Box
from ra_node.domain.preprocessing import PREPROCESSING_ID
from ra_node.domain.report import HandRegion

__all__ = ["PREPROCESSING_ID", "hand_crop"]

MARGIN = 0.04
"""Margin around the box of the hand, as a fraction of the longer side of the box."""

LOW_PERCENT, HIGH_PERCENT = 1.0, 99.5
"""Percentiles inside the outline that become 0 and 255."""

LEAST_INSIDE = 0.05
"""An outline that holds a smaller share of the crop is not believed; the whole crop sets the scale."""


def hand_crop(values: NDArray[np.float32], region: HandRegion, side_px: int = 224) -> NDArray[np.uint8]:
    """Cut one hand out of `values` (rows, columns): (side_px, side_px), fingers up, bone bright.

    Nothing outside the box with its margin is looked at. The shape of the hand is kept: the shorter
    side is padded with 0 on both sides. Intensities run from 0 to 255 between two percentiles of what the
    outline of the hand holds, so that neither a lead marker nor the background sets the scale.
    """
    cut = _margin_box(region.box, values.shape[0], values.shape[1])
    small = _shrunk(values[cut.y0 : cut.y1, cut.x0 : cut.x1], side_px)
    scaled = _scaled(small, _inside(region, cut, small.shape))
    return _padded(np.rot90(scaled, k=region.rotation // 90), side_px)


def _margin_box(box: Box, rows: int, columns: int) -> Box:
    """Raise ValueError where the box lies outside the image."""
    return box.grown(MARGIN).clipped(rows, columns)


def _shrunk(cut: NDArray[np.float32], side_px: int) -> NDArray[np.float32]:
    """Resize so that the longer side has `side_px` pixels; area averaging keeps fine bone from aliasing."""
    rows, columns = cut.shape
    scale = side_px / max(rows, columns)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    source = np.ascontiguousarray(cut, dtype=np.float32)
    return np.asarray(cv2.resize(source, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _inside(region: HandRegion, cut: Box, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which pixels of the resized cut (rows, columns) lie inside the outline of the hand."""
    scale = (shape[1] / cut.width_px, shape[0] / cut.height_px)
    corners = [((p.x - cut.x0) * scale[0] - 0.5, (p.y - cut.y0) * scale[1] - 0.5) for p in region.outline]
    mask = np.zeros(shape, np.uint8)
    if len(corners) >= 3:
        cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 1)
    return mask > 0 if mask.mean() >= LEAST_INSIDE else np.ones(shape, np.bool_)


def _scaled(small: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Map the percentiles to 0 and 255; a hand without contrast becomes 0."""
    low, high = np.percentile(small[inside], (LOW_PERCENT, HIGH_PERCENT))
    if high - low <= 1e-6 * max(1.0, abs(float(high))):
        return np.zeros(small.shape, np.uint8)
    return np.asarray(np.rint(np.clip((small - low) / (high - low), 0.0, 1.0) * 255.0), dtype=np.uint8)


def _padded(scaled: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """Centre a crop in a black square (side_px, side_px)."""
    rows, columns = scaled.shape
    top, left = (side_px - rows) // 2, (side_px - columns) // 2
    square = np.zeros((side_px, side_px), np.uint8)
    square[top : top + rows, left : left + columns] = scaled
    return square
