"""Transforms points between the millimetres of one hand and the pixels of its image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Box

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MillimetreTransform:
    """An affine map: pixels (x, y) = matrix @ millimetres (x, y) + origin.

    The matrix is a rotation with or without a reflection, times pixels per millimetre.
    """

    matrix: Array
    origin: Array
    rows: int
    columns: int

    @property
    def px_per_mm(self) -> float:
        return float(np.sqrt(abs(np.linalg.det(self.matrix))))

    def to_px(self, points: Array) -> Array:
        """Points (n, 2) in mm to points (n, 2) in pixels."""
        result: Array = (points @ self.matrix.T + self.origin).astype(np.float32)
        return result

    def window(self, points: Array, margin_mm: float) -> Box | None:
        """The pixel box around points (n, 2) in mm with a margin; None where it is outside the image."""
        px = self.to_px(points)
        margin = margin_mm * self.px_per_mm
        low, high = np.floor(px.min(axis=0) - margin), np.ceil(px.max(axis=0) + margin)
        x0, y0 = max(int(low[0]), 0), max(int(low[1]), 0)
        x1, y1 = min(int(high[0]), self.columns), min(int(high[1]), self.rows)
        return Box(x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None

    def grid_mm(self, box: Box) -> tuple[Array, Array]:
        """Positions of the pixel centres of a box in mm, x and y, each (rows, columns)."""
        inverse = np.linalg.inv(self.matrix)
        x = np.arange(box.x0, box.x1, dtype=np.float32)[None, :] + np.float32(0.5 - self.origin[0])
        y = np.arange(box.y0, box.y1, dtype=np.float32)[:, None] + np.float32(0.5 - self.origin[1])
        m = inverse.astype(np.float32)
        return m[0, 0] * x + m[0, 1] * y, m[1, 0] * x + m[1, 1] * y

    def cropped(self, box: Box) -> MillimetreTransform:
        """The same frame on a part of the image."""
        start = np.array([box.x0, box.y0], np.float32)
        return MillimetreTransform(self.matrix, self.origin - start, box.height_px, box.width_px)

    def coarser(self, factor: int) -> MillimetreTransform:
        """The same frame on pixels `factor` times as wide."""
        rows, columns = -(-self.rows // factor), -(-self.columns // factor)
        return MillimetreTransform(
            self.matrix / np.float32(factor), self.origin / np.float32(factor), rows, columns
        )


def place_frame(
    middle_px: tuple[float, float],
    px_per_mm: float,
    tilt_deg: float,
    size: tuple[int, int],
    *,
    mirrored: bool,
) -> MillimetreTransform:
    """Transform with the origin of a hand at a pixel, fingers up and rotated clockwise by `tilt_deg`."""
    angle = np.deg2rad(tilt_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    flip = np.diag([-1.0 if mirrored else 1.0, -1.0])
    matrix = (px_per_mm * turn @ flip).astype(np.float32)
    return MillimetreTransform(matrix, np.array(middle_px, np.float32), *size)
