"""Preprocessing of a detected hand to the model input: the hand inside its outline.

Training and node call this same function, and a golden test fixes its output: a bundle names the
preprocessing by `PREPROCESSING_ID`, and one that was trained with another is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Box, Rotation
from ra_node.domain.preprocessing import PREPROCESSING_ID
from ra_node.domain.report import HandRegion

__all__ = ["PREPROCESSING_ID", "CropFrame", "crop_frame", "hand_crop", "outline_in_crop"]

MARGIN = 0.04
"""Margin around the box of the hand, as a fraction of the longer side of the box."""

LOW_PERCENT, HIGH_PERCENT = 1.0, 99.5
"""Percentiles inside the outline that become 0 and 255."""

RIM = 0.02
"""Width of the rim that is kept around the outline, as a fraction of the longer side of the box: 4 mm at a
hand of 20 cm. Skin and the edges of joints stay where the outline lies a little inside of them."""

LEAST_INSIDE = 0.05
"""An outline with a smaller share of the crop is implausible; the whole crop is used instead."""


def hand_crop(values: NDArray[np.float32], region: HandRegion, side_px: int = 224) -> NDArray[np.uint8]:
    """Crop one hand of `values` (rows, columns): (side_px, side_px), fingers up, bone bright.

    Only pixels inside the outline and its rim are read: the values of others do not change the crop. They are
    0, as is the padding of the shorter side, so that the aspect ratio of the hand is kept. Intensities are
    scaled to 0..255 between two percentiles of the pixels inside the outline.
    """
    frame = crop_frame(values.shape, region, side_px)
    cut = frame.cut
    mask = _outline_mask(region, cut)
    small, shown = _shrunk(values[cut.y0 : cut.y1, cut.x0 : cut.x1], mask, frame.size)
    scaled = _scaled(small, _inside(region, cut, small.shape) & shown)
    return _padded(np.rot90(np.where(shown, scaled, 0), k=region.rotation // 90), side_px)


def outline_in_crop(region: HandRegion, frame: CropFrame, fine: int = 1) -> NDArray[np.bool_]:
    """Mask of a crop at `fine` times its resolution: inside the outline, without its rim."""
    rows, columns = (fine * length for length in frame.size)
    turned = np.rot90(_inside(region, frame.cut, (rows, columns)), k=region.rotation // 90)
    side = fine * frame.side_px
    top, left = (fine * ((frame.side_px - length // fine) // 2) for length in turned.shape)
    square = np.zeros((side, side), np.bool_)
    square[top : top + turned.shape[0], left : left + turned.shape[1]] = turned
    return square


def _outline_mask(region: HandRegion, cut: Box) -> NDArray[np.uint8]:
    """Mark the outline with its rim in the cut: (rows, columns) of 0 and 1.

    All are 1 where the outline is missing, or too small to be one of this box.
    """
    shape = (cut.height_px, cut.width_px)
    corners = np.array([(p.x - cut.x0 - 0.5, p.y - cut.y0 - 0.5) for p in region.outline])
    if len(corners) < 3 or cv2.contourArea(corners.astype(np.float32)) < LEAST_INSIDE * shape[0] * shape[1]:
        return np.ones(shape, np.uint8)
    mask, polygon = np.zeros(shape, np.uint8), [np.rint(corners).astype(np.int32)]
    rim_px = RIM * max(region.box.height_px, region.box.width_px)
    cv2.fillPoly(mask, polygon, 1)
    cv2.polylines(mask, polygon, isClosed=True, color=1, thickness=max(3, 2 * round(rim_px) + 1))
    return mask


@dataclass(frozen=True, slots=True)
class CropFrame:
    """Geometry of a crop in its image: `cut` is resized to `size` (rows, columns), rotated, and padded."""

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


def _shrunk(
    cut: NDArray[np.float32], mask: NDArray[np.uint8], size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Resize the masked pixels to (rows, columns), with the mask of the result.

    Area averaging avoids aliasing of fine bone; at the rim it averages over the masked pixels only.
    """
    shape = (size[1], size[0])
    total = cv2.resize(cv2.copyTo(cut, mask), shape, interpolation=cv2.INTER_AREA)
    share = cv2.resize(mask.astype(np.float32), shape, interpolation=cv2.INTER_AREA)
    shown = share >= 0.5  # a pixel belongs to the class that covers most of it
    return np.asarray(total / np.where(shown, share, 1.0), dtype=np.float32), shown


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
