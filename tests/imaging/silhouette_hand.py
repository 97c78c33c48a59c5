"""A hand drawn with a few strokes, enough to know where everything lies."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Box, Point, Rotation
from ra_node.domain.report import HandRegion

ROWS, COLUMNS = 560, 440
_TIPS = {(96, 300): 26, (128, 130): 24, (195, 80): 25, (262, 92): 25, (322, 160): 21}
"""Fingertips (x, y) with the width of their finger, thumb first."""
_KNUCKLES = [(150, 360), (165, 275), (205, 262), (245, 265), (280, 285)]


def drawn_hand() -> NDArray[np.float32]:
    """Draw a hand with its fingers up, soft tissue 90 and bone 170 on 20: (ROWS, COLUMNS)."""
    picture = np.full((ROWS, COLUMNS), 20, np.uint8)
    for shade, share in ((90, 1.0), (170, 0.4)):
        for (tip, width), knuckle in zip(_TIPS.items(), _KNUCKLES, strict=True):
            cv2.line(picture, tip, knuckle, shade, int(width * share) + 4)
            if shade == 170:
                cv2.line(picture, knuckle, (220, 430), shade, 10)
        if shade == 90:
            cv2.ellipse(picture, (215, 345), (82, 100), 0, 0, 360, shade, -1)
            cv2.line(picture, (220, 430), (220, ROWS), shade, 92)
    cv2.line(picture, (200, 450), (200, ROWS), 170, 22)
    cv2.line(picture, (242, 450), (242, ROWS), 170, 18)
    soft = cv2.GaussianBlur(picture, (0, 0), 2.0).astype(np.float32)
    return soft + np.random.default_rng(5).normal(0, 1.5, soft.shape).astype(np.float32)


def only_hand(values: NDArray[np.float32]) -> HandRegion:
    """The region of a drawn hand in values (rows, columns), whichever way it is turned, by its brightness."""
    mask = cv2.morphologyEx((values > 55).astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    points = cv2.approxPolyDP(max(contours, key=cv2.contourArea), 1.0, closed=True)[:, 0] + 0.5
    rows, columns = values.shape
    (x0, y0), (x1, y1) = np.floor(points.min(axis=0)).astype(int), np.ceil(points.max(axis=0)).astype(int)
    edges = [values[-1].max(), values[:, 0].max(), values[0].max(), values[:, -1].max()]
    forearm = int(np.argmax(edges))  # the forearm leaves the image at the bottom, left, top or right
    outline = tuple(Point(min(float(x), columns), min(float(y), rows)) for x, y in points)
    rotation: tuple[Rotation, ...] = (0, 90, 180, 270)
    return HandRegion(Box(int(x0), int(y0), int(x1), int(y1)), outline, rotation[forearm], 1.0)
