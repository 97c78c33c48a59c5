"""Offers every bright shape that could hold a palm, at every grey level worth a look.

No single threshold finds hands in frames, collimated fields and halos, so the levels are swept and the
shapes judged afterwards. Everything here happens at a reduced scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

LONG_SIDE_PX = 400
_LEVELS = (np.linspace(0.25, 0.95, 15), np.linspace(0.02, 0.95, 13))
"""Quantiles of the grey values, per view; a black surround is left out of those of the second."""
_LEAST_SHAPE = 0.012
"""A smaller share of the image is no hand but a marker."""
_LARGEST_HOLE = 0.004
_LEAST_FRAME = 0.4
"""A frame covers more than this share of an edge; a forearm covers less."""
_LEAST_RADIUS_PX = 0.028 * LONG_SIDE_PX
_LARGEST_RADIUS = 0.30
_MOST_PALMS = 4

Picture = NDArray[np.float32]
Mask = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Palm:
    """The largest disc in a part of one bright shape, in pixels of the reduced picture.

    `shape` is the mask of the whole shape cut to its bounding box, whose corner is (left, top).
    """

    x: float
    y: float
    radius: float
    level: int
    view: int
    shape: Mask
    left: int
    top: int


def reduced(values: NDArray[np.float32], long_side_px: int = LONG_SIDE_PX) -> tuple[Picture, float]:
    """Shrink to the given size; give the picture (rows, columns) and its pixels per image pixel."""
    rows, columns = values.shape
    scale = min(1.0, long_side_px / max(rows, columns))
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    picture = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.medianBlur(picture.astype(np.float32), 3), np.float32), scale


def unframed(picture: Picture) -> Picture:
    """Darken the white frame that collimators and scanners leave along the edges of an image."""
    low, high = (float(value) for value in np.quantile(picture[::2, ::2], (0.05, 0.999)))
    white = (picture >= high - 0.03 * (high - low)).astype(np.uint8)
    count, labels = cv2.connectedComponents(white, connectivity=4)
    frame = np.zeros(count, np.uint8)
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        frame |= np.bincount(edge, minlength=count) > _LEAST_FRAME * len(edge)
    frame[0] = 0
    if not frame.any():
        return picture
    grown = cv2.dilate(frame[labels], np.ones((5, 5), np.uint8))
    return np.where(grown > 0, np.float32(low), picture)


def views(picture: Picture, around_px: float = 0.08 * LONG_SIDE_PX) -> tuple[Picture, Picture]:
    """Give the picture with its surroundings mostly taken away, and as it is.

    The first parts fingers from halos and frames; the second serves bright fields in dark surrounds,
    whose rim outshines the hand in the first. `around_px` is about half a palm's radius.
    """
    low, high = np.quantile(picture[::2, ::2], (0.01, 0.99))
    clipped = np.clip(picture, low, high)
    small = cv2.resize(clipped, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 0.25 * around_px)
    around = cv2.resize(small, clipped.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return clipped - np.float32(0.7) * around, clipped


def palms(picture: Picture, view: int) -> Iterator[Palm]:
    """Yield the palms of all shapes at all levels, darkest level first."""
    grey = picture[::2, ::2]
    if view == 1:
        lit = grey > grey.min() + 0.03 * np.ptp(grey)
        grey = grey[lit] if lit.any() else grey
    levels = np.unique(np.quantile(grey, _LEVELS[view]))
    for level, threshold in enumerate(levels):
        yield from _palms_at(_bright(picture, float(threshold)), level, view)


def _bright(picture: Picture, threshold: float) -> Mask:
    """Mask what is brighter, without specks and with small holes filled."""
    mask = (picture > threshold).astype(np.uint8)
    mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(1 - mask, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < _LARGEST_HOLE * mask.size
    small[0] = False  # label 0 is the mask itself
    mask[small[labels]] = 1
    return mask


def _palms_at(mask: Mask, level: int, view: int) -> Iterator[Palm]:
    """Yield the palms of the shapes of one mask."""
    depth = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    for label in range(1, count):
        left, top, width, height, area = (int(value) for value in stats[label])
        if area < _LEAST_SHAPE * mask.size:
            continue
        window = np.s_[top : top + height, left : left + width]
        shape = (labels[window] == label).astype(np.uint8)
        for x, y, radius in _discs(np.where(shape, depth[window], np.float32(0))):
            if radius <= _LARGEST_RADIUS * max(mask.shape):
                yield Palm(x + left, y + top, radius, level, view, shape, left, top)


def _discs(depth: NDArray[np.float32]) -> Iterator[tuple[int, int, float]]:
    """Yield (x, y, radius) of the largest inscribed discs that keep clear of each other."""
    largest = 0.0
    for _ in range(_MOST_PALMS):
        _, radius, _, (x, y) = cv2.minMaxLoc(depth)
        largest = max(largest, radius)
        if radius < max(_LEAST_RADIUS_PX, 0.5 * largest):
            return
        yield x, y, radius
        cv2.circle(depth, (x, y), int(2.2 * radius), 0, -1)
