"""Draws negatives: small images without a hand that must be refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from training.phantom.film import WHITE, Exposure, develop, expose
from training.phantom.raster import Array, blurred, depth_inside, filled, rounded

Kind = Literal["chest", "foot", "hip", "knee", "spine", "noise", "uniform", "text", "tools"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Pixels = NDArray[np.uint16]

_TOES = ((0.36, 0.10, 15.0), (0.485, 0.085, 9.5), (0.57, 0.105, 8.5), (0.645, 0.135, 8.5), (0.72, 0.18, 9.0))
"""Tip (x, y) of each toe as a share of the picture, and its half width in pixels at 300 columns."""
_FOOT = ((0.30, 0.23), (0.50, 0.19), (0.74, 0.27), (0.77, 0.55), (0.72, 0.93), (0.42, 0.93), (0.33, 0.60))
_PAGE = ("Radiology department", "Request form", "Please image both hands", "in one exposure.", "Thank you.")


def draw_other(kind: Kind, rows: int = 400, columns: int = 340, seed: int = 0) -> Pixels:
    """Draw a picture (rows, columns), 0 to 4095, without a hand."""
    rng = np.random.default_rng(seed)
    drawers: dict[Kind, Callable[[int, int, np.random.Generator], Pixels]] = {
        "chest": _chest,
        "foot": _foot,
        "hip": _hip,
        "knee": _knee,
        "spine": _spine,
        "noise": _noise,
        "uniform": _uniform,
        "text": _text,
        "tools": _tools,
    }
    return drawers[kind](rows, columns, rng)


def _developed(shadow: Array, spacing_mm: float, rng: np.random.Generator) -> Pixels:
    return develop(expose(shadow, spacing_mm, Exposure(), rng), spacing_mm, 1.0)


def _unit_grid(rows: int, columns: int) -> tuple[Array, Array]:
    x = np.linspace(0, 1, columns, dtype=np.float32)[None, :]
    y = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    return x, y


def _blob(x: Array, y: Array, middle: tuple[float, float], size: tuple[float, float]) -> Array:
    """A soft ellipse, 1 inside and 0 outside."""
    away = np.hypot((x - middle[0]) / size[0], (y - middle[1]) / size[1])
    result: Array = (1 / (1 + np.exp(14 * (away.clip(0, 3) - 1)))).astype(np.float32)
    return result


def _chest(rows: int, columns: int, rng: np.random.Generator) -> Pixels:
    """Lungs dark between ribs, spine and heart bright, shoulders reaching the edges."""
    x, y = _unit_grid(rows, columns)
    shadow = 1.5 * _blob(x, y, (0.5, 0.62), (0.52, 0.70))
    for side in (-1, 1):
        shadow -= 0.95 * _blob(x, y, (0.5 + 0.22 * side, 0.45), (0.15, 0.33))
        for rib in range(8):
            arc = 0.16 + 0.085 * rib + 0.9 * (x - 0.5 - 0.2 * side) ** 2
            inside = _blob(x, y, (0.5 + 0.2 * side, 0.5), (0.21, 0.6))
            shadow += 0.22 * np.exp(-(((y - arc) / 0.012) ** 2)) * inside
        clavicle = 0.15 - 0.12 * np.abs(x - 0.5)
        shadow += 0.3 * np.exp(-(((y - clavicle) / 0.013) ** 2)) * ((x - 0.5) * side > 0.04)
    shadow += 0.9 * _blob(x, y, (0.56, 0.62), (0.15, 0.17)) + 0.7 * _blob(x, y, (0.5, 0.5), (0.045, 0.6))
    return _developed(shadow.clip(0).astype(np.float32), 400 / rows, rng)


def _foot(rows: int, columns: int, rng: np.random.Generator) -> Pixels:
    """Five short toes that touch each other, before a long sole."""
    size = np.array([columns, rows], np.float32)
    unit = columns / 300
    shadow = 0.022 * _cushion(np.array(_FOOT, np.float32) * size, rows, columns, 22 * unit)
    for x, y, half in _TOES:
        tip = np.array([x, y], np.float32) * size
        way = np.array([0.36 + 0.62 * (x - 0.32), 0.60], np.float32) * size - tip
        skin = 0.024 * _stick(_at(tip, way, 0.3), tip, 1.3 * half * unit, rows, columns)
        shadow = np.maximum(shadow, skin)
        for low, high in ((0.03, 0.14), (0.17, 0.365), (0.40, 1.0)):
            shadow += 0.030 * _stick(
                _at(tip, way, low), _at(tip, way, high), 0.5 * half * unit, rows, columns
            )
    for x, y, radius in (
        (0.40, 0.66, 18),
        (0.53, 0.65, 17),
        (0.63, 0.67, 16),
        (0.48, 0.75, 21),
        (0.55, 0.86, 27),
    ):
        circle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        outline = np.stack([np.cos(circle), np.sin(circle)], axis=1) * radius * unit + np.array([x, y]) * size
        shadow += 0.018 * _cushion(outline.astype(np.float32), rows, columns, 8 * unit)
    return _developed(blurred(shadow, 0.8), 110 / columns, rng)


def _at(start: Array, way: Array, share: float) -> Array:
    result: Array = (start + share * way).astype(np.float32)
    return result


def _cushion(outline: Array, rows: int, columns: int, edge_px: float) -> Array:
    """Thickness of a body by its outline, with a round edge of `edge_px` (at 300 columns)."""
    rise = 1 - (depth_inside(filled(rounded(outline), rows, columns)) / edge_px).clip(0, 1)
    result: Array = (edge_px * 300 / columns * 1.6 * np.sqrt(1 - rise * rise)).astype(np.float32)
    return result


def _stick(start: Array, end: Array, half_px: float, rows: int, columns: int) -> Array:
    mask = np.zeros((rows, columns), np.uint8)
    first, last = ((round(float(x)), round(float(y))) for x, y in (start, end))
    cv2.line(mask, first, last, 255, max(1, round(2 * half_px)))
    rise = 1 - (depth_inside(mask) / half_px).clip(0, 1)
    return blurred((2 * half_px * 300 / columns * np.sqrt(1 - rise * rise)).astype(np.float32), 0.8)


def _hip(rows: int, columns: int, rng: np.random.Generator) -> Pixels:
    """A pelvis: two wings, dark foramina, femora cut off by the lower edge."""
    x, y = _unit_grid(rows, columns)
    shadow = 1.3 * _blob(x, y, (0.5, 0.45), (0.62, 0.62))
    for side in (-1, 1):
        shadow += 0.8 * _blob(x, y, (0.5 + 0.25 * side, 0.3), (0.17, 0.2))
        shadow -= 0.5 * _blob(x, y, (0.5 + 0.13 * side, 0.68), (0.06, 0.06))
        shadow += 0.9 * _blob(x, y, (0.5 + 0.27 * side, 0.58), (0.07, 0.07))
        shaft = np.abs(x - 0.5 - side * (0.33 + 0.08 * (y - 0.6)))
        shadow += 0.9 * (1 / (1 + np.exp((120 * (shaft - 0.05)).clip(-60, 60)))) * (y > 0.6)
    shadow += 0.8 * _blob(x, y, (0.5, 0.2), (0.09, 0.3)) + rng.uniform(-0.05, 0.05)
    return _developed(shadow.clip(0).astype(np.float32), 380 / rows, rng)


def _knee(rows: int, columns: int, rng: np.random.Generator) -> Pixels:
    """Two thick bones that meet in the middle of a wide limb."""
    x, y = _unit_grid(rows, columns)
    shadow = 1.0 / (1 + np.exp(30 * (np.abs(x - 0.5) - rng.uniform(0.26, 0.34))))
    for top in (True, False):
        reach = (y - 0.5) if top else (0.5 - y)
        half = 0.09 + 0.10 * np.exp(-((reach / 0.12) ** 2))
        bone = 1 / (1 + np.exp(80 * (np.abs(x - 0.5) - half)))
        shadow = shadow + 1.1 * bone / (1 + np.exp(90 * (reach + 0.015)))
    shadow += 0.5 * _blob(x, y, (0.5, 0.42), (0.08, 0.07))
    return _developed(shadow.astype(np.float32), 300 / rows, rng)


def _spine(rows: int, columns: int, rng: np.random.Generator) -> Pixels:
    """A column of blocks with processes to both sides, in front of a soft trunk."""
    x, y = _unit_grid(rows, columns)
    shadow = 1.2 * _blob(x, y, (0.5, 0.5), (0.5, 0.8))
    count = int(rng.integers(7, 11))
    for at in range(count):
        middle = (at + 0.5) / count
        block = (np.abs(x - 0.5) < 0.09) & (np.abs(y - middle) < 0.36 / count)
        wings = (np.abs(x - 0.5) < 0.19) & (np.abs(y - middle + 0.3 * np.abs(x - 0.5)) < 0.09 / count)
        shadow = shadow + 0.8 * block + 0.4 * wings
    return _developed(blurred(shadow.astype(np.float32), 0.004 * rows), 400 / rows, rng)


def _tools(rows: int, columns: int, rng: np.random.Generator) -> Pixels:
    """Instruments on a plate: bars from a handle, as many as a hand has fingers, all of one width."""
    shadow = np.full((rows, columns), 0.02, np.float32)
    size = min(rows, columns)
    middle = np.array([columns / 2, 0.62 * rows], np.float32)
    for angle in np.linspace(-0.6, 0.6, int(rng.integers(3, 8))):
        end = middle + 0.5 * size * np.array([np.sin(angle), -np.cos(angle)], np.float32)
        shadow += 1.2 * _stick(middle, end, 0.018 * size, rows, columns) * 300 / size / 10
    handle = middle + np.array([0, 0.3 * size], np.float32)
    shadow += 1.2 * _stick(middle, handle, 0.05 * size, rows, columns) * 300 / size / 10
    return _developed(shadow, 300 / rows, rng)


def _noise(rows: int, columns: int, rng: np.random.Generator) -> Pixels:
    return rng.integers(0, WHITE + 1, (rows, columns), dtype=np.uint16)


def _uniform(rows: int, columns: int, rng: np.random.Generator) -> Pixels:
    return np.full((rows, columns), int(rng.integers(WHITE // 8, WHITE)), np.uint16)


def _text(rows: int, columns: int, rng: np.random.Generator) -> Pixels:
    """A scanned form: dark lines of text on bright paper."""
    page = np.full((rows, columns), 235, np.uint8)
    scale = columns / 520
    for at in range(12):
        line = _PAGE[int(rng.integers(len(_PAGE)))] if at else _PAGE[0]
        place = (round(0.08 * columns), round((0.1 + 0.07 * at) * rows))
        cv2.putText(
            page, line, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 30, max(1, round(2 * scale)), cv2.LINE_AA
        )
    return page.astype(np.uint16) * np.uint16(16)
