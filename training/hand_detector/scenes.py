"""Composes radiographs with known hands, at the input size of the hand detector's networks.

A scene is a list of pictures with their positions on a canvas of at most 160 units; it can be rendered whole,
or as the upright square around one hand. All randomness is from one generator: equal seeds give equal scenes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.joints import JOINTS
from ra_node.inference.hand_detector.preprocessing import Matrix
from training.hand_detector.picture_pool import Grey, Picture

WRIST, KNUCKLE = JOINTS.index("wrist_2"), JOINTS.index("mcp_3")

Real = NDArray[np.float32]
Paste = Literal["all", "part", "cut out"]


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """Image pyramid of a picture, against aliasing."""

    picture: Picture
    images: tuple[Grey, ...]
    soft: tuple[Grey, ...]
    """Alpha mask for cutting out: 255 on hand and forearm, falling to 0 around them."""
    masks: tuple[Grey, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A picture on the canvas: `matrix` maps its pixels there; a part is clipped to `clip` (4, 2)."""

    layers: Layers
    matrix: Matrix
    paste: Paste
    clip: Real | None = None
    gain: float = 1.0
    lift: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A canvas of (rows, columns) units: background, pictures, then marks and a frame on top."""

    rows: float
    columns: float
    background: float
    placed: tuple[Placed, ...]
    stamps: tuple[tuple[Grey, Matrix, float], ...] = ()
    frame: tuple[Real, float] | None = None
    """Corners (4, 2) of the field and the grey around it."""
    warp: tuple[Real, float] | None = None
    """A random field (2, n, n) and its strength in units."""


@dataclass(frozen=True, slots=True, eq=False)
class SceneHand:
    """A hand of a rendered scene: joints (13, 2) in its pixels, NaN outside; its silhouette if known."""

    joints: NDArray[np.float64]
    silhouette: NDArray[np.bool_] | None


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A rendered scene: grey (rows, columns) of any scale, mask of the canvas, and the hands."""

    grey: Real
    inside: NDArray[np.bool_]
    hands: tuple[SceneHand, ...]


def layers_of(picture: Picture) -> Layers:
    """Build the pyramid of a picture with three halvings."""
    masks: list[Grey] = [picture.silhouettes]
    images: list[Grey] = [picture.image]
    soft: list[Grey] = [_soft(picture)]
    for _ in range(3):
        images.append(np.asarray(cv2.pyrDown(images[-1]), np.uint8))
        soft.append(np.asarray(cv2.pyrDown(soft[-1]), np.uint8))
        half = (images[-1].shape[1], images[-1].shape[0])
        masks.append(np.asarray(cv2.resize(masks[-1], half, interpolation=cv2.INTER_NEAREST), np.uint8))
    return Layers(picture, tuple(images), tuple(soft), tuple(masks))


def _soft(picture: Picture) -> Grey:
    """A soft mask of the first hand with its forearm."""
    mask = (picture.silhouettes & 1).astype(np.uint8)
    if len(picture.joints) == 0:
        return np.full(mask.shape, 255, np.uint8)
    joints = picture.joints[0].astype(np.float64)
    arrow = joints[KNUCKLE] - joints[WRIST]
    length = float(np.hypot(*arrow))
    if not picture.outlined[0]:
        hull = cv2.convexHull(np.concatenate([joints, joints[1:5] + 0.8 * arrow]).astype(np.int32))
        cv2.fillConvexPoly(mask, hull, 1)
    side = np.array([-arrow[1], arrow[0]])
    ends = [
        joints[WRIST] + along * arrow + across * side
        for along, across in ((0, 0.5), (-3, 0.62), (-3, -0.62), (0, -0.5))
    ]
    cv2.fillConvexPoly(mask, np.rint(ends).astype(np.int32), 1)
    size = max(3, round(0.13 * length)) | 1
    grown = cv2.dilate(mask * np.uint8(255), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    return np.asarray(cv2.blur(grown, (size, size)), np.uint8)
