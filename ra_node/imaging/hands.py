"""Finds the one or two hands of a radiograph: box, outline, and where the fingers point.

Classical and deterministic: bright shapes at many grey levels are offered (silhouettes), judged by their
fingers (fingers), and the best judgement of each place becomes a hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Box, Point, Rotation
from ra_node.domain.report import HandRegion, Reason, Refusal
from ra_node.imaging.fingers import Hand, hand_of
from ra_node.imaging.silhouettes import Mask, Picture, palms, reduced, views

_MOST_HANDS = 2
_LEAST_SCORE = 0.5
_WRIST_RADII = 2.2
"""The region ends this many palm radii behind the palm's centre, behind the wrist."""
_REACH_RADII = 4.0
_ROTATIONS: tuple[Rotation, ...] = (0, 90, 180, 270)
_MOST_POINTS = 200


@dataclass(frozen=True, slots=True)
class FoundHands:
    """The hands of one image, from left to right, then from top to bottom; `refusal` iff there are none."""

    hands: tuple[HandRegion, ...]
    refusal: Refusal | None


def find_hands(values: NDArray[np.float32]) -> FoundHands:
    """Find the hands in values (rows, columns), bone bright; none or more than two are refused."""
    picture, scale = reduced(values)
    hands = _hands(picture)
    if not hands:
        text = "Expected one or two hands in the image, found none."
        return FoundHands((), Refusal(Reason.NO_HAND, text))
    if len(hands) > _MOST_HANDS:
        text = f"Expected one or two hands in the image, found {len(hands)}."
        return FoundHands((), Refusal(Reason.TOO_MANY_HANDS, text))
    masks = [_own_mask(hand, [other for other in hands if other is not hand], picture) for hand in hands]
    regions = [_region(hand, mask, scale, values) for hand, mask in zip(hands, masks, strict=True)]
    return FoundHands(tuple(_in_order(regions)), None)


def _hands(picture: Picture) -> list[Hand]:
    """Give the best judgement of each place that holds a hand."""
    if float(picture.max()) <= float(picture.min()):
        return []
    judged = [
        hand
        for number, view in enumerate(views(picture))
        for palm in palms(view, number)
        if (hand := hand_of(palm)) is not None and hand.score > 0.2
    ]
    chosen = [_chosen(group) for group in _by_place(judged)]
    sure = [hand for hand in chosen if hand.score > _LEAST_SCORE]
    largest = max((hand.palm.radius for hand in sure), default=0.0)
    return [hand for hand in sure if hand.palm.radius > 0.5 * largest]


def _by_place(judged: Sequence[Hand]) -> list[list[Hand]]:
    """Group judgements whose palms are nearer than two hands could be."""
    groups: list[list[Hand]] = []
    for hand in sorted(judged, key=lambda hand: -hand.score * hand.palm.radius):
        for group in groups:
            largest = max(other.palm.radius for other in group)
            if _distance(hand, group[0]) < 2.2 * max(largest, hand.palm.radius):
                group.append(hand)
                break
        else:
            groups.append([hand])
    return groups


def _distance(a: Hand, b: Hand) -> float:
    return math.hypot(a.palm.x - b.palm.x, a.palm.y - b.palm.y)


def _chosen(group: Sequence[Hand]) -> Hand:
    """Choose the judgement with all fingers at their full length whose shape holds still over levels.

    A carpus with bare metacarpals resembles a small hand, hence the least radius.
    """
    best = max(hand.score for hand in group)
    radius = max(hand.palm.radius for hand in group if hand.score >= 0.85 * best)
    full = [hand for hand in group if hand.score >= 0.7 * best and hand.palm.radius >= 0.78 * radius]
    reach = max(hand.reach for hand in full)
    changes = _changes(full)

    def cost(hand: Hand) -> float:
        wrong = 0.6 * (best - hand.score) + 0.5 * (1 - hand.reach / reach)
        return wrong + 0.7 * changes[id(hand)] + 0.005 * hand.palm.level

    return min(full, key=cost)


def _changes(hands: Sequence[Hand]) -> dict[int, float]:
    """Give each hand the relative change of its area to the stillest neighbouring level of its view."""
    changes = {id(hand): 0.3 for hand in hands}
    ordered = sorted(hands, key=lambda hand: (hand.palm.view, hand.palm.level))
    areas = {id(hand): _area_around(hand) for hand in ordered}
    for a, b in pairwise(ordered):
        if a.palm.view == b.palm.view:
            change = abs(math.log(areas[id(a)] / areas[id(b)]))
            changes[id(a)], changes[id(b)] = min(changes[id(a)], change), min(changes[id(b)], change)
    return changes


def _area_around(hand: Hand) -> float:
    """Give the area of the shape within the reach of the hand, in pixels and at least one."""
    palm, reach = hand.palm, int(4.2 * hand.palm.radius)
    x, y = palm.x - palm.left, palm.y - palm.top
    part = palm.shape[max(0, y - reach) : y + reach : 2, max(0, x - reach) : x + reach : 2]
    return max(1.0, 4.0 * float(part.sum()))


def _own_mask(hand: Hand, others: Sequence[Hand], picture: Picture) -> Mask:
    """Cut the hand out of its shape: no forearm, no frame, nothing that is nearer to another hand."""
    palm = hand.palm
    mask = np.zeros(picture.shape, np.uint8)
    rows, columns = palm.shape.shape
    mask[palm.top : palm.top + rows, palm.left : palm.left + columns] = palm.shape
    y, x = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]].astype(np.float32)
    dx, dy = (x - palm.x) / palm.radius, (y - palm.y) / palm.radius
    along = dx * math.cos(hand.towards) + dy * math.sin(hand.towards)
    mask[(along < -_WRIST_RADII) | (dx * dx + dy * dy > _REACH_RADII**2)] = 0
    size = max(3, int(0.2 * palm.radius) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, kernel), np.uint8)
    for other in others:
        mask[_closeness(other, x, y) < _closeness(hand, x, y)] = 0
    _, labels = cv2.connectedComponents(mask, connectivity=4)
    own: Mask = (labels == labels[palm.y, palm.x]).astype(np.uint8) & mask
    return own


def _closeness(hand: Hand, x: Picture, y: Picture) -> Picture:
    """Give the distance in palm radii to the hand's axis, from the wrist to the middle of the fingers."""
    palm, along_x, along_y = hand.palm, math.cos(hand.towards), math.sin(hand.towards)
    dx, dy = (x - palm.x) / palm.radius, (y - palm.y) / palm.radius
    along = np.clip(dx * along_x + dy * along_y, -1.5, 2.0)
    return np.asarray(np.hypot(dx - along * along_x, dy - along * along_y), np.float32)


def _region(hand: Hand, mask: Mask, scale: float, values: NDArray[np.float32]) -> HandRegion:
    """Take a hand to the pixels of the image."""
    rows, columns = values.shape
    left, top, width, height = cv2.boundingRect(mask)
    box = Box(
        math.floor(left / scale),
        math.floor(top / scale),
        math.ceil((left + width) / scale),
        math.ceil((top + height) / scale),
    ).clipped(rows, columns)
    quarter = round(math.degrees(hand.towards) / 90 + 1) % 4
    return HandRegion(box, _outline(mask, scale, rows, columns), _ROTATIONS[quarter], min(1.0, hand.score))


def _outline(mask: Mask, scale: float, rows: int, columns: int) -> tuple[Point, ...]:
    """Simplify the outer contour to at most 200 points inside the image."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    contour = max(contours, key=cv2.contourArea)
    tolerance = 0.5
    points = cv2.approxPolyDP(contour, tolerance, closed=True)
    while len(points) > _MOST_POINTS:
        tolerance *= 1.5
        points = cv2.approxPolyDP(contour, tolerance, closed=True)
    places = (points[:, 0, :].astype(np.float64) + 0.5) / scale
    return tuple(Point(min(float(x), columns), min(float(y), rows)) for x, y in places)


def _in_order(regions: Sequence[HandRegion]) -> list[HandRegion]:
    """Order two hands left to right, or top to bottom where they lie above each other."""
    across = [region.box.centre.x for region in regions]
    down = [region.box.centre.y for region in regions]
    if max(across) - min(across) >= max(down) - min(down):
        return sorted(regions, key=lambda region: region.box.centre.x)
    return sorted(regions, key=lambda region: region.box.centre.y)
