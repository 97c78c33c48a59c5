"""Warps the fingers of a radiograph: flexion, foreshortening, ulnar drift, subluxation, amputation.

No available data set has deformed hands with marked joints: the detector is trained on warped healthy ones.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.joints import JOINTS
from training.hand_detector.picture_pool import Grey, Picture

_WIDTH = 0.27
"""Width of a finger in distances from wrist to MCP 3, about the distance from MCP 2 to MCP 3."""
_FINGERS = {2: (6, 1), 3: (7, 2), 4: (8, 3), 5: (9, 4)}
"""Indices of MCP and PIP in `JOINTS`."""
_WRIST, _KNUCKLE = JOINTS.index("wrist_2"), JOINTS.index("mcp_3")

Real = NDArray[np.float64]


def deformed(picture: Picture, rng: np.random.Generator) -> Picture:
    """The first hand of a picture with one to four fingers warped."""
    image, mask = picture.image.astype(np.float32), picture.silhouettes.copy()
    ground = _ground(image, mask)
    joints = picture.joints.astype(np.float64).copy()
    drift = rng.uniform(10, 35) * rng.choice((-1, 1)) if rng.random() < 0.25 else 0.0
    chosen = list(_FINGERS) if drift else rng.permutation(list(_FINGERS))[: int(rng.integers(1, 5))]
    for finger in chosen:
        image, mask = _warped(image, ground, mask, joints[0], int(finger), drift, rng)
    mask = _largest(mask)
    return replace(
        picture,
        name=f"{picture.name} deformed",
        image=np.asarray(np.clip(image, 0, 255), np.uint8),
        joints=joints.astype(np.float32),
        silhouettes=mask,
    )


def _warped(
    image: NDArray[np.float32],
    ground: NDArray[np.float32],
    mask: Grey,
    joints: Real,
    finger: int,
    drift: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], Grey]:
    """Warp the part of one finger beyond its PIP, or beyond its MCP; `joints` (13, 2) change with it."""
    mcp, pip = _FINGERS[finger]
    unit = float(np.hypot(*(joints[_KNUCKLE] - joints[_WRIST])))
    at_mcp = bool(drift) or rng.random() < 0.25
    hinge = joints[mcp] + (0.12 if at_mcp else 0.0) * (joints[pip] - joints[mcp]) if at_mcp else joints[pip]
    axis = joints[pip] - joints[mcp]
    axis = axis / max(float(np.hypot(*axis)), 1e-6)
    part = _beyond(image.shape, hinge, axis, unit) * (mask & 1)
    if not part.any():
        return image, mask
    soft = cv2.GaussianBlur(part.astype(np.float32), (0, 0), max(0.6, 0.02 * unit))
    bare = image * (1 - soft) + ground * soft
    if not at_mcp and rng.random() < 0.3:  # amputated beyond the joint
        kept = _beyond(image.shape, hinge + rng.uniform(0.05, 0.3) * unit * axis, axis, unit)
        gone = part & kept.astype(np.uint8)
        soft = cv2.GaussianBlur(gone.astype(np.float32), (0, 0), max(0.6, 0.02 * unit))
        return image * (1 - soft) + ground * soft, mask & ~gone
    angle = drift + rng.normal(0, 5) if drift else rng.normal(0, 25)
    short = 1.0 if drift else float(rng.choice((1.0, rng.uniform(0.35, 0.95))))
    shift = rng.normal(0, 0.03, 2) * unit
    matrix = _hinged(hinge, axis, np.radians(angle), short, shift)
    size = (image.shape[1], image.shape[0])
    moved = cv2.warpAffine(image * soft, matrix, size)
    alpha = cv2.warpAffine(soft, matrix, size)
    onto = np.asarray(cv2.warpAffine(part, matrix, size, flags=cv2.INTER_NEAREST), np.uint8)
    lit = np.maximum(bare, moved + bare * (1 - alpha))
    if at_mcp:
        joints[pip] = matrix[:, :2] @ joints[pip] + matrix[:, 2]
    return np.asarray(lit, np.float32), np.asarray((mask & ~part) | onto, np.uint8)


def _ground(image: NDArray[np.float32], mask: Grey) -> NDArray[np.float32]:
    """The background around the hand, smoothed and extrapolated into it."""
    outside = (cv2.dilate(mask, np.ones((9, 9), np.uint8)) == 0).astype(np.float32)
    width = 0.05 * max(image.shape)
    weight = cv2.GaussianBlur(outside, (0, 0), width)
    spread = cv2.GaussianBlur(image * outside, (0, 0), width)
    return np.asarray(spread / np.maximum(weight, 1e-3), np.float32)


def _largest(mask: Grey) -> Grey:
    """The largest component of a silhouette, after closing gaps at the hinges."""
    closed = cv2.morphologyEx(mask & 1, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(closed)
    if count < 2:
        return mask
    return np.asarray(labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()), np.uint8)


def _beyond(shape: tuple[int, ...], hinge: Real, axis: Real, unit: float) -> Grey:
    """Pixels of a finger beyond its hinge."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32) + 0.5
    along = (x - hinge[0]) * axis[0] + (y - hinge[1]) * axis[1]
    across = np.abs(-(x - hinge[0]) * axis[1] + (y - hinge[1]) * axis[0])
    return np.asarray((along > 0) & (across < _WIDTH / 2 * unit), np.uint8)


def _hinged(hinge: Real, axis: Real, angle: float, short: float, shift: Real) -> Real:
    """Matrix (2, 3): shorten along the axis, then rotate about the hinge and shift."""
    along = np.outer(axis, axis)
    squeeze = np.eye(2) - (1 - short) * along
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ squeeze
    return np.hstack([turn, (hinge - turn @ hinge + shift)[:, None]])
