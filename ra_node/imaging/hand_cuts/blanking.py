"""Removes burned-in text beside a hand without a change of pixels that a network uses.

Text far from the hand is outside the crop. In the crop, thin strokes and small lead markers are blanked
where they are on background and clear of the outline; a crop without any is unchanged. Text that touches the
hand, or that the detector included in its outline, remains. A box drawn by a person is no outline of a hand:
with `reach` 0 everything outside of it is blanked.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Point

REACH = 0.03
"""Distance from the outline within which nothing is blanked, as a share of the crop's longer side."""
STROKE = 0.03
"""Greatest width of a stroke: those of lead letters are about 3 mm, a child's finger is 8 mm of 150."""
CONTRAST = 0.25
"""Least contrast of a stroke to its surroundings, as a share of the hand's range."""
LETTER = 0.15
"""Greatest length of a lead letter or ball; longer pieces are collimator edges."""
GROWN = 0.012
"""Margin around text that is blanked with it."""
LEAST_PX = 6
"""Least pixels of a piece; smaller ones are noise."""

Blank = Literal["text", "surroundings", "nothing"]
"""What is blanked around a hand."""

Values = NDArray[np.float32]
Mask = NDArray[np.bool_]


def blanked(
    values: Values, outline: tuple[Point, ...], what: Blank = "text", reach: float = REACH
) -> tuple[Values, int]:
    """Return a crop (rows, columns) without text beside the hand, and the number of changed pixels.

    "surroundings" blanks everything clear of the outline, "nothing" does nothing. Blanked pixels get the
    median of the background, a value that the crop already has.
    """
    clear = _clear_of(outline, values.shape, reach)
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


def _clear_of(outline: tuple[Point, ...], shape: tuple[int, ...], reach: float) -> Mask:
    """Mask of pixels farther from the outline than `reach`, a share of the crop's longer side."""
    mask = np.ones(shape, np.uint8)
    corners = np.rint([(point.x - 0.5, point.y - 0.5) for point in outline]).astype(np.int32)
    cv2.fillPoly(mask, [corners], 0)
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    return np.asarray(distance > (_pixels(reach, shape) if reach else 0), np.bool_)


def _text(values: Values, clear: Mask) -> Mask:
    """Mask of thin strokes and of small pieces brighter than bone, with a margin."""
    hand = values[~clear]
    low, tissue, high = np.percentile(hand, (1, 15, 99.5)) if hand.size else (0.0, 0.0, 0.0)
    least = max(CONTRAST * (high - low), 1e-6)
    ground = float(np.median(values[clear]))
    background = max((ground + tissue) / 2, ground + least / 4)
    under, over = (_smoothed(values, shape, STROKE, ground) for shape in (cv2.MORPH_OPEN, cv2.MORPH_CLOSE))
    # Strokes on tissue are bone outside the outline; text is only on background and white labels.
    bright = (values - under > least) & (under < background)
    dark = (over - values > least) & (over >= high)
    around = _smoothed(values, cv2.MORPH_OPEN, LETTER, ground)
    lead = (values >= max(high, ground + least)) & (around < background) & clear
    leaden = _pieces(lead, _pixels(LETTER, values.shape))
    found = (_pieces((bright | dark) & clear) | leaden).astype(np.uint8)
    if not found.any():
        return np.zeros(values.shape, np.bool_)
    distance = cv2.distanceTransform(1 - found, cv2.DIST_L2, 5)
    return np.asarray(distance <= _pixels(GROWN, values.shape), np.bool_)


def _smoothed(values: Values, shape: int, share: float, beyond: float) -> Values:
    """Open or close with a square of this share of the longer side; the crop is padded with `beyond`."""
    kernel = np.ones((2 * (_pixels(share, values.shape) // 2) + 1,) * 2, np.uint8)
    border = cv2.BORDER_CONSTANT
    return np.asarray(
        cv2.morphologyEx(values, shape, kernel, borderType=border, borderValue=beyond), np.float32
    )


def _pieces(mask: Mask, most_px: float = np.inf) -> Mask:
    """Keep pieces of at least `LEAST_PX` pixels and at most `most_px` in each direction."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    sides = np.maximum(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
    kept = (stats[:, cv2.CC_STAT_AREA] >= LEAST_PX) & (sides <= most_px)
    kept[0] = False
    return np.asarray(kept[labels], np.bool_)


def _pixels(share: float, shape: tuple[int, ...]) -> int:
    return max(2, round(share * max(shape)))
