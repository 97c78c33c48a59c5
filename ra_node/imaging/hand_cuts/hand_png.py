"""Stores one hand as 16-bit words from which the node's crop is reproduced bit by bit.

Words encode the values of the cut: linearly where they are evenly spaced, otherwise by a table. More than
65,536 distinct values, as after resampling to square pixels, are stored as floats beside the picture.
Pictures are stored upright for viewing; the loader rotates them back before cropping, because resizing and
rotation do not commute to the last bit.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Box, Point
from ra_node.domain.report import HandRegion
from ra_node.errors import Refused
from ra_node.imaging.model_input import MARGIN

Values = NDArray[np.float32]
Words = NDArray[np.uint16]

_WORDS = 65536


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """Values as words: first + step * word, or levels[word] where there are levels (K,).

    Two-dimensional levels are the values themselves; the words are then a picture for viewing only.
    """

    words: Words
    first: float
    step: float
    levels: Values | None = None

    @property
    def values(self) -> Values:
        """Decode to float32, shape of the words."""
        return decoded(self.words, self.first, self.step, self.levels)


def cut_out(values: Values, region: HandRegion) -> tuple[Values, HandRegion]:
    """Crop the box with the node's margin: the part (rows, columns) and the region in its pixels."""
    box = region.box.grown(MARGIN).clipped(*values.shape)
    part = np.ascontiguousarray(values[box.y0 : box.y1, box.x0 : box.x1])
    own = region.box
    moved = Box(own.x0 - box.x0, own.y0 - box.y0, own.x1 - box.x0, own.y1 - box.y0)
    outline = tuple(Point(point.x - box.x0, point.y - box.y0) for point in region.outline)
    joints = tuple(
        replace(joint, at=Point(joint.at.x - box.x0, joint.at.y - box.y0)) for joint in region.joints
    )
    return part, replace(region, box=moved, outline=outline, joints=joints)


def upright(image: NDArray[np.uint16], rotation: int) -> Words:
    """Rotate an image so that the fingers point up."""
    return np.ascontiguousarray(np.rot90(image, k=rotation // 90))


def turned_back(image: NDArray[np.uint16], rotation: int) -> Words:
    """Undo `upright`."""
    return np.ascontiguousarray(np.rot90(image, k=-(rotation // 90)))


def coded(values: Values) -> Coded:
    """Encode values (rows, columns); 16 bits suffice for a radiograph that was not resampled."""
    levels = np.unique(values)
    if len(levels) > _WORDS:
        grey = (values - levels[0]) / (levels[-1] - levels[0]) * (_WORDS - 1)
        return Coded(np.ascontiguousarray(np.rint(grey).astype(np.uint16)), 0.0, 0.0, values)
    steps = np.diff(levels.astype(np.float64))
    first, step = float(levels[0]), float(steps.min()) if len(steps) else 1.0
    places = np.rint((levels.astype(np.float64) - first) / step)
    if places[-1] < _WORDS and np.array_equal(decoded(places.astype(np.uint16), first, step), levels):
        table = None
    else:
        places, first, step, table = np.arange(len(levels)).astype(np.float64), 0.0, 0.0, levels
    words = places.astype(np.uint16)[np.searchsorted(levels, values)]
    return Coded(np.ascontiguousarray(words), first, step, table)


def decoded(words: Words, first: float, step: float, levels: Values | None = None) -> Values:
    """The values of words, of the same shape."""
    if levels is not None:
        return levels[words] if levels.ndim == 1 else levels
    return np.asarray(first + step * words.astype(np.float64), np.float32)


def png_bytes(words: Words) -> bytes:
    """A picture of 16-bit words as a PNG file; raises Refused where it has no pixel."""
    if not words.size:
        raise Refused(f"expected a hand with pixels, found the shape {words.shape}")
    done, data = cv2.imencode(".png", words, [cv2.IMWRITE_PNG_COMPRESSION, 4])
    if not done:
        raise Refused(f"a hand of shape {words.shape} could not be encoded as PNG")
    return bytes(data)


def npy_bytes(levels: Values) -> bytes:
    """Levels as an NPY file, without pickled objects."""
    stream = io.BytesIO()
    np.save(stream, levels, allow_pickle=False)
    return stream.getvalue()
