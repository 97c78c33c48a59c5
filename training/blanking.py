"""Takes burned-in text away from around a hand, and nothing else that a network would look at.

Text far from the hand goes with the crop. What lies in the crop is blanked where it stands well clear of
the outline and is drawn in thin, sharp strokes; background and soft tissue have none, so that a crop
without text stays as the node would see it.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Point

REACH = 0.03
"""Nearer to the outline nothing is touched, as a share of the crop's longer side."""
STROKE = 0.03
"""Wider is no stroke: a lead letter's are about 3 mm, a child's finger is 8 mm of 150."""
CONTRAST = 0.25
"""Least contrast of a stroke to what is around it, as a share of the hand's own range."""
GROWN = 0.012
LEAST_PX = 6
"""Fewer pixels in one piece are noise."""

Blank = Literal["text", "surroundings", "nothing"]
"""What is taken away around a hand."""

Values = NDArray[np.float32]
Mask = NDArray[np.bool_]


def blanked(values: Values, outline: tuple[Point, ...], what: Blank = "text") -> tuple[Values, int]:
    """Return a crop (rows, columns) without text beside the hand, and how many pixels that changed.

    With "surroundings" all that is clear of the outline goes, with "nothing" nothing. Blanked pixels get
    the background's median, a value that the crop already has.
    """
    clear = _clear_of(outline, values.shape)
    if what == "nothing" or not clear.any():
        return values, 0
    chosen = clear if what == "surroundings" else clear & _text(values, clear)
    if not chosen.any():
        return values, 0
    rest = values[clear & ~chosen]
    ground = rest if rest.size else values[clear]
    result = values.copy()
    result[chosen] = np.percentile(ground, 50, method="lower")
    return result, int(chosen.sum())


def _clear_of(outline: tuple[Point, ...], shape: tuple[int, ...]) -> Mask:
    """Mark what is farther from the outline than the reach."""
    mask = np.ones(shape, np.uint8)
    corners = np.rint([(point.x - 0.5, point.y - 0.5) for point in outline]).astype(np.int32)
    cv2.fillPoly(mask, [corners], 0)
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    return np.asarray(distance > _pixels(REACH, shape), np.bool_)


def _text(values: Values, clear: Mask) -> Mask:
    """Mark thin strokes, bright or dark, with some room around them."""
    hand = values[~clear]
    low, tissue, high = np.percentile(hand, (1, 15, 99.5)) if hand.size else (0.0, 0.0, 0.0)
    least = max(CONTRAST * (high - low), 1e-6)
    ground = float(np.median(values[clear]))
    kernel = np.ones((2 * (_pixels(STROKE, values.shape) // 2) + 1,) * 2, np.uint8)
    under = cv2.morphologyEx(values, cv2.MORPH_OPEN, kernel)
    over = cv2.morphologyEx(values, cv2.MORPH_CLOSE, kernel)
    # Strokes on tissue are bone that the outline missed: only background and white labels carry text.
    bright = (values - under > least) & (under < max((ground + tissue) / 2, ground + least / 4))
    dark = (over - values > least) & (over >= high)
    strokes = (bright | dark) & clear
    count, labels, stats, _ = cv2.connectedComponentsWithStats(strokes.astype(np.uint8), connectivity=8)
    large = np.zeros(count, np.bool_)
    large[1:] = stats[1:, cv2.CC_STAT_AREA] >= LEAST_PX
    found = np.asarray(large[labels], np.uint8)
    if not found.any():
        return np.zeros(values.shape, np.bool_)
    distance = cv2.distanceTransform(1 - found, cv2.DIST_L2, 5)
    return np.asarray(distance <= _pixels(GROWN, values.shape), np.bool_)


def _pixels(share: float, shape: tuple[int, ...]) -> int:
    return max(2, round(share * max(shape)))
