"""The one recipe that turns a found hand into what a network sees.

Training and node call this same function, and a golden test pins its numbers: a bundle names the
recipe by `PREPROCESSING_ID`, and one that was made with another recipe is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Box, Rotation
from ra_node.domain.preprocessing import PREPROCESSING_ID
from ra_node.domain.report import HandRegion

__all__ = ["PREPROCESSING_ID", "CropFrame", "crop_frame", "hand_crop"]

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
    frame = crop_frame(values.shape, region, side_px)
    cut = frame.cut
    small = _shrunk(values[cut.y0 : cut.y1, cut.x0 : cut.x1], frame.size)
    scaled = _scaled(small, _inside(region, cut, small.shape))
    return _padded(np.rot90(scaled, k=region.rotation // 90), side_px)


@dataclass(frozen=True, slots=True)
class CropFrame:
    """Where a crop lies in its image: `cut` is resized to `size` (rows, columns), turned, and padded."""

    cut: Box
    size: tuple[int, int]
    rotation: Rotation
    side_px: int

    def to_image(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (N, 2) as (x, y) of the crop to those of the image; the padding lies outside the cut."""
        turned, (rows, columns) = self.rotation // 90, self.size
        upright = (columns, rows) if turned % 2 else (rows, columns)
        away = [(self.side_px - upright[1]) // 2, (self.side_px - upright[0]) // 2]
        points = np.asarray(points, np.float64) - away
        for done in range(turned):  # undoes one quarter turn of np.rot90 each
            height = upright[done % 2]
            points = np.stack([height - points[:, 1], points[:, 0]], axis=1)
        scale = (self.cut.width_px / columns, self.cut.height_px / rows)
        return np.asarray(points * scale + [self.cut.x0, self.cut.y0], np.float64)


def crop_frame(shape: tuple[int, ...], region: HandRegion, side_px: int = 224) -> CropFrame:
    """The frame of `hand_crop` in an image (rows, columns); ValueError where the box lies outside of it."""
    cut = region.box.grown(MARGIN).clipped(shape[0], shape[1])
    scale = side_px / max(cut.height_px, cut.width_px)
    size = (max(1, round(cut.height_px * scale)), max(1, round(cut.width_px * scale)))
    return CropFrame(cut, size, region.rotation, side_px)


def _shrunk(cut: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize to (rows, columns); area averaging keeps fine bone from aliasing."""
    small = cv2.resize(cut, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float32)


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
