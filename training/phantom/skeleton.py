"""The bones of one hand: positions and widths in mm.

The coordinate frame of a hand has its origin in the middle of the carpus, x towards the thumb and y towards
the fingertips. Sizes are those of an adult in a PA view; a seed varies proportions and pose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ra_node.domain.joints import JOINTS

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TubularBone:
    """A tubular bone from `base` to `head`, (x, y) in mm, with half widths in mm.

    `hollow_mm` is the depth of the concave base, `dip_mm` that of the notch between two condyles of the
    head (negative for a round head), `rim_mm` the second contour of a base seen a little from the side;
    `tuft` marks the last bone of a finger.
    """

    name: str
    base: tuple[float, float]
    head: tuple[float, float]
    widths_mm: tuple[float, float, float]
    hollow_mm: float
    dip_mm: float
    rim_mm: float
    tuft: bool = False


@dataclass(frozen=True, slots=True)
class OutlinedBone:
    """A bone given by its outline (points, 2) in mm: a carpal, a sesamoid or a forearm bone."""

    name: str
    outline: Array
    depth_mm: float
    cortex_mm: float
    shaft: bool = False


@dataclass(frozen=True, slots=True)
class Digit:
    """The centres of a digit's joints in mm, (5, 2): base, MCP, PIP, DIP, tip; a thumb has 4.

    `gaps_mm` holds the joint spaces of MCP, PIP and DIP (thumb: MCP, IP), `slips_mm` the sideways
    subluxation of the bone distal to each joint, positive towards the thumb.
    """

    number: int
    nodes: Array
    gaps_mm: tuple[float, ...]
    slips_mm: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class HandSkeleton:
    """All bones of a hand, with its joints."""

    digits: tuple[Digit, ...]
    tubes: tuple[TubularBone, ...]
    plates: tuple[OutlinedBone, ...]
    joints: dict[str, tuple[float, float]]


NODES_MM: dict[int, tuple[tuple[float, float], ...]] = {
    1: ((26.9, 16.1), (55.9, 51.4), (76.3, 75.5), (88.4, 94.6)),
    2: ((10.8, 24.1), (24.3, 89.7), (33.8, 128.8), (38.7, 152.7), (41.1, 167.9)),
    3: ((-2.6, 23.4), (-2.6, 88.8), (-2.1, 135.2), (-3.7, 162.8), (-5.6, 180.4)),
    4: ((-14.6, 22.6), (-21.1, 79.3), (-33.8, 120.8), (-39.8, 148.3), (-42.4, 165.8)),
    5: ((-24.7, 18.3), (-41.3, 67.1), (-61.3, 96.5), (-72.9, 111.8), (-79.5, 127.3)),
}
"""Base, MCP, PIP, DIP and tip of each digit in a widely spread hand."""

WIDTHS_MM: dict[int, tuple[tuple[float, float, float], ...]] = {
    1: ((7.3, 4.2, 6.4), (6.4, 3.7, 5.2), (5.2, 2.6, 3.3)),
    2: ((7.6, 3.5, 6.7), (6.9, 4.0, 5.2), (5.7, 3.2, 4.4), (4.3, 2.0, 2.8)),
    3: ((6.2, 3.4, 7.0), (7.0, 3.9, 5.4), (6.0, 3.3, 4.4), (4.6, 2.2, 3.0)),
    4: ((5.2, 3.2, 6.0), (6.4, 3.5, 5.1), (5.5, 3.2, 4.2), (4.3, 2.0, 2.9)),
    5: ((6.0, 3.5, 5.6), (5.6, 3.0, 4.3), (4.5, 2.7, 3.5), (3.7, 1.7, 2.3)),
}
"""Half widths of each bone of a digit at base, middle and head, from metacarpal to tip."""

_WRISTS_MM = {"wrist_1": (25.6, 17.0), "wrist_2": (-0.4, -1.2), "wrist_3": (-24.0, 17.0)}

_CARPALS_MM: dict[str, tuple[tuple[float, float], ...]] = {
    "trapezium": (
        *((14.0, 16.6), (16.8, 21.3), (21.3, 22.6), (25.2, 19.4)),
        *((26.2, 11.2), (23.0, 4.9), (17.2, 5.4), (14.2, 10.1)),
    ),
    "trapezoid": (
        *((6.0, 20.4), (10.8, 22.9), (15.5, 21.6), (16.0, 16.6)),
        *((13.5, 11.8), (8.6, 12.5), (6.5, 16.6)),
    ),
    "capitate": (
        *((-8.0, 20.4), (-3.2, 22.4), (3.2, 21.4), (5.4, 18.2), (5.4, 5.8)),
        *((3.9, 1.1), (-1.1, -0.9), (-5.4, 1.5), (-7.3, 8.0)),
    ),
    "hamate": (
        *((-23.6, 15.0), (-20.0, 17.9), (-12.9, 19.8), (-8.9, 18.6)),
        *((-8.2, 10.1), (-8.4, 2.6), (-11.8, 2.1), (-17.6, 6.9), (-23.0, 11.4)),
    ),
    "scaphoid": (
        *((0.6, -6.2), (3.6, 0.2), (7.0, 7.3), (11.0, 10.6), (16.3, 6.4)),
        *((18.6, 2.0), (16.9, -3.0), (10.4, -7.0), (3.9, -10.1), (1.2, -9.4)),
    ),
    "lunate": (
        *((-16.3, -6.6), (-13.2, -1.6), (-7.5, 0.6), (-1.7, -0.9)),
        *((0.3, -5.5), (-1.1, -9.9), (-7.5, -11.4), (-13.7, -10.3)),
    ),
    "triquetrum": (
        *((-25.8, 5.4), (-21.7, 8.8), (-16.8, 5.2), (-13.7, 0.4)),
        *((-15.4, -4.5), (-19.4, -8.4), (-23.6, -6.9), (-24.7, -1.7)),
    ),
    "pisiform": (
        *((-25.0, 2.4), (-21.5, 4.3), (-17.9, 1.3)),
        *((-18.5, -3.0), (-22.4, -4.5), (-25.0, -1.7)),
    ),
    "hook of hamate": ((-17.6, 16.4), (-14.4, 17.6), (-12.7, 15.4), (-14.4, 12.3), (-17.2, 12.9)),
}

_FOREARM_MM: dict[str, tuple[tuple[float, float], ...]] = {
    "radius": (
        *((-13.1, -14.4), (-10.8, -12.5), (-4.3, -12.9), (3.2, -11.6), (10.8, -8.6), (15.7, -6.4)),
        *((18.3, -7.5), (19.2, -11.4), (18.5, -18.9), (15.6, -28.6), (12.7, -43.9), (10.4, -65.0)),
        *((9.0, -90.0), (9.0, -400.0), (-6.4, -400.0), (-6.4, -90.0), (-7.4, -65.0)),
        *((-9.4, -43.9), (-11.6, -26.0), (-12.9, -17.8)),
    ),
    "ulna": (
        *((-27.3, -17.8), (-26.9, -13.5), (-24.9, -11.8), (-23.0, -13.5), (-21.7, -15.9)),
        *((-15.9, -15.7), (-14.4, -18.7), (-14.9, -25.4), (-17.2, -32.9), (-18.3, -43.9)),
        *((-18.3, -65.0), (-18.3, -90.0), (-18.3, -400.0), (-29.9, -400.0), (-29.9, -90.0)),
        *((-29.2, -65.0), (-28.4, -43.9), (-27.7, -28.6)),
    ),
}

_GAPS_MM = {1: (1.4, 1.1), 2: (1.7, 1.2, 1.0), 3: (1.7, 1.2, 1.0), 4: (1.6, 1.1, 0.9), 5: (1.5, 1.0, 0.9)}
_REST_DEG = {1: 4.0, 2: 3.0, 3: 0.0, 4: -3.0, 5: -6.0}
"""Angle of each digit to the middle finger in a closed hand."""


_OVERLAP_MM = 1.3
"""Overlap of a metacarpal with the carpals in projection."""


@dataclass(frozen=True, slots=True)
class Deformity:
    """Deformity of one joint: remaining share of its gap, sideways subluxation in mm, bend in degrees."""

    gap: float = 1.0
    slip_mm: float = 0.0
    bend_deg: float = 0.0


def grow_hand(spread: float, deformities: dict[str, Deformity], rng: np.random.Generator) -> HandSkeleton:
    """Pose one hand; `spread` is 0 for closed fingers and 1 for widely spread ones."""
    digits = tuple(_digit(number, spread, deformities, rng) for number in NODES_MM)
    slack = float(rng.normal(1.0, 0.04))
    tubes = tuple(tube for digit in digits for tube in _tubes(digit, slack))
    plates = (*_forearm(), *_carpals(deformities, rng), *_sesamoids(digits[0]))
    return HandSkeleton(digits, tubes, plates, _joints(digits))


def turned(points: Array, about: Array, degrees: float) -> Array:
    """Rotate points (n, 2) about a point, towards the thumb for positive degrees."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]], np.float32)
    result: Array = ((points - about) @ turn.T + about).astype(np.float32)
    return result


def _digit(number: int, spread: float, deformities: dict[str, Deformity], rng: np.random.Generator) -> Digit:
    nodes = np.array(NODES_MM[number], np.float32)
    steps = np.diff(nodes, axis=0) * rng.normal(1.0, 0.025, (len(nodes) - 1, 1)).astype(np.float32)
    nodes = np.vstack([nodes[:1], nodes[:1] + np.cumsum(steps, axis=0)]).astype(np.float32)
    hinge = 0 if number == 1 else 1
    out = float(np.rad2deg(np.arctan2(*(nodes[-1] - nodes[hinge]))))
    wanted = _REST_DEG[number] + spread * (out - _REST_DEG[number])
    if number == 1:
        wanted = 24.0 + spread * (out - 24.0)
    turn = wanted - out + float(rng.normal(0, 1.5))
    nodes[hinge:] = turned(nodes[hinge:], nodes[hinge], turn)
    for at in range(hinge + 1, len(nodes) - 1):
        nodes[at:] = turned(nodes[at:], nodes[at], float(rng.normal(0, 1.5)))
    return _deformed(number, nodes, deformities)


def names_of(number: int) -> tuple[str, ...]:
    """The joints of a digit from its metacarpal outwards."""
    return ("mcp_1", "ip_1") if number == 1 else (f"mcp_{number}", f"pip_{number}", f"dip_{number}")


def across(axis: Array) -> Array:
    """The unit vector across a bone's axis, towards the thumb when the axis points to the fingertips."""
    return np.array([axis[1], -axis[0]], np.float32) / np.float32(np.hypot(axis[0], axis[1]))


def _deformed(number: int, nodes: Array, deformities: dict[str, Deformity]) -> Digit:
    nodes, gaps, slips = nodes.copy(), list(_GAPS_MM[number]), [0.0] * len(_GAPS_MM[number])
    for at, name in enumerate(names_of(number), start=1):
        change = deformities.get(name, Deformity())
        axis = (nodes[at] - nodes[at - 1]) / np.linalg.norm(nodes[at] - nodes[at - 1])
        lost = gaps[at - 1] * (1 - change.gap)
        gaps[at - 1] *= change.gap
        slips[at - 1] = change.slip_mm
        move = change.slip_mm * across(axis) - lost * axis
        nodes[at + 1 :] += move
        nodes[at] += 0.5 * move
        nodes[at + 1 :] = turned(nodes[at + 1 :], nodes[at], change.bend_deg)
    return Digit(number, nodes, tuple(gaps), tuple(slips))


def _tubes(digit: Digit, slack: float) -> list[TubularBone]:
    """The bones of a digit between its joints, each shortened by half of the joint spaces."""
    widths, nodes = WIDTHS_MM[digit.number], digit.nodes
    last = len(nodes) - 2
    tubes = []
    for at in range(last + 1):
        axis = (nodes[at + 1] - nodes[at]) / np.linalg.norm(nodes[at + 1] - nodes[at])
        side = across(axis)
        base, head = nodes[at] - (_OVERLAP_MM if at == 0 else 0.0) * axis, nodes[at + 1]
        if at:
            base = base + digit.gaps_mm[at - 1] / 2 * axis + digit.slips_mm[at - 1] / 2 * side
        if at < last:
            head = head - digit.gaps_mm[at] / 2 * axis - digit.slips_mm[at] / 2 * side
        wide = tuple(slack * w for w in widths[at])
        tubes.append(_tube(f"bone {digit.number}.{at}", (base, head), wide, at, tuft=at == last))
    return tubes


def _tube(
    name: str, ends: tuple[Array, Array], wide: tuple[float, ...], at: int, *, tuft: bool
) -> TubularBone:
    """A metacarpal (`at` 0) has a flat base and a round head, a phalanx a socket and two condyles."""
    (x0, y0), (x1, y1) = ends
    hollow = (0.5, 1.3, 0.9, 0.8)[at]
    dip = 0.0 if tuft else (-0.8 if at == 0 else 0.5)
    base, head = (float(x0), float(y0)), (float(x1), float(y1))
    rim = 0.0 if at == 0 else 1.3
    return TubularBone(name, base, head, (wide[0], wide[1], wide[2]), hollow, dip, rim, tuft)


def _carpals(deformities: dict[str, Deformity], rng: np.random.Generator) -> list[OutlinedBone]:
    """The carpals, enlarged towards each other where the wrist has lost its joint spaces."""
    plates = []
    for name, points in _CARPALS_MM.items():
        outline = np.array(points, np.float32)
        centre = outline.mean(axis=0)
        near = min(_WRISTS_MM, key=lambda wrist: float(np.hypot(*(centre - _WRISTS_MM[wrist]))))
        grown = 1.09 + 0.10 * (1 - deformities.get(near, Deformity()).gap)
        outline = centre + (outline - centre) * grown * rng.normal(1, 0.015, (1, 2))
        outline += rng.normal(0, 0.25, outline.shape)
        depth = 7.0 if name in ("pisiform", "hook of hamate") else 15.0
        plates.append(OutlinedBone(name, outline.astype(np.float32), depth, 0.7))
        facet = centre + rng.normal(0, 0.9, 2) + 0.66 * (outline - centre)
        plates.append(OutlinedBone(f"facet of {name}", facet.astype(np.float32), 2.2, 0.6))
    return plates


def _forearm() -> list[OutlinedBone]:
    return [
        OutlinedBone(name, np.array(points, np.float32), 18.0 if name == "radius" else 12.5, 0.5, shaft=True)
        for name, points in _FOREARM_MM.items()
    ]


def _sesamoids(thumb: Digit) -> list[OutlinedBone]:
    """Two pea-sized bones at the palm side of the thumb's MCP joint."""
    mcp = thumb.nodes[1]
    along = (mcp - thumb.nodes[0]) / np.linalg.norm(mcp - thumb.nodes[0])
    side = across(along)
    circle = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    round_ = np.stack([1.9 * np.cos(circle), 2.4 * np.sin(circle)], axis=1)
    places = (mcp - 5.8 * side - 3.0 * along, mcp + 3.0 * side - 5.0 * along)
    return [OutlinedBone("sesamoid", (place + round_).astype(np.float32), 5.0, 0.6) for place in places]


def _joints(digits: tuple[Digit, ...]) -> dict[str, tuple[float, float]]:
    places = {
        name: (float(digit.nodes[at][0]), float(digit.nodes[at][1]))
        for digit in digits
        for at, name in enumerate(names_of(digit.number), start=1)
    }
    return {name: places.get(name) or _WRISTS_MM[name] for name in JOINTS}
