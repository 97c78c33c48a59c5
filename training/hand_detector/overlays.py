"""Draws objects over hands: rings, plates and screws, wires, plaster and splints.

Each is a stamp of a scene: an alpha mask, its position on the canvas, and its grey level.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.joints import JOINTS
from ra_node.inference.hand_detector.preprocessing import Matrix
from training.hand_detector.picture_pool import Grey

Stamp = tuple[Grey, Matrix, float]
Joints = NDArray[np.float64]
"""(13, 2), each (x, y), on the canvas."""

_WRIST, _KNUCKLE = JOINTS.index("wrist_2"), JOINTS.index("mcp_3")
_FINGERS = ((6, 1), (7, 2), (8, 3), (9, 4))
_SIDE = 96
"""Width of a stamp for plaster in pixels; its length is twice as much."""


def ring(joints: Joints, rng: np.random.Generator) -> Stamp:
    """A ring at a proximal phalanx."""
    mcp, pip = _FINGERS[int(rng.integers(4))]
    middle = joints[mcp] + rng.uniform(0.35, 0.65) * (joints[pip] - joints[mcp])
    stamp = np.zeros((24, 64), np.uint8)
    cv2.rectangle(stamp, (2, 4), (61, 19), 255, -1 if rng.random() < 0.7 else 4)
    return _along(stamp, middle, joints[pip] - joints[mcp], 0.25 * _unit(joints), rng, 255.0)


def plate(joints: Joints, rng: np.random.Generator) -> Stamp:
    """A plate with screws or a wire along a metacarpal or a phalanx."""
    finger = _FINGERS[int(rng.integers(4))]
    low, high = (joints[_WRIST], joints[finger[0]]) if rng.random() < 0.6 else joints[list(finger)]
    stamp = np.zeros((32, 128), np.uint8)
    if rng.random() < 0.35:
        cv2.line(stamp, (2, 16), (125, 16), 255, 3)
    else:
        cv2.rectangle(stamp, (4, 10), (123, 21), 255, -1)
        for x in range(12, 120, 18):
            cv2.line(stamp, (x, 2), (x + int(rng.integers(-3, 4)), 29), 255, 3)
    length = float(np.hypot(*(high - low)))
    turned = np.array([-(high - low)[1], (high - low)[0]])
    return _along(stamp, (low + high) / 2, turned, rng.uniform(0.5, 0.9) * length, rng, 255.0)


def plaster(joints: Joints, rng: np.random.Generator) -> Stamp:
    """A cast or a splint around wrist and palm: a semi-transparent woven texture with bright edges."""
    stamp = np.full((2 * _SIDE, _SIDE), float(rng.uniform(60, 130)), np.float32)
    coarse = rng.standard_normal((int(rng.integers(12, 48)), int(rng.integers(4, 24)))).astype(np.float32)
    stamp += float(rng.uniform(5, 30)) * cv2.resize(coarse, (_SIDE, 2 * _SIDE), interpolation=cv2.INTER_CUBIC)
    edge = int(rng.integers(3, 12))
    stamp[:, :edge] += rng.uniform(20, 90)
    stamp[:, -edge:] += rng.uniform(20, 90)
    if rng.random() < 0.4:  # a splint along one side
        stamp[:, : _SIDE // 2 + int(rng.integers(-20, 20))] *= rng.uniform(0, 0.4)
    blurred = cv2.GaussianBlur(stamp, (0, 0), float(rng.uniform(0.5, 2)))
    arrow = joints[_KNUCKLE] - joints[_WRIST]
    end = rng.uniform(0.2, 1.15)  # from the forearm to the palm, or beyond the knuckles
    middle = joints[_WRIST] + (end - 1.5) * arrow
    wide = rng.uniform(1.1, 1.7) * _unit(joints)
    alpha = np.clip(blurred, 0, 220).astype(np.uint8)
    return _along(alpha, middle, arrow, wide, rng, float(rng.uniform(150, 255)))


def _unit(joints: Joints) -> float:
    return float(np.hypot(*(joints[_KNUCKLE] - joints[_WRIST])))


def _along(
    stamp: Grey, middle: Joints, up: Joints, width: float, rng: np.random.Generator, level: float
) -> Stamp:
    """Place a stamp with its upper edge towards `up`, `width` wide."""
    scale = width / stamp.shape[1]
    angle = np.arctan2(up[0], -up[1]) + rng.normal(0, 0.06)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array([stamp.shape[1] / 2, stamp.shape[0] / 2])
    return stamp, np.hstack([turn, (middle - turn @ centre)[:, None]]), level
