"""Creates labelled pieces: scenes with rendered markers, segmented as the node segments a radiograph.

Everything except whole side letters is `other`: initials, parts of letters, bones, edges, arrows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.laterality.marker import MARKER_CLASSES
from ra_node.inference.marker_reader.candidates import PATCH_PX, Patches, Piece, pieces
from training.marker_reader.rendering import Array, Glyph, marker

SCENE_PX = 224
_KEPT = 0.3
"""Share of the pieces of class `other` that is kept, because they are far more frequent."""
_SAME, _UNLIKE = 0.62, 0.3
"""Overlap of a piece and a letter from which it has that class, and up to which it is `other`."""

Labels = NDArray[np.int64]


def rendered(
    count: int,
    seed: int,
    fonts: Sequence[Path],
    backgrounds: Sequence[NDArray[np.uint8]],
    say: Callable[[int, int], None],
) -> tuple[Patches, Labels]:
    """The pieces of `count` scenes: patches (N, 2, side, side) and indices of `MARKER_CLASSES` (N,)."""
    patches, labels = [], []
    for number in range(count):
        found, names = _scene(np.random.default_rng((seed, number)), fonts, backgrounds)
        patches.append(found.astype(np.float16))
        labels.append(names)
        if number % 2000 == 1999:
            say(number + 1, count)
    empty = np.zeros((0, 2, PATCH_PX, PATCH_PX), np.float16)
    return np.concatenate([empty, *patches]), np.concatenate([np.zeros(0, np.int64), *labels])


def _scene(
    rng: np.random.Generator, fonts: Sequence[Path], backgrounds: Sequence[NDArray[np.uint8]]
) -> tuple[Patches, Labels]:
    ground = _ground(rng, backgrounds)
    glyphs, label, level = marker(rng, SCENE_PX, fonts)
    contrast = float(rng.uniform(0.22, 1.0))
    dark = rng.random() < 0.15
    plate = 0.9 if dark else level * 0.5
    image = ground * (1 - label) + label * (plate if rng.random() < 0.7 or dark else ground)
    strokes = np.clip(np.sum([glyph.strokes for glyph in glyphs], axis=0), 0, 1)
    local = float((image * strokes).sum() / max(float(strokes.sum()), 1.0))
    ink = float(np.clip(local - 0.8 if dark else local + contrast, 0, 1))
    image = image * (1 - strokes) + strokes * ink
    image = _marks(image, rng)
    if rng.random() < 0.7:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.6)))
    image = image + rng.normal(0, float(rng.uniform(0, 0.03)), image.shape).astype(np.float32)
    edge = _edge(rng)
    small = np.clip(255 * image[edge], 0, 255).astype(np.uint8)
    cut = [Glyph(glyph.name, glyph.strokes[edge]) for glyph in glyphs]
    whole = [float(glyph.strokes.sum()) for glyph in glyphs]
    found, patches = pieces(np.ascontiguousarray(small), np.zeros(small.shape, np.uint8))
    named = np.array([_named(piece, cut, whole) for piece in found], np.int64)
    keep = named >= 0
    keep &= (named > 0) | (rng.random(len(named)) < _KEPT)
    return patches[keep], named[keep]


def _named(piece: Piece, glyphs: Sequence[Glyph], whole: Sequence[float]) -> int:
    """The class of a piece, -1 where its overlap with a letter is ambiguous."""
    best, name = 0.0, 0
    for glyph, ink in zip(glyphs, whole, strict=True):
        box = _box(glyph.strokes)
        if box is None:
            continue
        overlap = _overlap(box, (piece.x, piece.y, piece.x + piece.width, piece.y + piece.height))
        if overlap > best:
            complete = float(glyph.strokes.sum()) > 0.97 * ink
            like = 0.75 < piece.area / max(float((glyph.strokes > 0.5).sum()), 1.0) < 1.6
            best, name = overlap, MARKER_CLASSES.index(glyph.name) if complete and like else -1
            if not complete and float(glyph.strokes.sum()) < 0.8 * ink:
                name = 0
    if best >= _SAME:
        return name
    return 0 if best <= _UNLIKE or name == 0 else -1


def _box(strokes: Array) -> tuple[int, int, int, int] | None:
    rows, columns = np.flatnonzero(strokes.max(axis=1) > 0.5), np.flatnonzero(strokes.max(axis=0) > 0.5)
    if rows.size == 0:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    wide = min(a[2], b[2]) - max(a[0], b[0])
    tall = min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or tall <= 0:
        return 0.0
    shared = wide * tall
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def _ground(rng: np.random.Generator, backgrounds: Sequence[NDArray[np.uint8]]) -> Array:
    """Background of a marker: empty film with a gradient, or a part of a radiograph."""
    if backgrounds and rng.random() < 0.35:
        picture = backgrounds[int(rng.integers(len(backgrounds)))]
        turned = np.rot90(picture, int(rng.integers(4)))
        sized = cv2.resize(np.ascontiguousarray(turned), (SCENE_PX, SCENE_PX), interpolation=cv2.INTER_AREA)
        return np.asarray(sized.astype(np.float32) / 255 * float(rng.uniform(0.3, 1.0)), np.float32)
    across = np.linspace(-0.5, 0.5, SCENE_PX, dtype=np.float32)
    slope = rng.normal(0, 0.12, 2)
    base = float(rng.choice((0.0, 0.05, 0.15, 0.35, 0.55))) + float(rng.uniform(0, 0.1))
    return np.asarray(np.clip(base + slope[0] * across + slope[1] * across[:, None], 0, 1), np.float32)


def _marks(image: Array, rng: np.random.Generator) -> Array:
    """Draw bright distractors: arrows, rings, bars, corners of a frame."""
    result = np.ascontiguousarray(image)
    for _ in range(int(rng.integers(0, 4))):
        a, b, c = (tuple(int(v) for v in rng.integers(8, SCENE_PX - 8, 2)) for _ in range(3))
        thick, level = int(rng.integers(1, 7)), float(rng.uniform(0.4, 1.0))
        kind = rng.integers(4)
        if kind == 0:
            cv2.arrowedLine(result, a, b, level, thick, tipLength=float(rng.uniform(0.15, 0.5)))
        elif kind == 1:
            cv2.circle(result, a, int(rng.integers(5, 22)), level, thick if rng.random() < 0.7 else -1)
        elif kind == 2:
            cv2.line(result, a, b, level, thick)
        else:  # equal arms: a corner, no L
            arm = int(rng.integers(8, 40))
            corner = np.array([(c[0], c[1] - arm), c, (c[0] + arm, c[1])], np.int32)
            cv2.polylines(result, [corner], isClosed=False, color=level, thickness=thick)
    return np.asarray(result, np.float32)


def _edge(rng: np.random.Generator) -> tuple[slice, slice]:
    """Slices of the whole scene, or of a part of it, as at the edge of an image."""
    if rng.random() < 0.75:
        return slice(0, SCENE_PX), slice(0, SCENE_PX)
    first = int(rng.integers(SCENE_PX // 4, SCENE_PX // 2))
    parts = (slice(first, SCENE_PX), slice(0, SCENE_PX - first))
    whole = slice(0, SCENE_PX)
    part = parts[rng.integers(2)]
    return (part, whole) if rng.random() < 0.5 else (whole, part)
