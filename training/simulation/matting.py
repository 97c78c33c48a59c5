"""Matting: cuts a real hand with its forearm out of its radiograph for use on another film."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Point
from training.simulation.true_outline import true_outline, unit_of

Array = NDArray[np.float32]

_FINE = 0.2
"""Scale at which the surroundings are estimated."""
_RIM = 0.05
"""Width of the soft rim around a hand, in distances from wrist to MCP 3."""


@dataclass(frozen=True, slots=True, eq=False)
class RealHand:
    """One marked hand: its radiograph (rows, columns), joints, and true outline (points, 2) in its pixels."""

    name: str
    picture: NDArray[np.uint8]
    joints: Mapping[str, Point]
    outline: Array

    @property
    def turn_deg(self) -> float:
        """Direction of the hand in degrees clockwise from fingers up."""
        _, towards, _ = unit_of(self.joints)
        return float(np.degrees(np.arctan2(towards[0], -towards[1])))


@dataclass(frozen=True, slots=True, eq=False)
class CutOut:
    """Contribution of a hand with its forearm to a film: `shadow` (rows, columns), 0 elsewhere.

    `body` marks hand and forearm, both in pixels of the hand's radiograph.
    """

    shadow: Array
    body: NDArray[np.uint8]


def real_hand(name: str, picture: NDArray[np.uint8], joints: Mapping[str, Point]) -> RealHand:
    """Outline a marked hand of a picture (rows, columns), bone bright."""
    return RealHand(name, picture, joints, true_outline(picture, joints))


def cut_out(hand: RealHand) -> CutOut:
    """Remove the film around a hand: frames, markers, halo and gradient."""
    body = _body(hand)
    length = unit_of(hand.joints)[2]
    added = hand.picture.astype(np.float32) - _film_under(hand.picture, body)
    rim = max(3, round(_RIM * length) | 1)
    soft = cv2.GaussianBlur(body.astype(np.float32), (rim, rim), 0)
    return CutOut(np.asarray(added.clip(0) * (2 * soft).clip(0, 1), np.float32), body)


def _body(hand: RealHand) -> NDArray[np.uint8]:
    """Mask of the hand and of the visible forearm."""
    rows, columns = hand.picture.shape
    mask = np.zeros((rows, columns), np.uint8)
    cv2.fillPoly(mask, [np.rint(hand.outline).astype(np.int32)], 1)
    wrist, towards, length = unit_of(hand.joints)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    along = ((x - wrist[0]) * towards[0] + (y - wrist[1]) * towards[1]) / length
    cut = mask & (along < -0.6) if (mask & (along < -0.6)).any() else mask & (along < 0)
    level = _between(hand.picture, cut, mask, along)
    aside = ((x - wrist[0]) * -towards[1] + (y - wrist[1]) * towards[0]) / length
    behind = (along < -0.6) & (np.abs(aside - float(aside[cut > 0].mean())) < 0.55) & (hand.picture > level)
    grown = mask | behind.astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (15, 15))
    smooth = np.asarray(cv2.morphologyEx(grown, cv2.MORPH_OPEN, kernel), np.uint8)
    _, labels = cv2.connectedComponents(smooth | mask)
    return np.asarray(labels == np.bincount(labels[mask > 0]).argmax(), np.uint8)


def _between(
    picture: NDArray[np.uint8], cut: NDArray[np.uint8], hand: NDArray[np.uint8], along: Array
) -> float:
    """Grey level half-way between the forearm at the wrist and the film beside it."""
    beside = (
        picture[(hand == 0) & (along < -0.2)] if ((hand == 0) & (along < -0.2)).any() else picture[hand == 0]
    )
    return float(np.quantile(picture[cut > 0], 0.1) + np.quantile(beside, 0.2)) / 2


def _film_under(picture: NDArray[np.uint8], body: NDArray[np.uint8]) -> Array:
    """Estimate of the film (rows, columns) without the hand, from the film around it."""
    rows, columns = picture.shape
    size = (max(8, round(columns * _FINE)), max(8, round(rows * _FINE)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    near = cv2.dilate(cv2.resize(body, size, interpolation=cv2.INTER_NEAREST), np.ones((5, 5), np.uint8))
    film = (near == 0) & (small < np.quantile(small[near == 0], 0.9) + 1)
    weight = film.astype(np.float32)
    wide = 0.06 * max(size)
    under = np.zeros_like(small)
    known = np.zeros_like(small)
    for spread in (wide, 3 * wide, 12 * wide):
        share = cv2.GaussianBlur(weight, (0, 0), spread)
        mean = cv2.GaussianBlur(small * weight, (0, 0), spread) / np.maximum(share, 1e-6)
        here = (known == 0) & (share > 0.02)
        under[here], known[here] = mean[here], 1
    under[known == 0] = float(np.median(small[film]))
    under = np.asarray(cv2.GaussianBlur(under, (0, 0), 2), np.float32)
    return np.asarray(cv2.resize(under, (columns, rows), interpolation=cv2.INTER_LINEAR), np.float32)
