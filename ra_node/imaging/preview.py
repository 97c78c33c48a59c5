"""Preview of an image, stored for the overlay, so that pixels are decoded once."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.errors import Refused

PREVIEW_PX = 1600
"""Longest side: a quarter more than the overlay shows at most, so that its own scaling stays sharp."""

PREVIEW_SUFFIX = ".pgm"


def reduced(display: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Reduce (rows, columns) to the longest side; smaller images are unchanged.

    Down to half the size by bilinear interpolation, below that by area averaging, which takes seven times as
    long.
    """
    rows, columns = display.shape
    scale = PREVIEW_PX / max(rows, columns)
    if scale >= 1:
        return display
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    way = cv2.INTER_LINEAR if scale > 0.5 else cv2.INTER_AREA
    return np.asarray(cv2.resize(display, size, interpolation=way), dtype=np.uint8)


def encode_preview(preview: NDArray[np.uint8]) -> bytes:
    """Encode (rows, columns) as PGM: a header and the raw bytes.

    It is written and read once and kept as long as its image, which is larger. Compression would take more
    CPU time than the overlay, and save a tenth of the disk space of the image.
    """
    done, data = cv2.imencode(PREVIEW_SUFFIX, preview)
    if not done:
        raise Refused(f"a preview of shape {preview.shape} could not be encoded")
    return data.tobytes()


def read_preview(path: Path) -> NDArray[np.uint8]:
    """Read what `encode_preview` wrote: (rows, columns).

    Raises Refused where it is missing, truncated or no image, OSError where the file cannot be read.

    Other lossless formats are read as well, such as the PNG of earlier versions.
    """
    try:
        content = (
            path.read_bytes()
        )  # not by OpenCV, which does not distinguish a disk error from an invalid image
    except FileNotFoundError as error:
        raise Refused(f"expected a preview, found no file: {path.name}") from error
    stored = np.frombuffer(content, np.uint8)
    picture = cv2.imdecode(stored, cv2.IMREAD_GRAYSCALE) if stored.size else None
    if picture is None:
        raise Refused(f"expected a preview, found none that can be read: {path.name}")
    return np.asarray(picture, dtype=np.uint8)
