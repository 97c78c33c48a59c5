"""Candidates for letters of lead markers: small bright or dark components of a radiograph outside its hands.

High recall on purpose: the marker reader of the bundle decides which candidate is a letter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Box
from ra_node.domain.report import HandRegion

PATCH_PX = 32
"""Side of the input patch of the marker reader."""
MOST_CANDIDATES = 64
WORK_PX = 800
"""Longer side of the picture in which candidates are searched: a letter of 10 mm is 17 to 33 px high."""

_AROUND_PX = 61
"""Side of the surroundings for the local threshold; wider than a letter, narrower than a hand."""
_LEAST_CONTRAST = 0.10
"""As a share of the picture's range of grey levels."""
_SMALLEST_PX, _LARGEST_PX = 11, 130
_FILL = (0.12, 0.92)
"""Share of its box that a letter covers; lines cover less, solid marks more."""
_MARGIN = 0.28
"""Margin of a patch around a piece, as a share of the piece's longer side."""
_GROUND = PATCH_PX * PATCH_PX // 10
_PLATE = (0.45, 30, 320)
"""A bright label with dark letters: least share of its box, shortest and longest side in pixels."""

Grey = NDArray[np.uint8]
Patches = NDArray[np.float32]
"""(N, 2, PATCH_PX, PATCH_PX): grey levels stretched, the piece bright, and the piece itself as 0 to 1."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A connected component: its box, its area in pixels, and its number among the labels."""

    x: int
    y: int
    width: int
    height: int
    area: int
    label: int

    @property
    def longer(self) -> int:
        return max(self.width, self.height)


def marker_candidates(display: Grey, regions: Sequence[HandRegion]) -> tuple[list[Box], Patches]:
    """Pieces of display (rows, columns) outside `regions` that may be letters, largest first."""
    rows, columns = display.shape
    scale = WORK_PX / max(rows, columns)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    seen = display[:: _step(scale), :: _step(scale)]
    small = cv2.resize(seen, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    found, patches = pieces(np.asarray(small, np.uint8), _hand_mask(regions, size, scale))
    return [_in_image(piece, scale, rows, columns) for piece in found], patches


def _step(scale: float) -> int:
    """Subsampling step (1 to 3) for large images; the result is still finer than the working size."""
    return max(1, int(0.6 / scale))


def pieces(small: Grey, hands: Grey) -> tuple[list[Piece], Patches]:
    """Pieces of a picture at working size with their patches; excluded pixels are 255 in `hands`."""
    seen = small[::8, ::8]
    span = max(float(np.percentile(seen, 99.5)) - float(np.percentile(seen, 1)), 24.0)
    contrast = max(6, round(_LEAST_CONTRAST * span))
    around = cv2.boxFilter(small, -1, (_AROUND_PX, _AROUND_PX), borderType=cv2.BORDER_REPLICATE)
    _, bright = cv2.threshold(cv2.subtract(small, around), contrast, 255, cv2.THRESH_BINARY)
    bright[hands > 0] = 0
    labels, parts = _components(np.asarray(bright, np.uint8))
    found = [(part, _square(small, labels, part)) for part in parts if _may_be_letter(part)]
    for plate in parts:
        if _may_be_plate(plate):
            found += _dark_pieces(small, plate)
    found = sorted(found, key=lambda one: -one[0].longer)[:MOST_CANDIDATES]
    return [piece for piece, _ in found], stretched([square for _, square in found])


def _dark_pieces(small: Grey, plate: Piece) -> Iterator[tuple[Piece, tuple[Grey, Grey]]]:
    """Dark pieces on a bright label."""
    cut = small[plate.y : plate.y + plate.height, plate.x : plate.x + plate.width]
    level, _ = cv2.threshold(cut, 0, 255, cv2.THRESH_OTSU)
    labels, parts = _components(np.asarray(cut < level, np.uint8))
    for part in parts:
        ends = part.x + part.width < plate.width and part.y + part.height < plate.height
        if part.x > 0 and part.y > 0 and ends and _may_be_letter(part):
            place = replace(part, x=part.x + plate.x, y=part.y + plate.y)
            yield place, _square(255 - cut, labels, part)


def _components(mask: Grey) -> tuple[NDArray[np.int32], list[Piece]]:
    """Connected components by their outer contours: OpenCV's own statistics take 3.2 ms, this 0.6 ms."""
    _, labels = cv2.connectedComponents(mask, connectivity=8, ltype=cv2.CV_32S)
    contours, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    found = []
    for contour, (_, _, _, parent) in zip(contours, () if tree is None else tree[0], strict=True):
        x, y, width, height = cv2.boundingRect(contour)
        if parent < 0 and _SMALLEST_PX <= max(width, height) <= _PLATE[2]:
            label = int(labels[contour[0, 0, 1], contour[0, 0, 0]])
            area = int(np.count_nonzero(labels[y : y + height, x : x + width] == label))
            found.append(Piece(x, y, width, height, area, label))
    return np.asarray(labels, np.int32), found


def _may_be_letter(part: Piece) -> bool:
    fill = part.area / (part.width * part.height)
    narrow = min(part.width, part.height) >= 0.25 * part.longer
    return narrow and part.longer <= _LARGEST_PX and _FILL[0] <= fill <= _FILL[1]


def _may_be_plate(part: Piece) -> bool:
    least, shortest, _ = _PLATE
    return (
        part.area >= least * part.width * part.height
        and min(part.width, part.height) >= shortest * 0.6
        and part.longer >= shortest
    )


def _square(picture: Grey, labels: NDArray[np.int32], part: Piece) -> tuple[Grey, Grey]:
    """Grey levels and mask (0 or 255) of a piece in a square patch, scaled by its longer side."""
    rows, columns = picture.shape
    side = part.longer * (1 + 2 * _MARGIN)
    x0, y0 = part.x + part.width / 2 - side / 2, part.y + part.height / 2 - side / 2
    left, top = max(0, int(x0)), max(0, int(y0))
    right, bottom = min(columns, int(x0 + side) + 1), min(rows, int(y0 + side) + 1)
    zoom = PATCH_PX / side
    matrix = np.array([[zoom, 0, (left - x0) * zoom], [0, zoom, (top - y0) * zoom]])
    cut = picture[top:bottom, left:right]
    piece = np.where(labels[top:bottom, left:right] == part.label, 255, 0).astype(np.uint8)
    if zoom < 0.8:  # area averaging first, because warpAffine would alias
        shape = cut.shape
        size = (max(1, round(shape[1] * zoom)), max(1, round(shape[0] * zoom)))
        cut, piece = (
            np.asarray(cv2.resize(one, size, interpolation=cv2.INTER_AREA), np.uint8) for one in (cut, piece)
        )
        matrix = matrix @ np.diag([shape[1] / size[0], shape[0] / size[1], 1.0])
    whole = (PATCH_PX, PATCH_PX)
    grey = cv2.warpAffine(cut, matrix, whole, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpAffine(piece, matrix, whole, flags=cv2.INTER_LINEAR)
    return np.asarray(grey, np.uint8), np.asarray(mask, np.uint8)


def stretched(squares: Sequence[tuple[Grey, Grey]]) -> Patches:
    """Scale each patch from its background (0) to its piece (1): (N, 2, PATCH_PX, PATCH_PX)."""
    if not squares:
        return np.zeros((0, 2, PATCH_PX, PATCH_PX), np.float32)
    grey = np.stack([grey for grey, _ in squares]).astype(np.float32)
    mask = np.stack([mask for _, mask in squares]).astype(np.float32) / 255
    on = np.maximum(mask.sum(axis=(1, 2)), 1.0)
    high = (grey * mask).sum(axis=(1, 2)) / on
    low = np.partition(grey.reshape(len(grey), -1), _GROUND, axis=1)[:, _GROUND]
    level = (grey - low[:, None, None]) / np.maximum(high - low, 1.0)[:, None, None]
    return np.stack([np.clip(level, -0.5, 1.5), mask], axis=1)


def _hand_mask(regions: Sequence[HandRegion], size: tuple[int, int], scale: float) -> Grey:
    mask = np.zeros((size[1], size[0]), np.uint8)
    for region in regions:
        corners = np.array([[point.x * scale, point.y * scale] for point in region.outline])
        cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 255)
    return mask


def _in_image(part: Piece, scale: float, rows: int, columns: int) -> Box:
    box = Box(
        round(part.x / scale),
        round(part.y / scale),
        round((part.x + part.width) / scale),
        round((part.y + part.height) / scale),
    )
    return box.clipped(rows, columns)
