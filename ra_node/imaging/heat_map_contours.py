"""Maps the heat map of a crop to image coordinates: closed contours, and the shares of the joints.

Heat outside the outline of the hand is ignored, because the input of the networks is 0 there.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Point
from ra_node.domain.report import Contour, Explanation, HandRegion, JointShare
from ra_node.imaging.model_input import CropFrame, crop_frame, outline_in_crop

LEVELS = (0.35, 0.7)
"""Levels of the contours as shares of the maximum. On tuning hands with several diseased joints 94 % of the
joints inside the outer contours are diseased, and 40 % of the diseased joints are inside."""

REACH = 0.2
"""Heat belongs to the nearest joint within this share of the hand's length, from wrist to middle knuckle."""

LEAST_SHARE = 0.1
"""A joint with a smaller share of heat is not salient. On tuning hands with a lesion at one joint, 45 joints
were named and the right one in 36 of 38; of joints named in hands with several, 86 of 88 were diseased."""

MOST_POINTS = 100
LEAST_AREA_PX = 4.0
"""A smaller contour, in pixels of the crop, is too small to be seen."""

_FINE = 4
_LENGTH = ("wrist_2", "mcp_3")

Heat = NDArray[np.float32]
"""(side_px, side_px), at least 0, in the pixels of the crop."""


def explained(heat: Heat, region: HandRegion, shape: tuple[int, ...]) -> Explanation:
    """Explanation of a hand in an image (rows, columns); empty without heat."""
    frame = crop_frame(shape, region, heat.shape[0])
    heat = np.where(outline_in_crop(region, frame), heat, np.float32(0))
    if heat.max() <= 0:
        return Explanation((), ())
    side = heat.shape[0] * _FINE
    fine = np.asarray(cv2.resize(heat / heat.max(), (side, side), interpolation=cv2.INTER_LINEAR), np.float32)
    fine = np.where(outline_in_crop(region, frame, _FINE), fine, np.float32(0))
    lines = (line for level in LEVELS for line in _lines(fine, level, frame, shape))
    return Explanation(_joints(heat, region, frame), tuple(lines))


def joint_shares(heat: Heat, region: HandRegion, frame: CropFrame) -> dict[str, float]:
    """Share of the heat at every detected joint; none where the hand's length is unknown."""
    places = {joint.name: (joint.at.x, joint.at.y) for joint in region.joints}
    total = float(heat.sum())
    if total <= 0 or not all(name in places for name in _LENGTH):
        return {}
    joints = np.array(list(places.values()))
    length = float(np.hypot(*np.subtract(places[_LENGTH[0]], places[_LENGTH[1]])))
    rows, columns = np.nonzero(heat)
    cells = frame.to_image(np.stack([columns + 0.5, rows + 0.5], axis=1))
    nearest = _nearest(cells, joints, REACH * length)
    held = np.bincount(nearest, weights=heat[rows, columns], minlength=len(joints) + 1)
    return {name: float(held[at]) / total for at, name in enumerate(places)}


def _nearest(cells: NDArray[np.float64], joints: NDArray[np.float64], reach: float) -> NDArray[np.intp]:
    """For each cell (N, 2) the nearest joint (J, 2) within `reach`, J where there is none.

    One joint at a time: a matrix of all distances would not fit the CPU cache.
    """
    x, y = np.ascontiguousarray(cells.T)
    least, nearest = np.full(len(cells), reach**2), np.full(len(cells), len(joints))
    for at, joint in enumerate(joints):
        away = (x - joint[0]) ** 2 + (y - joint[1]) ** 2
        closer = away < least
        np.copyto(least, away, where=closer)
        np.copyto(nearest, at, where=closer)
    return nearest


def _joints(heat: Heat, region: HandRegion, frame: CropFrame) -> tuple[JointShare, ...]:
    shares = joint_shares(heat, region, frame)
    named = [JointShare(name, min(share, 1.0)) for name, share in shares.items() if share >= LEAST_SHARE]
    return tuple(sorted(named, key=lambda joint: -joint.share))


def _lines(fine: Heat, level: float, frame: CropFrame, shape: tuple[int, ...]) -> list[Contour]:
    """The outer contours of one level of a finer heat map, largest first, inside the image."""
    contours, _ = cv2.findContours((fine >= level).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    seen = [line for line in contours if cv2.contourArea(line) >= LEAST_AREA_PX * _FINE**2]
    made = (
        _points(_simple(np.asarray(line, np.int32)), frame, shape)
        for line in sorted(seen, key=cv2.contourArea, reverse=True)
    )
    return [Contour(level, points) for points in made if len(set(points)) >= 3]


def _simple(line: NDArray[np.int32]) -> NDArray[np.float64]:
    """Simplify a contour (N, 2) to at most 100 points, in pixels of the crop."""
    tolerance = 0.25 * _FINE
    points = cv2.approxPolyDP(line, tolerance, closed=True)
    while len(points) > MOST_POINTS:
        tolerance *= 1.3
        points = cv2.approxPolyDP(line, tolerance, closed=True)
    return np.asarray((points[:, 0, :] + 0.5) / _FINE, np.float64)


def _points(line: NDArray[np.float64], frame: CropFrame, shape: tuple[int, ...]) -> tuple[Point, ...]:
    """A contour of the crop in pixels of the image, clamped to the cut region."""
    cut = frame.cut.clipped(shape[0], shape[1])
    places = np.clip(frame.to_image(line), (cut.x0, cut.y0), (cut.x1, cut.y1)).round(2)
    return tuple(Point(float(x), float(y)) for x, y in places)
