"""Renders lead markers as on radiographs: side letters with initials, labels, rings, arrows.

Rotated, mirrored, stretched, blurred, dark on bright or bright on dark, whole or cut off. All font
files found are used, none is copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ra_node.domain.laterality.marker import MARKER_CLASSES

SIDE_LETTERS = "RLDEG"
OTHERS = "ABCFHIJKMNOPQSTUVWXYZ0123456789abdehknpqtuy+?()*&%#@"
_MIRRORED = {"R": "R mirrored", "L": "L mirrored", "G": "G mirrored"}
_WORDS = ("RT", "LT", "LEFT", "RIGHT", "RE", "LI", "DIR", "ESQ", "DER", "IZQ", "R HAND", "L HAND", "DX", "SX")
_GLYPH_PX = 96

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Glyph:
    """A letter in a scene: its class of `MARKER_CLASSES`, and its strokes (rows, columns) in 0..1."""

    name: str
    strokes: Array


@lru_cache(maxsize=1)
def font_files(*folders: str) -> tuple[Path, ...]:
    """The Latin fonts of Matplotlib and those of `folders`."""
    unfit = (
        "cmex",
        "cmsy",
        "cmmi",
        "STIXSiz",
        "STIXNonUni",
        "SerifDisplay",
        "LastResort",
        "CJK",
        "Dingbats",
        "Symbols",
    )
    found = [
        path
        for folder in (Path(mpl.get_data_path()) / "fonts/ttf", *map(Path, folders))
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".ttf", ".otf") and not any(word in path.name for word in unfit)
    ]
    return tuple(path for path in found if "Z003" not in path.name and "D050000L" not in path.name)


@lru_cache(maxsize=4096)
def _drawn(character: str, font: Path) -> Array:
    """Render one character, cropped to its strokes."""
    held = ImageFont.truetype(str(font), _GLYPH_PX)
    sheet = Image.new("L", (3 * _GLYPH_PX, 3 * _GLYPH_PX))
    ImageDraw.Draw(sheet).text((_GLYPH_PX, _GLYPH_PX), character, fill=255, font=held)
    box = sheet.getbbox()
    return np.asarray(np.asarray(sheet.crop(box) if box else sheet, np.float32) / 255, np.float32)


def marker(rng: np.random.Generator, size: int, fonts: Sequence[Path]) -> tuple[list[Glyph], Array, float]:
    """Render one marker somewhere in a square of `size` px.

    Returns its glyphs, its label (size, size) in 0..1, and the label's grey level.
    """
    font = fonts[int(rng.integers(len(fonts)))]
    height = float(np.exp(rng.uniform(np.log(11), np.log(62))))
    layout = _layout(rng, font, height)
    turn = _turn(rng)
    flip = -1.0 if rng.random() < 0.35 else 1.0
    x0, y0, x1, y1 = _bounds(layout)
    place = rng.uniform(0.25, 0.75, 2) * size
    cos, sin = np.cos(turn), np.sin(turn)
    matrix = np.array([[cos, -sin], [sin, cos]]) @ np.diag([flip, 1.0])
    shift = place - matrix @ np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    whole = np.hstack([matrix, shift[:, None]])
    glyphs = []
    for character, ink, (x, y, width, tall) in layout:
        own = whole @ np.array([[width / ink.shape[1], 0, x], [0, tall / ink.shape[0], y], [0, 0, 1]])
        strokes = _warped(ink, own, size)
        glyphs.append(Glyph(_named(character, mirrored=flip < 0), strokes))
    pad = float(rng.uniform(0.1, 0.5)) * height
    label = _label(rng, (x0 - pad, y0 - pad, x1 + pad, y1 + pad), whole, size)
    return glyphs, label, float(rng.uniform(0, 1))


def _named(character: str, *, mirrored: bool) -> str:
    if character not in SIDE_LETTERS:
        return MARKER_CLASSES[0]
    return _MIRRORED.get(character, character) if mirrored else character


def _turn(rng: np.random.Generator) -> float:
    kind = rng.random()
    if kind < 0.4:
        return float(rng.normal(0, 0.1))
    if kind < 0.55:
        return float(rng.integers(4) * np.pi / 2 + rng.normal(0, 0.08))
    return float(rng.uniform(0, 2 * np.pi))


_Place = tuple[float, float, float, float]


def _layout(rng: np.random.Generator, font: Path, height: float) -> list[tuple[str, Array, _Place]]:
    """Characters with strokes and positions (x, y, width, height): a side letter or word, then initials."""
    stretch = float(np.exp(rng.normal(0, 0.16)))
    weight = int(rng.choice((-5, -3, 0, 0, 0, 4, 8)))
    gap = float(rng.uniform(0.16, 0.45)) * height
    kind = rng.random()
    if kind < 0.72:
        first = str(rng.choice(list(SIDE_LETTERS), p=(0.33, 0.33, 0.12, 0.12, 0.1)))
    elif kind < 0.85:
        first = str(rng.choice(_WORDS))
    else:
        first = "".join(rng.choice(list(OTHERS), rng.integers(1, 4)))
    placed: list[tuple[str, Array, _Place]] = []
    along = _row(placed, first, font, (0.0, 0.0, height), stretch, gap, weight)
    if rng.random() < 0.55:
        letters = list("ABCDEFGHIJKLMNOPRSTUVW0123456789")
        initials = "".join(rng.choice(letters, rng.integers(1, 4)))
        small = height * float(rng.uniform(0.45, 1.0))
        if rng.random() < 0.6:
            at = (float(rng.uniform(-0.3, 0.3)) * height, height + gap, small)
        else:
            at = (along, float(rng.uniform(0, 1)) * (height - small), small)
        if rng.random() < 0.2:  # one below the other
            for row, letter in enumerate(initials):
                _row(placed, letter, font, (at[0], at[1] + row * (small + gap), small), stretch, gap, weight)
        else:
            _row(placed, initials, font, at, stretch, gap, weight)
    return placed


def _row(
    placed: list[tuple[str, Array, _Place]],
    text: str,
    font: Path,
    at: tuple[float, float, float],
    stretch: float,
    gap: float,
    weight: int,
) -> float:
    x, y, height = at
    for character in text:
        if character == " ":
            x += height / 2
            continue
        ink = _weighted(_drawn(character, font), weight)
        width = height * ink.shape[1] / ink.shape[0] * stretch
        placed.append((character, ink, (x, y, width, height)))
        x += width + gap
    return x


def _weighted(ink: Array, weight: int) -> Array:
    """Strokes made bolder or thinner by `weight`; unchanged if nothing would remain."""
    if weight == 0:
        return ink
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (abs(weight) + 1, abs(weight) + 1))
    changed = cv2.dilate(ink, kernel) if weight > 0 else cv2.erode(ink, kernel)
    return np.asarray(changed if weight > 0 or changed.sum() > 0.45 * ink.sum() else ink, np.float32)


def _bounds(layout: Sequence[tuple[str, Array, _Place]]) -> _Place:
    places = np.array([(x, y, x + width, y + tall) for _, _, (x, y, width, tall) in layout])
    x0, y0 = places[:, :2].min(axis=0)
    x1, y1 = places[:, 2:].max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def _warped(ink: Array, matrix: NDArray[np.float64], size: int) -> Array:
    """Warp strokes to their position; area-averaged first where they get much smaller."""
    zoom = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if zoom < 0.7:
        small = (max(2, round(ink.shape[1] * zoom)), max(2, round(ink.shape[0] * zoom)))
        matrix = matrix @ np.diag([ink.shape[1] / small[0], ink.shape[0] / small[1], 1.0])
        ink = np.asarray(cv2.resize(ink, small, interpolation=cv2.INTER_AREA), np.float32)
    return np.asarray(cv2.warpAffine(ink, matrix, (size, size), flags=cv2.INTER_LINEAR), np.float32)


def _label(rng: np.random.Generator, box: _Place, matrix: NDArray[np.float64], size: int) -> Array:
    """The plastic, tape or frame under the letters; often none."""
    kind = rng.random()
    sheet = np.zeros((size, size), np.uint8)
    if kind < 0.5:
        return sheet.astype(np.float32)
    x0, y0, x1, y1 = box
    if kind < 0.6:
        angles = np.linspace(0, 2 * np.pi, 40)
        radius = np.hypot(x1 - x0, y1 - y0) / 2
        corners = np.stack(
            [(x0 + x1) / 2 + radius * np.cos(angles), (y0 + y1) / 2 + radius * np.sin(angles)], 1
        )
    else:
        corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    places = np.rint(corners @ matrix[:, :2].T + matrix[:, 2]).astype(np.int32)
    if rng.random() < 0.3:
        cv2.polylines(sheet, [places], isClosed=True, color=255, thickness=int(rng.integers(1, 3)))
    else:
        cv2.fillPoly(sheet, [places], 255)
    return np.asarray(sheet / 255, np.float32)
