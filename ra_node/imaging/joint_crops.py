"""Crops of single joints at full image resolution, each rotated along its finger or along the wrist.

Training and node call the same function with the joints of the bundle's hand detector: a stage-2 erosion is
2 to 4 px wide in a crop of the whole hand (224 px), and 5 to 9 px here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Point
from ra_node.domain.joints import JOINTS
from ra_node.domain.preprocessing import JOINT_CROPS_ID
from ra_node.domain.report import HandRegion

__all__ = ["JOINT_CROPS_ID", "JointCrops", "JointFrame", "joint_crops", "joint_frames"]

FINGER_WINDOW, WRIST_WINDOW = 1.0, 1.3
"""Side of the square around a joint, in lengths of the hand's proximal phalanges."""

LOW_PERCENT, HIGH_PERCENT = 1.0, 99.5
"""Percentiles inside the outline of the hand that become 0 and 255, the same for all its joints."""

_LEVELS_PX = 256
"""Pixels of the box's longer side when the percentiles are computed."""

_FINGERS = (2, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class JointFrame:
    """The square around one joint, in pixels of the image; `along` is a unit vector towards the fingertip."""

    name: str
    centre: Point
    along: tuple[float, float]
    side_px: float

    def corners(self) -> tuple[Point, Point, Point, Point]:
        """Corners in order, the two towards the fingertip first."""
        half, (x, y) = self.side_px / 2, self.along
        return tuple(  # type: ignore[return-value]  # of four steps
            Point(
                self.centre.x + half * (ahead * x - aside * y), self.centre.y + half * (ahead * y + aside * x)
            )
            for ahead, aside in ((1, -1), (1, 1), (-1, 1), (-1, -1))
        )


@dataclass(frozen=True, slots=True, eq=False)
class JointCrops:
    """The detected joints of one hand: `images` (joints, side, side), fingertip up, bone bright."""

    frames: tuple[JointFrame, ...]
    images: NDArray[np.uint8]

    @property
    def kinds(self) -> NDArray[np.int64]:
        """The index of each joint in `JOINTS`."""
        return np.array([JOINTS.index(frame.name) for frame in self.frames], np.int64)


def joint_frames(region: HandRegion) -> tuple[JointFrame, ...]:
    """Give the squares around the joints of a hand, in the order of `JOINTS`.

    None are given where the joints do not determine the size of the hand and the direction of its fingers.
    """
    joints = {joint.name: joint.at for joint in region.joints}
    phalanges = [
        _distance(joints[f"mcp_{k}"], joints[f"pip_{k}"])
        for k in _FINGERS
        if {f"mcp_{k}", f"pip_{k}"} <= joints.keys()
    ]
    if not phalanges or not {"wrist_2", "mcp_3"} <= joints.keys():
        return ()
    unit = float(np.median(phalanges))
    if unit < 2:
        return ()
    hand = _direction(joints["wrist_2"], joints["mcp_3"])
    return tuple(
        JointFrame(
            name,
            joints[name],
            _along(name, joints) or hand,
            unit * (WRIST_WINDOW if name.startswith("wrist") else FINGER_WINDOW),
        )
        for name in JOINTS
        if name in joints
    )


def joint_crops(values: NDArray[np.float32], region: HandRegion, side_px: int = 96) -> JointCrops:
    """Cut the joints of a hand out of `values` (rows, columns), bone bright.

    Grey levels are scaled to 0 to 255 between two percentiles of the pixels inside the outline.
    """
    frames = joint_frames(region)
    if not frames:
        return JointCrops((), np.zeros((0, side_px, side_px), np.uint8))
    low, high = _levels(values, region)
    cut = np.stack([_turned(values, frame, side_px) for frame in frames])
    if high - low <= 1e-6 * max(1.0, abs(high)):
        return JointCrops(frames, np.zeros(cut.shape, np.uint8))
    scaled = np.clip((cut - np.float32(low)) * np.float32(255.0 / (high - low)), 0, 255)
    return JointCrops(frames, np.rint(scaled).astype(np.uint8))


def _along(name: str, joints: Mapping[str, Point]) -> tuple[float, float] | None:
    """Direction of the finger at a joint; None for the wrist and where its other joint was not detected."""
    kind, _, number = name.partition("_")
    if kind == "wrist":
        return None
    ends = (f"mcp_{number}", f"{'ip' if number == '1' else 'pip'}_{number}")
    if not set(ends) <= joints.keys() or _distance(joints[ends[0]], joints[ends[1]]) < 1:
        return None
    return _direction(joints[ends[0]], joints[ends[1]])


def _turned(values: NDArray[np.float32], frame: JointFrame, side_px: int) -> NDArray[np.float32]:
    """Resample one square (side, side); a finer image is area-averaged first, which prevents aliasing."""
    half = frame.side_px * 0.75 + 2
    rows, columns = values.shape
    left, top = (int(max(0, np.floor(edge - half))) for edge in (frame.centre.x, frame.centre.y))
    right = int(min(columns, np.ceil(frame.centre.x + half)))
    bottom = int(min(rows, np.ceil(frame.centre.y + half)))
    if right - left < 2 or bottom - top < 2:
        return np.zeros((side_px, side_px), np.float32)
    part = values[top:bottom, left:right]
    scale = side_px / frame.side_px
    ratio_x = ratio_y = 1.0
    if scale < 0.8:
        size = (max(2, round((right - left) * scale)), max(2, round((bottom - top) * scale)))
        ratio_x, ratio_y = size[0] / (right - left), size[1] / (bottom - top)
        part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.float32)
    x, y = (frame.centre.x - left) * ratio_x - 0.5, (frame.centre.y - top) * ratio_y - 0.5
    (along_x, along_y), step = frame.along, frame.side_px / side_px
    middle = (side_px - 1) / 2
    # Maps the crop to the part: rows run against `along`, columns to the right of it.
    turn = (
        np.array([[-along_y * ratio_x, -along_x * ratio_x], [along_x * ratio_y, -along_y * ratio_y]]) * step
    )
    shift = np.array([x, y]) - turn @ np.array([middle, middle])
    matrix = np.hstack([turn, shift[:, None]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    square = cv2.warpAffine(part, matrix, (side_px, side_px), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(square, np.float32)


def _levels(values: NDArray[np.float32], region: HandRegion) -> tuple[float, float]:
    box = region.box.clipped(values.shape[0], values.shape[1])
    step = max(1, max(box.height_px, box.width_px) // _LEVELS_PX)
    small = values[box.y0 : box.y1 : step, box.x0 : box.x1 : step]
    corners = [((p.x - box.x0) / step - 0.5, (p.y - box.y0) / step - 0.5) for p in region.outline]
    mask = np.zeros(small.shape, np.uint8)
    if len(corners) >= 3:
        cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 1)
    seen = small[mask > 0] if mask.mean() > 0.05 else small
    low, high = np.percentile(seen, (LOW_PERCENT, HIGH_PERCENT))
    return float(low), float(high)


def _distance(a: Point, b: Point) -> float:
    return float(np.hypot(b.x - a.x, b.y - a.y))


def _direction(a: Point, b: Point) -> tuple[float, float]:
    length = max(_distance(a, b), 1e-6)
    return ((b.x - a.x) / length, (b.y - a.y) / length)
