"""From attenuation to the pixels of a processed radiograph: scatter, noise, display curve, frame, markers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from training.phantom.raster import blurred, far_blurred

Array = NDArray[np.float32]

WHITE = 4095
"""The brightest stored value of a phantom: 12 bits."""

Collimation = Literal["none", "shutter", "lead"]


@dataclass(frozen=True, slots=True)
class Exposure:
    """Exposure parameters: `dose` 1 is a good exposure, `gain` 1 a usual contrast, `noise` 0 none."""

    dose: float = 1.0
    gain: float = 1.0
    noise: float = 1.0


_PHOTONS_PER_MM2 = 500000.0
_SCATTER = 0.06
_CONTRAST, _FOG, _SHOULDER = 0.61, 0.06, 1.6


def expose(shadow: Array, spacing_mm: float, exposure: Exposure, rng: np.random.Generator) -> Array:
    """Detector signal of an attenuation map: logarithmic, (rows, columns), 0 for free air."""
    seen = np.exp(-_unsharp_focus(shadow, spacing_mm))
    seen += _SCATTER * _haze(seen, spacing_mm)
    seen *= _heel(seen.shape, rng) / (1 + _SCATTER)
    if exposure.noise > 0:
        photons = _PHOTONS_PER_MM2 * spacing_mm**2 * max(exposure.dose, 1e-4)
        grain = rng.standard_normal(seen.shape, dtype=np.float32)
        grain = 1.6 * blurred(grain, 0.6)
        seen += exposure.noise * grain * np.sqrt(seen / np.float32(photons))
    result: Array = -np.log(seen.clip(1e-3))
    return result


def develop(signal: Array, spacing_mm: float, gain: float) -> NDArray[np.uint16]:
    """Sharpen edges as film-like processing does and store with bone bright, 0 to `WHITE`."""
    light = 1.53 * signal
    light -= 0.18 * far_blurred(signal, 4.0 / spacing_mm)
    light -= 0.35 * far_blurred(signal, 0.7 / spacing_mm)
    light *= _CONTRAST * gain
    light += _FOG
    np.clip(light, 0, _SHOULDER, out=light)
    # A parabola with a flat end: faster than a film's characteristic curve, with a similar shoulder.
    light *= (2 * _SHOULDER - light) * np.float32(WHITE / _SHOULDER**2)
    light += 0.5
    return light.astype(np.uint16)


def _unsharp_focus(shadow: Array, spacing_mm: float) -> Array:
    return blurred(shadow, max(0.4, 0.11 / spacing_mm))


def _haze(seen: Array, spacing_mm: float) -> Array:
    return far_blurred(seen, 15.0 / spacing_mm)


def _heel(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """The dose falls off towards one side of the field."""
    slope_y, slope_x = rng.normal(0, 0.035, 2)
    y = np.linspace(-slope_y, slope_y, shape[0], dtype=np.float32)[:, None]
    x = np.linspace(-slope_x, slope_x, shape[1], dtype=np.float32)[None, :]
    result: Array = 1 + y + x
    return result


def collimated(pixels: NDArray[np.uint16], field: NDArray[np.bool_], kind: Collimation) -> NDArray[np.uint16]:
    """Blank pixels outside the field: black as by a display shutter, or white as under lead."""
    if kind == "none":
        return pixels
    return np.where(field, pixels, 0 if kind == "shutter" else WHITE).astype(np.uint16)


def field_of(shape: tuple[int, int], margin_px: float, turn_deg: float) -> NDArray[np.bool_]:
    """The collimated field: a slightly turned rectangle, True inside, (rows, columns)."""
    rows, columns = shape
    size = (columns - 2 * margin_px, rows - 2 * margin_px)
    corners = cv2.boxPoints(((columns / 2, rows / 2), size, turn_deg))
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], 1)
    return mask > 0


def add_marker(
    shadow: Array, letter: str, middle_px: tuple[float, float], height_px: float, turn_deg: float
) -> None:
    """Add a lead letter on its plastic plate to an attenuation map, not mirrored in the picture as drawn."""
    side = round(2.4 * height_px)
    blank = np.zeros((side, side), np.uint8)
    mid, half = side / 2, height_px / 2
    plate = ((round(mid - 0.6 * height_px), round(mid - 0.95 * height_px)),
             (round(mid + 0.6 * height_px), round(mid + 0.95 * height_px)))  # fmt: skip
    cv2.rectangle(blank, *plate, 12, -1)
    scale, thick = height_px / 21.5, max(1, round(height_px / 6))
    (width, _), _ = cv2.getTextSize(letter, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    start = (round(mid - width / 2), round(mid + half))
    cv2.putText(blank, letter, start, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thick, cv2.LINE_AA)
    tile = cv2.warpAffine(blank, cv2.getRotationMatrix2D((mid, mid), turn_deg, 1.0), (side, side))
    x0, y0 = round(middle_px[0] - mid), round(middle_px[1] - mid)
    rows, columns = shadow.shape
    ya, yb, xa, xb = max(y0, 0), min(y0 + side, rows), max(x0, 0), min(x0 + side, columns)
    if ya < yb and xa < xb:
        shadow[ya:yb, xa:xb] += tile[ya - y0 : yb - y0, xa - x0 : xb - x0] * np.float32(0.01)
