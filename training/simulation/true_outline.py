"""Ground truth outline of a real hand from its marked joints, without the node's own detector.

The ground truth of a benchmark must be independent of the measured system. The joints locate the hand; the
outline is the contour at the grey level with the strongest edge around them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Point

Array = NDArray[np.float32]
Mask = NDArray[np.uint8]

WRIST_REACH = 0.93
"""The hand ends this far behind the middle of its wrist points, in distances from there to MCP 3. This is
the median of the node's detector in 356 hands: behind the growth plates of radius and ulna."""

_UNIT_PX = 110.0
"""Distance from wrist to MCP 3 in the reduced picture."""
_INNER = (0.07, 0.07, 0.045)
_OUTER = (0.30, 0.24, 0.22)
"""Half widths of the certain and of the possible area of a ray: palm, proximal and outer part, in units."""
_MOST_HOLE = 0.01


def unit_of(joints: Mapping[str, Point]) -> tuple[Array, Array, float]:
    """Middle of the wrist (x, y), direction to MCP 3, and their distance in pixels."""
    wrist = np.mean([_xy(joints[f"wrist_{n}"]) for n in (1, 2, 3)], axis=0)
    way = _xy(joints["mcp_3"]) - wrist
    length = float(np.hypot(*way))
    return np.asarray(wrist, np.float32), np.asarray(way / length, np.float32), length


def rays(joints: Mapping[str, Point]) -> list[tuple[Array, Array, Array, Array]]:
    """For thumb to little finger: wrist, MCP, next joint, and the tip at its usual position."""
    wrist, _, _ = unit_of(joints)
    root = np.asarray((wrist + _xy(joints["wrist_1"])) / 2, np.float32)
    found = []
    for finger in range(1, 6):
        knuckle = _xy(joints[f"mcp_{finger}"])
        joint = _xy(joints["ip_1" if finger == 1 else f"pip_{finger}"])
        reach = np.float32(0.72 if finger == 1 else 1.02)
        tip = np.asarray(joint + reach * (joint - knuckle), np.float32)
        found.append((root if finger == 1 else wrist, knuckle, joint, tip))
    return found


def true_outline(picture: NDArray[np.uint8], joints: Mapping[str, Point]) -> Array:
    """Outline (points, 2), x and y in pixels, of the hand in a picture (rows, columns)."""
    scale = _UNIT_PX / unit_of(joints)[2]
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.float32)
    scaled = {name: Point(point.x * scale, point.y * scale) for name, point in joints.items()}
    smooth = np.asarray(cv2.GaussianBlur(_without_white_edges(np.asarray(small)), (0, 0), 1.2), np.float32)
    sure, possible = _painted(scaled, small.shape, _INNER), _painted(scaled, small.shape, _OUTER)
    cv2.fillPoly(sure, [_palm(scaled)], 1)
    along = _along(scaled, small.shape)
    _paint_forearm(possible, scaled)
    possible[along < -WRIST_REACH] = 0
    sure &= possible
    contour = _strongest(smooth, sure, possible, along)
    return ((contour + 0.5) / scale).astype(np.float32)


def _without_white_edges(small: Array) -> Array:
    """Darken white frames at the edges, as of collimators and scanners."""
    low, high = (float(value) for value in np.quantile(small, (0.05, 0.999)))
    white = (small >= high - 0.06 * (high - low)).astype(np.uint8)
    count, labels = cv2.connectedComponents(white, connectivity=4)
    for label in range(1, count):
        edges = [labels[0], labels[-1], labels[:, 0], labels[:, -1]]
        if any((edge == label).mean() > 0.4 for edge in edges):
            grown = cv2.dilate((labels == label).astype(np.uint8), np.ones((5, 5), np.uint8))
            small = np.where(grown > 0, np.float32(low), small)
    return small


def _painted(joints: Mapping[str, Point], shape: tuple[int, ...], widths: Sequence[float]) -> Mask:
    """Mask of the rays with their half widths; the certain area ends before the tip, the possible beyond."""
    mask = np.zeros(shape, np.uint8)
    reach = 0.72 if widths is _INNER else 1.12
    for root, knuckle, joint, tip in rays(joints):
        end = joint + reach * (tip - joint)
        for (start, stop), half in zip(
            ((root, knuckle), (knuckle, joint), (joint, end)), widths, strict=True
        ):
            cv2.line(mask, _px(start), _px(stop), 1, round(2 * half * _UNIT_PX))
    return mask


def _palm(joints: Mapping[str, Point]) -> NDArray[np.int32]:
    names = ("mcp_1", "mcp_2", "mcp_3", "mcp_4", "mcp_5", "wrist_3", "wrist_2", "wrist_1")
    return np.array([_px(_xy(joints[name])) for name in names], np.int32)


def _paint_forearm(mask: Mask, joints: Mapping[str, Point]) -> None:
    wrist, towards, length = unit_of(joints)
    aside = np.array([-towards[1], towards[0]])
    for turn in (-0.35, 0.0, 0.35):
        end = np.asarray(wrist - 1.2 * length * (towards + turn * aside), np.float32)
        cv2.line(mask, _px(wrist), _px(end), 1, round(2 * 0.5 * _UNIT_PX))


def _along(joints: Mapping[str, Point], shape: tuple[int, ...]) -> Array:
    """Position of each pixel along the hand in units: 0 at the wrist, 1 at MCP 3."""
    wrist, towards, length = unit_of(joints)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    result: Array = ((x - wrist[0]) * towards[0] + (y - wrist[1]) * towards[1]) / length
    return result


def _strongest(smooth: Array, sure: Mask, possible: Mask, along: Array) -> NDArray[np.int32]:
    """Contour (points, 2) of the grey level with the strongest edge within the possible area."""
    edge = np.hypot(cv2.Scharr(smooth, cv2.CV_32F, 1, 0), cv2.Scharr(smooth, cv2.CV_32F, 0, 1))
    edge /= 10 + cv2.GaussianBlur(smooth, (0, 0), 6)
    inner = cv2.erode(possible, np.ones((3, 3), np.uint8)) > 0
    best, strongest = np.zeros((0, 2), np.int32), -np.inf
    for view in (smooth, smooth - 0.5 * cv2.GaussianBlur(smooth, (0, 0), 40)):
        for level in np.unique(np.quantile(view[possible > 0], np.linspace(0.02, 0.6, 40))):
            contour = _contour_at((view > level) & (possible > 0), sure)
            x, y = contour[:, 0], contour[:, 1]
            free, held = along[y, x] > -0.88, ~inner[y, x]
            if not (free & ~held).any():
                continue
            strength = float(edge[y, x][free & ~held].mean() * (1 - 1.5 * (free & held).mean()))
            if strength > strongest:
                best, strongest = contour, strength
    return best


def _contour_at(bright: NDArray[np.bool_], sure: Mask) -> NDArray[np.int32]:
    """Outer contour of the bright component with the palm, without spurs and small holes."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    whole = np.where(sure > 0, np.uint8(1), bright.astype(np.uint8))
    mask = np.asarray(cv2.morphologyEx(whole, cv2.MORPH_OPEN, kernel), np.uint8)
    _, labels = cv2.connectedComponents(mask | sure, connectivity=4)
    own = (labels == np.bincount(labels[sure > 0]).argmax()).astype(np.uint8)
    _, holes, stats, _ = cv2.connectedComponentsWithStats(1 - own, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < _MOST_HOLE * own.size
    small[0] = False
    own[small[holes]] = 1
    contours, _ = cv2.findContours(own, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(max(contours, key=cv2.contourArea)[:, 0, :], np.int32)


def _xy(point: Point) -> Array:
    return np.array([point.x, point.y], np.float32)


def _px(place: Array) -> tuple[int, int]:
    return round(float(place[0])), round(float(place[1]))
