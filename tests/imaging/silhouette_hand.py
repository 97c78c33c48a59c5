"""A hand drawn with a few strokes, enough to be found and to know where everything lies."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

ROWS, COLUMNS = 560, 440
_TIPS = {(96, 300): 26, (128, 130): 24, (195, 80): 25, (262, 92): 25, (322, 160): 21}
"""Fingertips (x, y) with the width of their finger, thumb first."""
_KNUCKLES = [(150, 360), (165, 275), (205, 262), (245, 265), (280, 285)]
FINGERTIPS = tuple(_TIPS)


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


def two_hands(gap: int = 30) -> NDArray[np.float32]:
    """Put a hand and its mirror image side by side, thumbs together."""
    hand = drawn_hand()
    between = np.full((ROWS, gap), 20, np.float32)
    return np.hstack([hand[:, ::-1], between, hand])
