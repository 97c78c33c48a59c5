"""Looks at one hand again from near, and cuts it out of what it touches.

A level that suits the whole image may lose a thin finger or flow into a halo; around one palm, at its
own scale, the levels of that hand alone decide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.imaging.threshold_detector.candidates import Mask, Picture, palms, reduced, unframed, views
from ra_node.imaging.threshold_detector.finger_score import HandCandidate, hand_of

_WRIST_RADII = 2.2
"""The region ends this many palm radii behind the palm's centre, behind the wrist."""
_WRIST_HALF_WIDTH_RADII = 1.5
_REACH_RADII = 4.0
_SIGHT_RADII = 4.6
_NEAR_RADIUS_PX = 38.0
_SURE = 0.85
"""A hand of this score stays although the closer look does not show it."""


@dataclass(frozen=True, slots=True)
class ReducedFrame:
    """Where a reduced picture lies: its corner in image pixels and its pixels per image pixel."""

    left: int
    top: int
    scale: float


def judged(picture: Picture, around_px: float | None = None) -> list[HandCandidate]:
    """Give everything in a picture that has the fingers of a hand."""
    seen = views(picture) if around_px is None else views(picture, around_px)
    found = (hand_of(palm) for number, view in enumerate(seen) for palm in palms(view, number))
    return [hand for hand in found if hand is not None and hand.score > 0.2]


def look_closer(
    values: NDArray[np.float32], hand: HandCandidate, frame: ReducedFrame
) -> tuple[HandCandidate, ReducedFrame, Picture] | None:
    """Judge a hand again at its own scale; None where it was doubtful and is not confirmed."""
    rows, columns = values.shape
    radius = hand.palm.radius / frame.scale
    x = frame.left + hand.palm.x / frame.scale + 0.8 * radius * math.cos(hand.towards)
    y = frame.top + hand.palm.y / frame.scale + 0.8 * radius * math.sin(hand.towards)
    sight = _SIGHT_RADII * radius
    left, top = max(0, int(x - sight)), max(0, int(y - sight))
    part = values[top : min(rows, int(y + sight)), left : min(columns, int(x + sight))]
    picture, scale = reduced(np.ascontiguousarray(part), round(_NEAR_RADIUS_PX / radius * max(part.shape)))
    near = ReducedFrame(left, top, scale)
    before = moved(hand, frame, near)
    picture = unframed(picture)
    group = [
        trimmed
        for again in _same(judged(picture, 0.55 * before.palm.radius), before)
        if (trimmed := _trimmed(again, picture)) is not None
    ]
    if not group or max(again.score for again in group) < hand.score - 0.15:
        if hand.score < _SURE:
            return None
        whole, _ = reduced(values)
        return hand, frame, whole
    return best_of(group), near, picture


def _same(hands: Sequence[HandCandidate], before: HandCandidate) -> list[HandCandidate]:
    """Keep the judgements of the place that is looked at."""
    return [
        hand
        for hand in hands
        if math.hypot(hand.palm.x - before.palm.x, hand.palm.y - before.palm.y) < 1.3 * before.palm.radius
        and math.cos(hand.towards - before.towards) > 0.5
    ]


def _trimmed(hand: HandCandidate, picture: Picture) -> HandCandidate | None:
    """Judge a hand without the frame or halo that its shape hung on to by the forearm."""
    mask = own_mask(hand, (), picture)
    return hand_of(replace(hand.palm, shape=mask, left=0, top=0))


def moved(hand: HandCandidate, old: ReducedFrame, new: ReducedFrame) -> HandCandidate:
    """Give the same hand in the pixels of another picture; its shape stays behind."""
    factor = new.scale / old.scale
    x = (old.left - new.left) * new.scale + hand.palm.x * factor
    y = (old.top - new.top) * new.scale + hand.palm.y * factor
    return replace(hand, palm=replace(hand.palm, x=x, y=y, radius=hand.palm.radius * factor))


def best_of(group: Sequence[HandCandidate]) -> HandCandidate:
    """Choose the judgement with all fingers at their full length whose shape holds still over levels.

    A carpus with bare metacarpals resembles a small hand, hence the least radius.
    """
    best = max(hand.score for hand in group)
    radius = max(hand.palm.radius for hand in group if hand.score >= 0.85 * best)
    full = [hand for hand in group if hand.score >= 0.7 * best and hand.palm.radius >= 0.78 * radius]
    reach = max(hand.reach for hand in full)
    changes = _changes(full)

    def cost(hand: HandCandidate) -> float:
        wrong = 0.4 * (best - hand.score) + 0.8 * (1 - hand.reach / reach) + 5.0 * hand.spill
        return wrong + 0.7 * changes[id(hand)] + 0.005 * hand.palm.level

    return min(full, key=cost)


def _changes(hands: Sequence[HandCandidate]) -> dict[int, float]:
    """Give each hand the relative change of its area to the stillest neighbouring level of its view."""
    changes = {id(hand): 0.3 for hand in hands}
    ordered = sorted(hands, key=lambda hand: (hand.palm.view, hand.palm.level))
    areas = {id(hand): _area_around(hand) for hand in ordered}
    for a, b in pairwise(ordered):
        if a.palm.view == b.palm.view:
            change = abs(math.log(areas[id(a)] / areas[id(b)]))
            changes[id(a)], changes[id(b)] = min(changes[id(a)], change), min(changes[id(b)], change)
    return changes


def _area_around(hand: HandCandidate) -> float:
    """Give the area of the shape within the reach of the hand, in pixels and at least one."""
    palm, reach = hand.palm, int(4.2 * hand.palm.radius)
    x, y = int(palm.x) - palm.left, int(palm.y) - palm.top
    part = palm.shape[max(0, y - reach) : y + reach : 2, max(0, x - reach) : x + reach : 2]
    return max(1.0, 4.0 * float(part.sum()))


def own_mask(hand: HandCandidate, others: Sequence[HandCandidate], picture: Picture) -> Mask:
    """Cut the hand out of its shape: no forearm, no frame, nothing that is nearer to another hand."""
    palm = hand.palm
    mask = np.zeros(picture.shape, np.uint8)
    rows, columns = palm.shape.shape
    mask[palm.top : palm.top + rows, palm.left : palm.left + columns] = palm.shape
    y, x = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]].astype(np.float32)
    dx, dy = (x - palm.x) / palm.radius, (y - palm.y) / palm.radius
    along = dx * math.cos(hand.towards) + dy * math.sin(hand.towards)
    distance = dx * dx + dy * dy
    beside_wrist = (along < -1) & (distance - along * along > _WRIST_HALF_WIDTH_RADII**2)
    mask[beside_wrist | (along < -_WRIST_RADII) | (distance > _REACH_RADII**2)] = 0
    size = max(3, int(0.2 * palm.radius) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, kernel), np.uint8)
    for other in others:
        mask[_closeness(other, x, y) < _closeness(hand, x, y)] = 0
    _, labels = cv2.connectedComponents(mask, connectivity=4)
    own: Mask = (labels == labels[int(palm.y), int(palm.x)]).astype(np.uint8) & mask
    return own


def _closeness(hand: HandCandidate, x: Picture, y: Picture) -> Picture:
    """Give the distance in palm radii to the hand's axis, from the wrist to the middle of the fingers."""
    palm, along_x, along_y = hand.palm, math.cos(hand.towards), math.sin(hand.towards)
    dx, dy = (x - palm.x) / palm.radius, (y - palm.y) / palm.radius
    along = np.clip(dx * along_x + dy * along_y, -1.5, 2.0)
    return np.asarray(np.hypot(dx - along * along_x, dy - along * along_y), np.float32)
