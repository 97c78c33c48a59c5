"""Film artefacts: exposure, gradients, frames, collimators, lead markers.

Each function takes a film (rows, columns), bone bright, about 0 to 255, and returns one of the same size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from training.phantom.film import field_of
from training.simulation.composition import Composition

Array = NDArray[np.float32]
Fault = Callable[[Composition, np.random.Generator], Array]


def untouched(film: Composition, rng: np.random.Generator) -> Array:
    """A film with base fog and grain only."""
    return _grained(film.image + np.float32(rng.uniform(4, 20)), 1.0, rng)


def low_contrast(film: Composition, rng: np.random.Generator) -> Array:
    """A fifth to a third of the usual contrast on a grey base."""
    return _grained(
        film.image * np.float32(rng.uniform(0.2, 0.35)) + np.float32(rng.uniform(30, 110)), 1.0, rng
    )


def dark_half(film: Composition, rng: np.random.Generator) -> Array:
    """Much lower contrast in one half of the plate."""
    rows, columns = film.image.shape
    across = np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
    along = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    place = (across if columns > rows else along) * np.float32(rng.choice([-1, 1]))
    weight = 1 / (1 + np.exp(-place * np.float32(rng.uniform(8, 40))))
    least = np.float32(rng.uniform(0.12, 0.25))
    return _grained(film.image * (least + (1 - least) * weight) + 8, 0.7, rng)


def gradient(film: Composition, rng: np.random.Generator) -> Array:
    """A background gradient over the plate, as large as the brightness of a hand."""
    rows, columns = film.image.shape
    turn = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    ramp = np.cos(turn) * (x / columns - 0.5) + np.sin(turn) * (y / rows - 0.5)
    high = np.float32(rng.uniform(50, 110))
    return _grained(0.8 * film.image + high * (ramp + 0.7), 1.0, rng)


def overexposed(film: Composition, rng: np.random.Generator) -> Array:
    """Dense bone is saturated, the skin is bright; the joints are still visible."""
    high = float(np.quantile(film.image, 0.985))
    bright = np.power((film.image / max(high, 1)).clip(0, 1), np.float32(rng.uniform(0.55, 0.75)))
    return _grained(255 * bright, 1.0, rng)


def white_frame(film: Composition, rng: np.random.Generator) -> Array:
    """Unexposed film around the field, white and slightly rotated."""
    return _framed(film, 255.0, rng)


def black_frame(film: Composition, rng: np.random.Generator) -> Array:
    """A display shutter around a grey field."""
    lifted = Composition(
        film.image + np.float32(rng.uniform(15, 60)), film.hands, film.layout, film.orientation
    )
    return _framed(lifted, 0.0, rng)


def grey_collimator(film: Composition, rng: np.random.Generator) -> Array:
    """Scatter behind the collimator's blades: a grey border with a soft edge."""
    return _framed(film, float(rng.uniform(60, 130)), rng, soft_px=4.0)


def markers(film: Composition, rng: np.random.Generator) -> Array:
    """Lead letters beside the hands, R or L with small initials, some on a plate."""
    image = film.image.copy()
    taken = _covered(film)
    for hand in film.hands:
        size = round(rng.uniform(0.06, 0.12) * max(hand.box.width_px, hand.box.height_px))
        tile = _letter(hand.side.value, size, rng)
        for _ in range(40):
            y = int(rng.integers(0, max(1, image.shape[0] - tile.shape[0])))
            x = int(rng.integers(0, max(1, image.shape[1] - tile.shape[1])))
            spot = np.s_[y : y + tile.shape[0], x : x + tile.shape[1]]
            if image[spot].shape == tile.shape and not taken[spot].any():
                image[spot] = np.maximum(image[spot], tile)
                taken[spot] = 1
                break
    return _grained(image + 8, 1.0, rng)


def noisy(film: Composition, rng: np.random.Generator) -> Array:
    """Too low a dose: grain, but visible bones."""
    return _grained(film.image + 12, float(rng.uniform(8, 14)), rng)


FAULTS: Mapping[str, Fault] = {
    "plain": untouched,
    "low contrast": low_contrast,
    "dark half": dark_half,
    "gradient": gradient,
    "overexposed": overexposed,
    "white frame": white_frame,
    "black frame": black_frame,
    "grey collimator": grey_collimator,
    "lead markers": markers,
    "noisy": noisy,
}


def _grained(image: Array, strength: float, rng: np.random.Generator) -> Array:
    grain = cv2.GaussianBlur(rng.standard_normal(image.shape, dtype=np.float32), (0, 0), 0.7)
    return np.asarray((image + np.float32(2 * strength) * grain).clip(0, 255), np.float32)


def _framed(film: Composition, value: float, rng: np.random.Generator, soft_px: float = 0.7) -> Array:
    """Blank pixels outside a rotated rectangle that contains the hands."""
    shape = film.image.shape
    margin, turn = rng.uniform(0.01, 0.05) * min(shape), float(rng.uniform(-2, 2))
    field = field_of((shape[0], shape[1]), float(margin), turn).astype(np.float32)
    field = np.maximum(field, _covered(film).astype(np.float32))
    field = np.asarray(cv2.GaussianBlur(field, (0, 0), soft_px), np.float32)
    base = film.image + np.float32(rng.uniform(4, 40))
    return _grained(base * field + np.float32(value) * (1 - field), 1.0, rng)


def _covered(film: Composition) -> NDArray[np.uint8]:
    """Mask of the hands with a margin."""
    mask = np.zeros(film.image.shape, np.uint8)
    for hand in film.hands:
        cv2.fillPoly(mask, [np.rint(hand.outline).astype(np.int32)], 1)
    return np.asarray(cv2.dilate(mask, np.ones((9, 9), np.uint8)), np.uint8)


def _letter(letter: str, size: int, rng: np.random.Generator) -> Array:
    """A lead letter of the given height with initials below, slightly rotated; 0 around it."""
    side = round(2.6 * size)
    tile = np.zeros((side, side), np.uint8)
    if rng.random() < 0.5:
        plate = (round(0.75 * size), round(0.4 * size)), (round(1.85 * size), round(2.3 * size))
        cv2.rectangle(tile, *plate, int(rng.integers(25, 90)), -1)
    scale, thick = size / 21.5, max(1, size // 6)
    cv2.putText(
        tile, letter, (round(0.95 * size), round(1.5 * size)), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thick
    )
    names = "".join(rng.choice(list("ABCDEFGHKMNPSTW"), 2))
    place = (round(0.95 * size), round(2.1 * size))
    cv2.putText(tile, names, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45 * scale, 235, max(1, thick // 2))
    middle = (side / 2, side / 2)
    turn = cv2.getRotationMatrix2D(middle, float(rng.normal(0, 8)), 1.0)
    return np.asarray(cv2.warpAffine(tile, turn, (side, side)), np.float32)
