"""Boxes, points and quarter turns in the pixel grid of one image.

Points are (x, y) in pixels, x to the right and y down, the origin at the outer corner of the first
pixel; sizes are (rows, columns). This is the grid of SCOORD graphic data (PS3.3 C.18.6.1.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Rotation = Literal[0, 90, 180, 270]
"""Degrees clockwise from "fingers up" to where the fingers point: 90 is fingers to the right."""


@dataclass(frozen=True, slots=True)
class Point:
    """A place in an image, in pixels."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Box:
    """A half-open pixel box: columns x0 to x1, rows y0 to y1, both ends without the last."""

    x0: int
    y0: int
    x1: int
    y1: int

    def __post_init__(self) -> None:
        if self.x1 <= self.x0 or self.y1 <= self.y0:
            raise ValueError(f"a box needs x0 < x1 and y0 < y1, found {self}")

    @property
    def width_px(self) -> int:
        return self.x1 - self.x0

    @property
    def height_px(self) -> int:
        return self.y1 - self.y0

    @property
    def area_px(self) -> int:
        return self.width_px * self.height_px

    @property
    def centre(self) -> Point:
        return Point((self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2)

    def clipped(self, rows: int, columns: int) -> Box:
        """The part of this box that lies in an image of the given size."""
        return Box(max(self.x0, 0), max(self.y0, 0), min(self.x1, columns), min(self.y1, rows))

    def grown(self, fraction: float) -> Box:
        """This box with a margin of `fraction` of its longer side on every side."""
        margin = round(fraction * max(self.width_px, self.height_px))
        return Box(self.x0 - margin, self.y0 - margin, self.x1 + margin, self.y1 + margin)

    def corners(self) -> tuple[Point, Point, Point, Point]:
        """Clockwise from the top left."""
        return (
            Point(self.x0, self.y0),
            Point(self.x1, self.y0),
            Point(self.x1, self.y1),
            Point(self.x0, self.y1),
        )


def intersection_over_union(a: Box, b: Box) -> float:
    """Jaccard index of two boxes, 0 (apart) to 1 (equal)."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a.area_px + b.area_px - shared)
