"""The soft tissue of a hand: its thickness at every pixel, which determines the silhouette."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Box
from training.phantom.lesions import DrawnLesion
from training.phantom.raster import blurred, depth_inside, filled, rounded
from training.phantom.skeleton import Digit, HandSkeleton, names_of
from training.phantom.transform import MillimetreTransform

Array = NDArray[np.float32]

FLESH_PER_MM = 0.024
"""Attenuation of soft tissue at about 50 kV, per mm."""
SKIN_MM = 1.2
"""Thickness from which a pixel belongs to the silhouette."""

_RADII_MM: dict[int, tuple[float, ...]] = {
    1: (15.0, 11.5, 10.0, 8.2),
    2: (12.0, 11.5, 9.6, 8.3, 7.2),
    3: (12.0, 11.8, 9.9, 8.5, 7.4),
    4: (12.0, 11.2, 9.4, 8.0, 7.0),
    5: (11.0, 10.0, 8.2, 7.0, 6.1),
}


_FOREARM_MM = (
    *((24.0, -20.0), (21.5, -43.0), (22.0, -80.0), (23.0, -130.0), (25.0, -260.0), (25.0, -400.0)),
    *((-45.0, -400.0), (-45.0, -260.0), (-41.0, -130.0), (-38.5, -80.0)),
    *((-36.5, -43.0), (-35.5, -12.0), (-38.0, 14.0)),
)
"""The skin from the thumb's ball down the forearm and up to the edge of the palm."""


def finger_tubes(digit: Digit, lesions: tuple[DrawnLesion, ...]) -> Array:
    """The skin of a digit as a chain of circles, (n, 3): x, y and radius in mm, base first."""
    swollen = {lesion.joint: lesion.swollen_mm for lesion in lesions}
    nodes, radii = digit.nodes, np.array(_RADII_MM[digit.number], np.float32)
    chain = []
    for at, (x, y) in enumerate(nodes):
        more = 0.0
        if 0 < at < len(nodes) - 1:
            more = swollen.get(names_of(digit.number)[at - 1], 0.0)
        chain.append((x, y, radii[at] + more))
        if at < len(nodes) - 1:
            middle = (nodes[at] + nodes[at + 1]) / 2
            chain.append((*middle, 0.485 * (radii[at] + radii[at + 1])))
    back = (nodes[-1] - nodes[-2]) / np.linalg.norm(nodes[-1] - nodes[-2])
    chain[-1] = (*(nodes[-1] - (radii[-1] - 4.5) * back), radii[-1])
    return np.array(chain, np.float32)


def palm_outline(hand: HandSkeleton) -> Array:
    """Palm, wrist and forearm as one outline (n, 2) in mm, from the little finger over the webs."""
    thumb, index, middle, ring, little = (digit.nodes for digit in hand.digits)
    axis = (thumb[2] - thumb[1]) / np.linalg.norm(thumb[2] - thumb[1])
    web = thumb[1] + 4.0 * axis + 9.5 * np.array([-axis[1], axis[0]])
    webs = [0.66 * (a[1] + b[1]) / 2 + 0.34 * (a[2] + b[2]) / 2 for a, b in
            ((ring, little), (middle, ring), (index, middle))]  # fmt: skip
    edge = index[1] + np.array([9.5, 2.0])
    hollow = 0.55 * (web + edge) / 2 + 0.45 * (thumb[0] + index[1]) / 2 + np.array([3.0, 3.0])
    ulnar = [little[1] + np.array([-9.5, 1.0]), 0.5 * (little[0] + little[1]) + np.array([-13.0, 0.0])]
    thenar = 0.5 * (thumb[0] + thumb[1]) + np.array([10.0, -7.0])
    points = [
        *(*ulnar[::-1], little[1] + np.array([-6.0, 9.0]), *webs),
        *(index[1] + np.array([9.0, 13.0]), edge, hollow, web),
        *(thumb[1] + np.array([6.0, -4.0]), thenar, thumb[0] + np.array([8.5, -13.0])),
        *_FOREARM_MM,
    ]
    return np.array(points, np.float32)


def outline_points(hand: HandSkeleton, lesions: tuple[DrawnLesion, ...], forearm_mm: float) -> Array:
    """Points (n, 2) in mm that enclose the hand and `forearm_mm` of forearm below the carpus."""
    palm = palm_outline(hand)
    chains = [finger_tubes(digit, lesions) for digit in hand.digits]
    around = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    circle = np.stack([np.cos(around), np.sin(around)], axis=1)
    skin = [node[:2] + node[2] * circle for chain in chains for node in chain]
    kept = np.maximum(palm, np.array([-np.inf, -forearm_mm]))
    return np.vstack([kept, *skin]).astype(np.float32)


def flesh_thickness(
    hand: HandSkeleton, lesions: tuple[DrawnLesion, ...], frame: MillimetreTransform
) -> Array:
    """Path length of each ray through soft tissue in mm, (rows, columns)."""
    total = _palm(hand, frame)
    total *= total
    total *= total
    for digit in hand.digits:
        _add_finger(total, finger_tubes(digit, lesions), frame)
    for lesion in lesions:
        if lesion.joint.startswith("wrist"):
            _swell(total, lesion, frame)
    blur = max(0.35, 0.45 * frame.px_per_mm)
    return blurred(np.sqrt(np.sqrt(total)), blur)


def _add_finger(total: Array, chain: Array, frame: MillimetreTransform) -> None:
    """Add the fourth power of a finger's thickness, so that fingers merge softly with the palm."""
    box = frame.window(chain[:, :2], float(chain[:, 2].max()))
    if box is None:
        return
    own = frame.cropped(box)
    finger = np.zeros((own.rows, own.columns), np.float32)
    for start, end in pairwise(chain):
        _deepen(finger, start, end, own)
    finger *= finger
    finger *= finger
    total[box.y0 : box.y1, box.x0 : box.x1] += finger


def _deepen(finger: Array, start: Array, end: Array, frame: MillimetreTransform) -> None:
    """Maximum of the present thickness and a tapered piece between two circles, in place."""
    box = frame.window(np.stack([start[:2], end[:2]]), float(max(start[2], end[2])))
    if box is None:
        return
    x, y = frame.grid_mm(box)
    axis = end[:2] - start[:2]
    along = ((x - start[0]) * axis[0] + (y - start[1]) * axis[1]) / np.float32(axis @ axis)
    along = along.clip(0, 1)
    away = (x - start[0] - along * axis[0]) ** 2 + (y - start[1] - along * axis[1]) ** 2
    radius = start[2] + along * (end[2] - start[2])
    thick = 1.8 * radius * np.sqrt((1 - away / radius**2).clip(0))
    part = finger[box.y0 : box.y1, box.x0 : box.x1]
    np.maximum(part, thick, out=part)


def _palm(hand: HandSkeleton, frame: MillimetreTransform) -> Array:
    """Thickness of the palm: round edges, a flat middle, thinner towards the webs."""
    mask = filled(rounded(frame.to_px(palm_outline(hand))), frame.rows, frame.columns)
    padded = np.pad(mask, 1, mode="edge")
    away = blurred(depth_inside(padded)[1:-1, 1:-1], frame.px_per_mm) / np.float32(frame.px_per_mm)
    rise = (1 - away / 20.0).clip(0, 1)
    x, y = frame.grid_mm(Box(0, 0, frame.columns, frame.rows))
    depth = (
        25.0
        + 11.0 / (1 + np.exp((y - 22) / 9))
        + 5.0 * np.exp(-(((x - 32) / 14) ** 2) - ((y - 38) / 20) ** 2)
    )
    result: Array = (depth * np.sqrt(1 - rise * rise) * (mask > 0)).astype(np.float32)
    return result


def _swell(total: Array, lesion: DrawnLesion, frame: MillimetreTransform) -> None:
    box = frame.window(np.array([lesion.place], np.float32), 26.0)
    if box is None:
        return
    x, y = frame.grid_mm(box)
    away = (x - lesion.place[0]) ** 2 + (y - lesion.place[1]) ** 2
    part = total[box.y0 : box.y1, box.x0 : box.x1]
    part *= 1 + 0.12 * lesion.swollen_mm * np.exp(-away / 144.0)
