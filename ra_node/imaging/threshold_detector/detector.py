"""Finds the one or two hands of a radiograph: box, outline, and where the fingers point.

Classical and deterministic: bright shapes at many grey levels are offered (silhouettes), judged by their
fingers (fingers); the best judgement of each place is looked at again from near (closer) and becomes a hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Box, Point, Rotation
from ra_node.domain.report import HandRegion, Reason, Refusal
from ra_node.imaging.threshold_detector.candidates import Mask, Picture, reduced, unframed
from ra_node.imaging.threshold_detector.finger_score import HandCandidate
from ra_node.imaging.threshold_detector.refinement import (
    ReducedFrame,
    best_of,
    judged,
    look_closer,
    moved,
    own_mask,
)

_MOST_HANDS = 2
_LEAST_SCORE = 0.5
_ROTATIONS: tuple[Rotation, ...] = (0, 90, 180, 270)
_MOST_POINTS = 200


@dataclass(frozen=True, slots=True)
class FoundHands:
    """The hands of one image, from left to right, then from top to bottom; `refusal` iff there are none."""

    hands: tuple[HandRegion, ...]
    refusal: Refusal | None


def find_hands(values: NDArray[np.float32]) -> FoundHands:
    """Detect the hands in values (rows, columns), bone bright; none or more than two are refused."""
    picture, scale = reduced(values)
    whole = ReducedFrame(0, 0, scale)
    seen = [look_closer(values, hand, whole) for hand in _hands(unframed(picture))]
    looks = [look for look in seen if look is not None]
    refusal = number_refusal(len(looks))
    if refusal is not None:
        return FoundHands((), refusal)
    regions = []
    for own, (hand, frame, near) in enumerate(looks):
        others = [moved(other, place, frame) for at, (other, place, _) in enumerate(looks) if at != own]
        regions.append(_region(hand, own_mask(hand, others, near), frame, values))
    return FoundHands(tuple(in_order(regions)), None)


def number_refusal(count: int) -> Refusal | None:
    """The reason why an image with so many hands is not judged; None for one or two."""
    if 1 <= count <= _MOST_HANDS:
        return None
    reason = Reason.TOO_MANY_HANDS if count else Reason.NO_HAND
    return Refusal(reason, f"Expected one or two hands in the image, found {count or 'none'}.")


def _hands(picture: Picture) -> list[HandCandidate]:
    """Give the best judgement of each place that holds a hand."""
    if float(picture.max()) <= float(picture.min()):
        return []
    chosen = [best_of(group) for group in _by_place(judged(picture))]
    sure = sorted((hand for hand in chosen if hand.score > _LEAST_SCORE), key=lambda hand: -hand.score)
    largest = max((hand.palm.radius for hand in sure), default=0.0)
    hands: list[HandCandidate] = []
    for hand in sure:
        if hand.palm.radius > 0.5 * largest and not any(_interleaved(hand, other) for other in hands):
            hands.append(hand)
    return hands


def _interleaved(a: HandCandidate, b: HandCandidate) -> bool:
    """Say whether two judgements share fingers: the gaps between fingers point into a hand as well."""
    steps = np.linspace(0, 2, 9)
    ends = [
        np.stack(
            [
                hand.palm.x + steps * hand.palm.radius * math.cos(hand.towards),
                hand.palm.y + steps * hand.palm.radius * math.sin(hand.towards),
            ]
        )
        for hand in (a, b)
    ]
    apart = np.hypot(*(ends[0][:, :, None] - ends[1][:, None, :]))
    return float(apart.min()) < max(a.palm.radius, b.palm.radius)


def _by_place(judged: Sequence[HandCandidate]) -> list[list[HandCandidate]]:
    """Group judgements whose palms are nearer than two hands could be."""
    groups: list[list[HandCandidate]] = []
    for hand in sorted(judged, key=lambda hand: -hand.score * hand.palm.radius):
        for group in groups:
            largest = max(other.palm.radius for other in group)
            if _distance(hand, group[0]) < 2.2 * max(largest, hand.palm.radius):
                group.append(hand)
                break
        else:
            groups.append([hand])
    return groups


def _distance(a: HandCandidate, b: HandCandidate) -> float:
    return math.hypot(a.palm.x - b.palm.x, a.palm.y - b.palm.y)


def _region(hand: HandCandidate, mask: Mask, frame: ReducedFrame, values: NDArray[np.float32]) -> HandRegion:
    """Take a hand to the pixels of the image."""
    rows, columns = values.shape
    scale = frame.scale
    left, top, width, height = cv2.boundingRect(mask)
    box = Box(
        math.floor(frame.left + left / scale),
        math.floor(frame.top + top / scale),
        math.ceil(frame.left + (left + width) / scale),
        math.ceil(frame.top + (top + height) / scale),
    ).clipped(rows, columns)
    quarter = round(math.degrees(hand.towards) / 90 + 1) % 4
    return HandRegion(box, _outline(mask, frame, rows, columns), _ROTATIONS[quarter], min(1.0, hand.score))


def _outline(mask: Mask, frame: ReducedFrame, rows: int, columns: int) -> tuple[Point, ...]:
    """Simplify the outer contour to at most 200 points inside the image."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    contour = max(contours, key=cv2.contourArea)
    tolerance = 0.5
    points = cv2.approxPolyDP(contour, tolerance, closed=True)
    while len(points) > _MOST_POINTS:
        tolerance *= 1.5
        points = cv2.approxPolyDP(contour, tolerance, closed=True)
    places = (points[:, 0, :] + 0.5) / frame.scale + (frame.left, frame.top)
    return tuple(Point(min(float(x), columns), min(float(y), rows)) for x, y in places)


def in_order(regions: Sequence[HandRegion]) -> list[HandRegion]:
    """Order two hands left to right, or top to bottom where they lie above each other."""
    across = [region.box.centre.x for region in regions]
    down = [region.box.centre.y for region in regions]
    if max(across) - min(across) >= max(down) - min(down):
        return sorted(regions, key=lambda region: region.box.centre.x)
    return sorted(regions, key=lambda region: region.box.centre.y)
