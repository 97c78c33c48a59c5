"""Says when a hand that was found cannot be judged: cut off at its fingers, or without usable contrast.

Conservative on purpose: a radiograph that a reader would still use is never refused.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.report import HandRegion, Reason, Refusal

_EDGE_FRACTION = 0.006
"""A hand that comes this near to the edge, as a share of the box's longer side, touches it."""
_MOST_CONTACT = 0.12
"""A share of the box's width along the fingers' edge; one finger that is cut covers about 0.1."""
_WIDEST_FINGERS = 0.35
"""A longer contact in one piece is an outline that ran into the background, not fingers."""
_MOST_SATURATED = 0.5
_FEWEST_LEVELS = 6
_LEAST_CONTRAST_TO_NOISE = 1.5
_SIDE_PX = 320


def hand_quality(values: NDArray[np.float32], region: HandRegion) -> Refusal | None:
    """Give the reason why the hand at `region` of values (rows, columns) cannot be judged, or None."""
    return _cut_off(values.shape[0], values.shape[1], region) or _exposure(values, region)


def _cut_off(rows: int, columns: int, region: HandRegion) -> Refusal | None:
    """Refuse a hand whose fingers leave the image; the forearm always may."""
    turns = region.rotation // 90
    width_px = (region.box.width_px, region.box.height_px)[turns % 2]
    near = _EDGE_FRACTION * max(region.box.width_px, region.box.height_px) + 1
    across, depth = _upright(region, rows, columns)
    contact = _contact(across, depth, near, _WIDEST_FINGERS * width_px)
    if contact > _MOST_CONTACT * width_px:
        share = round(100 * contact / width_px)
        text = f"Expected all fingers inside the image, found {share} % of the hand's width at its edge."
        return Refusal(Reason.HAND_CUT_OFF, text)
    return None


def _upright(region: HandRegion, rows: int, columns: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the outline's coordinates along the edge at the fingers and its distances from that edge."""
    x = np.array([point.x for point in region.outline])
    y = np.array([point.y for point in region.outline])
    if region.rotation == 0:
        return x, y
    if region.rotation == 90:
        return y, columns - x
    return (x, rows - y) if region.rotation == 180 else (y, x)


def _contact(across: NDArray[np.float64], depth: NDArray[np.float64], near: float, most: float) -> float:
    """Sum the lengths of the outline's sides that run along the edge, up to `most` each."""
    touching = depth <= near
    both = touching & np.roll(touching, -1)
    lengths = np.abs(np.roll(across, -1) - across)[both]
    return float(lengths[lengths <= most].sum())


def _exposure(values: NDArray[np.float32], region: HandRegion) -> Refusal | None:
    """Refuse a hand that is saturated, flat, or drowned in noise."""
    part, inside, around = _cut(values, region)
    hand = part[inside]
    if hand.size == 0:
        return None
    levels = len(np.unique(hand))
    if levels < _FEWEST_LEVELS:
        return _poor(f"at least {_FEWEST_LEVELS} grey levels in the hand", f"{levels}")
    saturated = float(np.mean(hand >= values.max()))
    if saturated > _MOST_SATURATED:
        found = f"{round(100 * saturated)} %"
        return _poor(f"at most {round(100 * _MOST_SATURATED)} % of the hand saturated", found)
    noise = 1.4826 * float(np.median(np.abs(cv2.Laplacian(part, cv2.CV_32F)))) / 4.5
    contrast = abs(float(np.median(hand)) - float(np.median(part[around]))) if around.any() else np.inf
    if contrast < _LEAST_CONTRAST_TO_NOISE * noise:
        found = f"{contrast / noise:.1f}"
        return _poor(f"a contrast of at least {_LEAST_CONTRAST_TO_NOISE} times the noise", found)
    return None


def _cut(
    values: NDArray[np.float32], region: HandRegion
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
    """Give the hand's surroundings at a reduced scale, the hand in them, and what lies around it."""
    rows, columns = values.shape
    box = region.box.grown(0.05).clipped(rows, columns)
    step = max(1, max(box.width_px, box.height_px) // _SIDE_PX)
    part = np.ascontiguousarray(values[box.y0 : box.y1 : step, box.x0 : box.x1 : step])
    corners = [[(point.x - box.x0) / step, (point.y - box.y0) / step] for point in region.outline]
    mask = np.zeros(part.shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(np.array(corners)).astype(np.int32)], 1)
    kernel = np.ones((5, 5), np.uint8)
    return part, cv2.erode(mask, kernel) > 0, cv2.dilate(mask, kernel) == 0


def _poor(expected: str, found: str) -> Refusal:
    return Refusal(Reason.POOR_EXPOSURE, f"Expected {expected}, found {found}.")
