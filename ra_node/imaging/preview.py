"""The reduced picture of an image that is kept for its overlay, so that pixels are decoded once."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.errors import Refused

PREVIEW_PX = 2000
"""Longest side: the overlay shows no more."""


def reduced(display: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink (rows, columns) to the longest side by averaging; smaller pictures stay as they are."""
    rows, columns = display.shape
    scale = PREVIEW_PX / max(rows, columns)
    if scale >= 1:
        return display
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    return np.asarray(cv2.resize(display, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def encode_preview(preview: NDArray[np.uint8]) -> bytes:
    """Lossless PNG; OpenCV's own settings are twice as fast as any level that one could name."""
    done, data = cv2.imencode(".png", preview)
    if not done:
        raise Refused(f"a preview of shape {preview.shape} could not be encoded as PNG")
    return bytes(data)


def read_preview(path: Path) -> NDArray[np.uint8]:
    """Read what `encode_preview` wrote: (rows, columns); raises Refused where it is damaged."""
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise Refused(f"expected a PNG preview, found none that can be read: {path.name}")
    return np.asarray(picture, dtype=np.uint8)
