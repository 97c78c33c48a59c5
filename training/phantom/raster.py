"""Blurs, resizes and rounds float32 fields (rows, columns) and outlines."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def blurred(field: Array, sigma_px: float, sigma_y_px: float | None = None) -> Array:
    """A Gaussian blur, `sigma_y_px` along the rows' direction if it differs."""
    return cast("Array", cv2.GaussianBlur(field, (0, 0), sigma_px, sigmaY=sigma_y_px or sigma_px))


def far_blurred(field: Array, sigma_px: float) -> Array:
    """A wide Gaussian blur on a reduced copy, whose result has no finer detail."""
    shrink = max(1, int(sigma_px / 2))
    if shrink == 1:
        return blurred(field, sigma_px)
    rows, columns = field.shape
    small = resized(field, -(-rows // shrink), -(-columns // shrink), cv2.INTER_AREA)
    return resized(blurred(small, sigma_px / shrink), rows, columns, cv2.INTER_LINEAR)


def resized(field: Array, rows: int, columns: int, method: int = cv2.INTER_LINEAR) -> Array:
    """The field on a grid of another size."""
    return cast("Array", cv2.resize(field, (columns, rows), interpolation=method))


def looked_up(field: Array, columns: Array, rows: Array) -> Array:
    """The field's values at fractional positions, each (rows, columns)."""
    return cast("Array", cv2.remap(field, columns, rows, cv2.INTER_LINEAR))


def depth_inside(mask: NDArray[np.uint8]) -> Array:
    """Distance of each pixel from the nearest pixel outside the mask, in pixels; 0 outside."""
    return cast("Array", cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_5))


def filled(points: Array, rows: int, columns: int) -> NDArray[np.uint8]:
    """Mask (rows, columns) with 255 inside an outline (n, 2) in pixels."""
    mask = np.zeros((rows, columns), np.uint8)
    cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 255, shift=4)
    return mask


def rounded(points: Array, steps: int = 6) -> Array:
    """A closed Catmull-Rom curve through the points of an outline (n, 2): (n * steps, 2)."""
    a, b, c, d = (np.roll(points, shift, axis=0)[:, None] for shift in (1, 0, -1, -2))
    t = np.linspace(0, 1, steps, endpoint=False, dtype=np.float32)[None, :, None]
    curve = b + 0.5 * t * ((c - a) + t * ((2 * a - 5 * b + 4 * c - d) + t * (3 * (b - c) + d - a)))
    return curve.reshape(-1, 2).astype(np.float32)
