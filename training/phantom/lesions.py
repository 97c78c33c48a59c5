"""Lesions of rheumatoid arthritis, joint by joint, at the stages 0 to 5.

Stage 1: soft-tissue swelling and osteopenia; 2: narrowed joint space and a first marginal erosion; 3: clear
erosions; 4: destruction and displacement; 5: ankylosis in wrist and fingers, dislocation at the MCP joints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ra_node.domain.joints import JOINTS
from training.phantom.skeleton import Deformity, HandSkeleton, across

Array = NDArray[np.float32]

GAP_KEPT = (1.0, 0.9, 0.62, 0.36, 0.14, 0.0)
"""Remaining share of a joint's space at each stage."""
_BITES = (0, 0, 2, 4, 6, 7)
_BITE_MM = (0.0, 0.0, 1.3, 1.8, 2.4, 2.9)
_THINNED = (0.0, 0.12, 0.2, 0.28, 0.36, 0.42)
_SWOLLEN_MM = (0.0, 1.8, 2.6, 3.0, 2.6, 1.8)
_SLIP_MM = (0.0, 0.0, 0.0, 0.6, 2.8, 4.2)
_BEND_DEG = (0.0, 0.0, 0.0, 4.0, 12.0, 18.0)
_HIT = ((0, 0), (2, 4), (4, 6), (5, 8), (7, 10), (9, 12))
"""Least and most diseased joints of a hand at each stage."""


@dataclass(frozen=True, slots=True)
class Erosion:
    """An erosion: a round hole in bone at (x, y) in mm."""

    x_mm: float
    y_mm: float
    radius_mm: float


@dataclass(frozen=True, slots=True)
class DrawnLesion:
    """One diseased joint: its position in mm and all drawn changes."""

    joint: str
    stage: int
    place: tuple[float, float]
    bites: tuple[Erosion, ...]
    thinned: float
    swollen_mm: float
    fused: bool


def spread_disease(stage: int, rng: np.random.Generator) -> dict[str, int]:
    """Choose the diseased joints of a hand of this stage; the highest joint stage equals it."""
    if stage == 0:
        return dict.fromkeys(JOINTS, 0)
    low, high = _HIT[stage]
    order = [JOINTS[at] for at in rng.permutation(len(JOINTS))]
    hit = order[: int(rng.integers(low, high + 1))]
    stages = dict.fromkeys(JOINTS, 0)
    for at, joint in enumerate(hit):
        stages[joint] = stage if at < 1 + len(hit) // 3 else int(rng.integers(max(1, stage - 2), stage + 1))
    return stages


def deformities(stages: Mapping[str, int]) -> dict[str, Deformity]:
    """Narrowing, subluxation and ulnar deviation of each joint."""
    return {
        joint: Deformity(
            GAP_KEPT[stage],
            0.0 if joint.startswith("wrist") else -_SLIP_MM[stage] * _share(joint),
            0.0 if joint.startswith("wrist") else -_BEND_DEG[stage] * _share(joint),
        )
        for joint, stage in stages.items()
    }


def _share(joint: str) -> float:
    """Share of the full dislocation, most at the fingers' MCP joints; the sign is its direction."""
    if joint == "mcp_1":
        return -0.5
    return 1.0 if joint.startswith("mcp") else 0.45


def find_lesions(
    hand: HandSkeleton, stages: Mapping[str, int], rng: np.random.Generator
) -> tuple[DrawnLesion, ...]:
    """The lesions of every diseased joint at the position of the posed joint."""
    lesions = []
    for joint, stage in stages.items():
        if stage == 0:
            continue
        margins = _wrist_margins(hand, joint) if joint.startswith("wrist") else _margins(hand, joint)
        fused = stage == 5 and not joint.startswith("mcp")
        place = hand.joints[joint]
        bites = _bites(margins, stage, rng)
        lesions.append(DrawnLesion(joint, stage, place, bites, _THINNED[stage], _SWOLLEN_MM[stage], fused))
    return tuple(lesions)


def _margins(hand: HandSkeleton, joint: str) -> Array:
    """The four bare areas of a finger joint (4, 2) in mm: bone inside the capsule without cartilage."""
    number, kind = int(joint[-1]), joint.split("_", maxsplit=1)[0]
    at = 0 if kind == "mcp" else 1
    near, far = (next(t for t in hand.tubes if t.name == f"bone {number}.{at + k}") for k in (0, 1))
    corners = []
    for end, other, wide, inset in (
        (near.head, near.base, near.widths_mm[2], 3.0),
        (far.base, far.head, far.widths_mm[0], 1.4),
    ):
        axis = np.subtract(other, end) / np.hypot(*np.subtract(other, end))
        side = across(axis)
        corners += [np.array(end) + inset * axis + sign * 0.95 * wide * side for sign in (-1, 1)]
    return np.array(corners, np.float32)


def _wrist_margins(hand: HandSkeleton, joint: str) -> Array:
    """The corners of carpals and forearm bones near a wrist joint (n, 2) in mm."""
    points = np.vstack(
        [plate.outline for plate in hand.plates if not plate.name.startswith(("sesamoid", "facet"))]
    )
    away = np.hypot(*(points - np.array(hand.joints[joint], np.float32)).T)
    return points[np.argsort(away)[:14]]


def _bites(margins: Array, stage: int, rng: np.random.Generator) -> tuple[Erosion, ...]:
    picked = rng.choice(len(margins), size=_BITES[stage], replace=len(margins) < _BITES[stage])
    bites = []
    for at in picked:
        x, y = margins[at] + rng.normal(0, 0.5, 2)
        bites.append(Erosion(float(x), float(y), float(_BITE_MM[stage] * rng.uniform(0.7, 1.3))))
    return tuple(bites)
