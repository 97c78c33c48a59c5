"""Quality checks: refuses a detected hand that is cut off, without usable contrast, or under metal.

Conservative: a radiograph that a reader would still use is not refused.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.joints import JOINTS
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import HandRegion
from ra_node.imaging.median import median

_EDGE_FRACTION = 0.006
"""Distance to the image edge below which a hand touches it, as a share of the box's longer side."""
_MOST_CONTACT = 0.12
"""Share of the box's width along the fingers' edge; one finger that is cut off covers about 0.1."""
_WIDEST_FINGERS = 0.35
"""A longer contact in one piece is an outline error (background included), not fingers."""
_MOST_SIDE_CONTACT = 0.15
"""Share of the box's height along a side; a thumb's tip that touches an edge covers 0.09 at most."""
_FINGERS = 0.72
"""Share of the box from the fingertips to the wrist."""
_NEXT_PHALANX = 0.6
"""Length of a middle phalanx relative to the proximal one."""
_FINGERS_LOST = 2
"""One finger alone may be flexed, or its joint misplaced."""
_MOST_SATURATED = 0.5
_MOST_METAL = 0.08
"""A larger saturated piece of the hand hides joints; of 533 real hands the largest has 0.006."""
_FEWEST_LEVELS = 6
_LEAST_CONTRAST_TO_NOISE = 1.5
_SIDE_PX = 320


Range = tuple[float, float]
"""The smallest and the largest value of an image."""


def hands_quality(values: NDArray[np.float32], regions: Sequence[HandRegion]) -> list[Refusal | None]:
    """For each hand in values (rows, columns): the reason why it cannot be rated, or None."""
    whole = (float(values.min()), float(values.max())) if regions else (0.0, 0.0)
    return [
        _cut_off(values.shape[0], values.shape[1], region) or _exposure(values, region, whole)
        for region in regions
    ]


def hand_quality(values: NDArray[np.float32], region: HandRegion) -> Refusal | None:
    """The reason why the hand at `region` of values (rows, columns) cannot be rated, or None."""
    return hands_quality(values, [region])[0]


def _cut_off(rows: int, columns: int, region: HandRegion) -> Refusal | None:
    """Refuse a hand whose fingers touch the image edge; the forearm may."""
    turns = region.rotation // 90
    width_px, height_px = region.box.width_px, region.box.height_px
    if turns % 2:
        width_px, height_px = height_px, width_px
    near = _EDGE_FRACTION * max(width_px, height_px) + 1
    left, top, right = _edges(region, rows, columns)
    contact = _contact(left, top, near, _WIDEST_FINGERS * width_px)
    if contact > _MOST_CONTACT * width_px:
        share = round(100 * contact / width_px)
        text = f"Expected all fingers inside the image, found {share} % of the hand's width at its edge."
        return Refusal(Reason.HAND_CUT_OFF, text)
    start = float(top.min())
    down = np.where(top < start + _FINGERS * height_px, top, np.nan)
    for side in (left, right):
        contact = _contact(down, side, near, _WIDEST_FINGERS * height_px)
        if contact > _MOST_SIDE_CONTACT * height_px:
            share = round(100 * contact / height_px)
            text = f"Expected the whole hand inside the image, found {share} % of its length at a side edge."
            return Refusal(Reason.HAND_CUT_OFF, text)
    ahead = np.isfinite(down)
    nearest = min(start, float(left[ahead].min()), float(right[ahead].min()))
    return _joints_lost(region) or _fingers_lost(region, rows, columns) if nearest <= near else None


def _joints_lost(region: HandRegion) -> Refusal | None:
    """Refuse a hand at the image edge with undetected joints; without named joints it passes."""
    seen = {joint.name for joint in region.joints}
    lost = [name for name in JOINTS if name not in seen]
    if not seen or not lost:
        return None
    words = ", ".join(name.replace("_", " ").upper() for name in lost)
    text = f"Expected all {len(JOINTS)} joints inside the image, found a hand at its edge without {words}."
    return Refusal(Reason.HAND_CUT_OFF, text)


def _fingers_lost(region: HandRegion, rows: int, columns: int) -> Refusal | None:
    """Refuse a hand at the image edge of which two fingers would end outside it, by their joints."""
    joints = {joint.name: joint.at for joint in region.joints}
    lost = 0
    for finger in range(2, 6):
        base, middle = joints.get(f"mcp_{finger}"), joints.get(f"pip_{finger}")
        if base is None or middle is None:
            continue
        x = middle.x + _NEXT_PHALANX * (middle.x - base.x)
        y = middle.y + _NEXT_PHALANX * (middle.y - base.y)
        lost += not (0 <= x <= columns and 0 <= y <= rows)
    if lost < _FINGERS_LOST:
        return None
    text = f"Expected all fingers inside the image, found {lost} whose last joint would lie beyond its edge."
    return Refusal(Reason.HAND_CUT_OFF, text)


_Distances = NDArray[np.float64]


def _edges(region: HandRegion, rows: int, columns: int) -> tuple[_Distances, _Distances, _Distances]:
    """Distances of the outline from the edges left of, above and right of the upright hand."""
    x = np.array([point.x for point in region.outline])
    y = np.array([point.y for point in region.outline])
    around = (x, y, columns - x, rows - y)  # left, top, right, bottom of the image, clockwise
    turns = region.rotation // 90
    return around[turns % 4], around[(turns + 1) % 4], around[(turns + 2) % 4]


def _contact(across: NDArray[np.float64], depth: NDArray[np.float64], near: float, most: float) -> float:
    """Total length of the outline's parts along the edge, at most `most` each; NaN is ignored."""
    touching = (depth <= near) & np.isfinite(across)
    both = touching & np.roll(touching, -1)
    lengths = np.abs(np.roll(across, -1) - across)[both]
    return float(lengths[lengths <= most].sum())


def _exposure(values: NDArray[np.float32], region: HandRegion, whole: Range) -> Refusal | None:
    """Refuse a hand that is saturated, without contrast, or too noisy."""
    part, inside, around = _cut(values, region)
    hand = part[inside]
    if hand.size == 0:
        return None
    levels = len(np.unique(hand))
    if levels < _FEWEST_LEVELS:
        return _poor(f"at least {_FEWEST_LEVELS} grey levels in the hand", f"{levels}")
    saturated = float(np.mean(hand >= whole[1]))
    if saturated > _MOST_SATURATED:
        return _poor(
            f"at most {round(100 * _MOST_SATURATED)} % of the hand saturated", f"{round(100 * saturated)} %"
        )
    metal = _largest_saturated(part, inside, whole)
    if metal > _MOST_METAL:
        return Refusal(
            Reason.METAL_OR_CAST,
            f"Expected joints that can be seen, found {round(100 * metal)} % of the hand white in one piece:"
            " metal, a cast or overexposure.",
        )
    noise = 1.4826 * median(np.abs(cv2.Laplacian(part, cv2.CV_32F))) / 4.5
    contrast = abs(median(hand) - median(part[around])) if around.any() else np.inf
    if contrast < _LEAST_CONTRAST_TO_NOISE * noise:
        return _poor(
            f"a contrast of at least {_LEAST_CONTRAST_TO_NOISE} times the noise", f"{contrast / noise:.1f}"
        )
    return None


def _largest_saturated(part: NDArray[np.float32], inside: NDArray[np.bool_], whole: Range) -> float:
    """Share of the hand in its largest saturated piece, or an upper limit of it."""
    low, high = whole
    white = ((part >= high - 0.01 * (high - low)) & inside).astype(np.uint8)
    share = float(white.sum()) / float(inside.sum())
    if share <= _MOST_METAL:
        return share  # all possible pieces are below the limit
    _, _, stats, _ = cv2.connectedComponentsWithStats(white, connectivity=4)
    return float(stats[1:, cv2.CC_STAT_AREA].max(initial=0)) / float(inside.sum())


def _cut(
    values: NDArray[np.float32], region: HandRegion
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
    """The hand's surroundings at a reduced scale, the mask of the hand, and that of its background."""
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
