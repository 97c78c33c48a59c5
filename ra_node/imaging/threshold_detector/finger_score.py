"""Judges by its fingers whether a disc in a bright shape is the palm of a hand, and where they point.

Rings around a palm cross the fingers in thin runs and the forearm in a wide one on the other side;
that holds whatever the hand's place, size and turn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.imaging.threshold_detector.candidates import Mask, Palm

_ANGLES = 360
_RINGS = np.arange(1.2, 4.55, 0.1)
"""Radii of the rings in palm radii."""
_TURN = np.arange(_ANGLES) * (2 * np.pi / _ANGLES)
_THIN = 0.75
"""A wider run, in palm radii, is no finger."""
_SHORTEST = 0.45
_MOST_CANDIDATES = 8
_FAR = slice(8, None)
"""The rings beyond the knuckles."""
_COUNT_SCORES = {3: 0.35, 4: 0.75, 5: 1.0, 6: 0.6}


@dataclass(frozen=True, slots=True, eq=False)
class HandCandidate:
    """A palm with fingers: `towards` is the angle of the fingers (radians, x to y), score 0..1.

    `reach` sums how far the fingers extend from the palm's centre, in pixels of the reduced picture.
    `spill` is the share of the fingers' half that the shape fills without being a finger, 0..1.
    """

    palm: Palm
    towards: float
    fingers: int
    reach: float
    spill: float
    score: float


@dataclass(frozen=True, slots=True)
class _Finger:
    """A thin run followed over neighbouring rings, from ring to ring in palm radii."""

    angle: float
    start: float
    end: float

    @property
    def length(self) -> float:
        return self.end - self.start


def hand_of(palm: Palm) -> HandCandidate | None:
    """Read the fingers around a palm; None where there are fewer than three."""
    rings = _unrolled(palm)
    thin, wide = _runs(rings)
    fingers = _fingers(thin)
    candidates = [finger for finger in fingers if finger.start < 2.6 and finger.length >= _SHORTEST]
    if len(candidates) > _MOST_CANDIDATES:
        return None
    arm = _arm(wide)
    if arm is not None:
        candidates = [finger for finger in candidates if math.cos(finger.angle - arm) < 0.5]
    if len(candidates) < 3:
        return None
    towards = _direction(candidates, arm)
    kept = [finger for finger in candidates if math.cos(finger.angle - towards) > -0.42]
    if len(kept) < 3:
        return None
    score = _score(kept, arm, towards) * max(0.0, 1 - _halo(wide, towards))
    ends = (min(f.end, 3.8) for f in fingers if math.cos(f.angle - towards) > -0.35)
    ahead = np.cos(_TURN - towards) > -0.3
    spill = float((rings - thin)[_FAR][:, ahead].mean())
    return HandCandidate(palm, towards, len(kept), sum(ends) * palm.radius, spill, score)


def _unrolled(palm: Palm) -> Mask:
    """Sample the shape on the rings: (rings, angles)."""
    radii = _RINGS[:, None] * palm.radius
    x = np.rint(palm.x - palm.left + radii * np.cos(_TURN)).astype(np.intp)
    y = np.rint(palm.y - palm.top + radii * np.sin(_TURN)).astype(np.intp)
    rows, columns = palm.shape.shape
    inside = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
    rings = np.zeros(x.shape, np.uint8)
    rings[inside] = palm.shape[y[inside], x[inside]]
    return rings


def _runs(rings: Mask) -> tuple[Mask, NDArray[np.float64]]:
    """Part the runs on the rings into thin ones (rings, angles) and wide ones (rings counted per angle)."""
    twice = np.pad(np.hstack([rings, rings]).astype(np.int8), ((0, 0), (1, 1)))
    change = np.diff(twice, axis=1)
    ring, start = np.nonzero(change == 1)
    end = np.nonzero(change == -1)[1]
    whole = (start > 0) & (start <= _ANGLES)  # a run that starts at 0 is seen whole one turn later
    ring, start, end = ring[whole], start[whole], end[whole]
    width = (end - start) * (2 * np.pi / _ANGLES) * _RINGS[ring]
    narrow = width < _THIN
    thin = _painted(ring[narrow], start[narrow], end[narrow])
    broad = ~narrow & (width < 3) & (_RINGS[ring] < 3)
    return thin, _painted(ring[broad], start[broad], end[broad]).sum(axis=0).astype(np.float64)


def _painted(ring: NDArray[np.intp], start: NDArray[np.intp], end: NDArray[np.intp]) -> Mask:
    """Mark runs on empty rings: (rings, angles)."""
    change = np.zeros((len(_RINGS), 2 * _ANGLES + 1), np.int32)
    np.add.at(change, (ring, start), 1)
    np.add.at(change, (ring, end), -1)
    level = change.cumsum(axis=1)
    painted: Mask = ((level[:, :_ANGLES] + level[:, _ANGLES:-1]) > 0).astype(np.uint8)
    return painted


def _fingers(thin: Mask) -> list[_Finger]:
    """Follow thin runs over neighbouring rings."""
    seam = int(np.argmin(thin.sum(axis=0)))
    _, _, stats, centres = cv2.connectedComponentsWithStats(np.roll(thin, -seam, axis=1), connectivity=8)
    fingers = []
    for (_, top, _, height, _), (column, _) in zip(stats[1:], centres[1:], strict=True):
        if height >= 6:
            angle = math.radians((column + seam) % _ANGLES)
            fingers.append(_Finger(angle, float(_RINGS[top]), float(_RINGS[top + height - 1])))
    return fingers


def _arm(wide: NDArray[np.float64]) -> float | None:
    """Give the angle of the forearm; None where the wide runs agree on none."""
    total = wide.sum()
    mean = complex((wide * np.exp(1j * _TURN)).sum()) / max(total, 1)
    return math.atan2(mean.imag, mean.real) if abs(mean) > 0.6 else None


def _direction(fingers: list[_Finger], arm: float | None) -> float:
    """Give the mean angle of the fingers, drawn away from the forearm."""
    x = sum(min(finger.length, 1.6) * math.cos(finger.angle) for finger in fingers)
    y = sum(min(finger.length, 1.6) * math.sin(finger.angle) for finger in fingers)
    if arm is not None:
        size = max(math.hypot(x, y), 1e-6)
        x, y = x / size - math.cos(arm), y / size - math.sin(arm)
    return math.atan2(y, x)


def _score(fingers: list[_Finger], arm: float | None, towards: float) -> float:
    """Say how much the fingers are those of a hand: their number, length and common direction, 0..1."""
    lengths = sorted((finger.length for finger in fingers), reverse=True)
    x = sum(math.cos(finger.angle) for finger in fingers) / len(fingers)
    y = sum(math.sin(finger.angle) for finger in fingers) / len(fingers)
    score = _COUNT_SCORES.get(len(fingers), 0.2)
    score *= min(1.0, math.hypot(x, y) / 0.5) * min(1.0, lengths[min(3, len(lengths) - 1)] / 0.9)
    if arm is None:
        return score * 0.85
    return score if math.cos(arm - towards) < -0.5 else score * 0.5


def _halo(wide: NDArray[np.float64], towards: float) -> float:
    """Give the share of wide runs where fingers should be: background that merged with the hand."""
    return float(wide[np.cos(_TURN - towards) > -0.3].sum() / (len(_RINGS) * 60))
