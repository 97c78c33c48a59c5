"""Preprocessing for the networks of the hand detector, the same in training and in the node.

The pose of a hand is its middle and the vector from wrist to MCP 3, in pixels of its image. A picture has two
channels: grey levels scaled between two percentiles, and the same relative to their surroundings, against the
influence of exposure, gradients and frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE_PX = 160
"""Side of the input square of both networks."""

AXIS_PX = 46.0
"""Length of the vector from wrist to MCP 3 in the square of one hand."""

CENTRE = 0.62
"""Position of the middle of a hand on the vector from wrist to MCP 3, as a share of its length."""

_LOW, _HIGH = 1.0, 99.0
_AROUND_PX = 25

Grey = NDArray[np.float32]
Channels = NDArray[np.float32]
"""(2, SIDE_PX, SIDE_PX)"""
Matrix = NDArray[np.float64]
"""(2, 3), maps (x, y, 1) to (x, y)."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Pose of a hand: its middle, and the vector from the wrist to MCP 3, in pixels."""

    x: float
    y: float
    along_x: float
    along_y: float

    @property
    def length(self) -> float:
        return float(np.hypot(self.along_x, self.along_y))


def pose_of(wrist: NDArray[np.float64], knuckle: NDArray[np.float64]) -> Pose:
    """The pose of a hand by its joints wrist_2 and mcp_3, each (x, y)."""
    along = knuckle - wrist
    middle = wrist + CENTRE * along
    return Pose(float(middle[0]), float(middle[1]), float(along[0]), float(along[1]))


def into_square(pose: Pose) -> Matrix:
    """Rotation, scale and shift that map a hand upright to the middle of the square."""
    scale = AXIS_PX / max(pose.length, 1e-6)
    cos, sin = -pose.along_y / max(pose.length, 1e-6), pose.along_x / max(pose.length, 1e-6)
    turn = scale * np.array([[cos, sin], [-sin, cos]])
    shift = SIDE_PX / 2 - turn @ np.array([pose.x, pose.y])
    return np.hstack([turn, shift[:, None]])


def inverse(matrix: Matrix) -> Matrix:
    """The inverse transform."""
    turn = np.linalg.inv(matrix[:, :2])
    return np.hstack([turn, (-turn @ matrix[:, 2])[:, None]])


def moved(points: NDArray[np.float64], matrix: Matrix) -> NDArray[np.float64]:
    """Transform points (N, 2) by a matrix."""
    result: NDArray[np.float64] = points @ matrix[:, :2].T + matrix[:, 2]
    return result


def whole_scale(rows: int, columns: int) -> float:
    """Pixels of the square per pixel of a whole image."""
    return SIDE_PX / max(rows, columns)


def seen_whole(image: Grey) -> Channels:
    """Channels of a whole image (rows, columns), reduced to the top left of the square."""
    rows, columns = image.shape
    scale = whole_scale(rows, columns)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return padded(np.asarray(small, np.float32))


def padded(small: Grey) -> Channels:
    """Channels of a picture (rows, columns) no larger than the square, padded with 0."""
    square = np.zeros((2, SIDE_PX, SIDE_PX), np.float32)
    square[:, : small.shape[0], : small.shape[1]] = channels(small)
    return square


def seen_hand(image: Grey, pose: Pose) -> Channels:
    """Channels of one hand of an image (rows, columns), upright; 0 outside the image."""
    matrix = into_square(pose)
    shrink = matrix_scale(matrix)
    if shrink < 0.7:  # area averaging first, because warpAffine would alias
        image, ratio = _thinned(image, shrink)
        matrix = matrix @ np.diag([1 / ratio[0], 1 / ratio[1], 1.0])
    size = (SIDE_PX, SIDE_PX)
    matrix = of_pixel_centres(matrix)
    square = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.ones(image.shape, np.uint8), matrix, size, flags=cv2.INTER_NEAREST)
    return channels(np.asarray(square, np.float32), inside > 0)


def of_pixel_centres(matrix: Matrix) -> Matrix:
    """The same matrix for OpenCV, whose origin is the centre of the first pixel."""
    shift = matrix[:, 2] + matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5
    return np.hstack([matrix[:, :2], shift[:, None]])


def matrix_scale(matrix: Matrix) -> float:
    """Scale factor of a matrix."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))


def _thinned(image: Grey, shrink: float) -> tuple[Grey, tuple[float, float]]:
    rows, columns = image.shape
    size = (max(1, round(columns * shrink)), max(1, round(rows * shrink)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32), (size[0] / columns, size[1] / rows)


def channels(grey: Grey, inside: NDArray[np.bool_] | None = None) -> Channels:
    """Both channels (2, rows, columns) of a picture; 0 where it is not `inside` the image."""
    seen = grey if inside is None else grey[inside]
    if seen.size == 0:
        return np.zeros((2, *grey.shape), np.float32)
    low, high = np.percentile(seen[::2], (_LOW, _HIGH))
    spread = max(float(high - low), 1e-6)
    level = np.clip((grey - np.float32(low)) / np.float32(spread), 0, 1)
    around = cv2.blur(level, (_AROUND_PX, _AROUND_PX), borderType=cv2.BORDER_REPLICATE)
    change = level - around
    strength = cv2.blur(change * change, (_AROUND_PX, _AROUND_PX), borderType=cv2.BORDER_REPLICATE)
    both = np.stack([2 * level - 1, change / np.sqrt(strength + np.float32(4e-4))])
    if inside is not None:
        both[:, ~inside] = 0
    return np.asarray(np.clip(both, -3, 3), np.float32)
