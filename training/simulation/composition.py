"""Composes radiographs of two real hands, one mirrored, with known ground truth.

A source hand is a left one with its thumb on the image's right; mirrored it represents a right one. As on
real plates the thumbs point towards each other, and only the orientation distinguishes the hands: a
composition may be mirrored as a whole, which its shape does not show.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Box, Point, Rotation
from ra_node.domain.laterality.evidence import Side
from training.simulation.matting import RealHand, cut_out

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]

Layout = Literal[
    "apart", "touching", "boxes overlap", "tilted", "unequal scale", "quarter turn", "upside down",
    "above each other", "two half images", "cut off",
]  # fmt: skip
LAYOUTS: tuple[Layout, ...] = (
    "apart", "touching", "boxes overlap", "tilted", "unequal scale", "quarter turn", "upside down",
    "above each other", "two half images", "cut off",
)  # fmt: skip

_SEARCH = 8
"""Step in pixels for moving hands together."""
_TURNS: Mapping[str, tuple[Rotation, ...]] = {
    "quarter turn": (90, 270),
    "upside down": (180,),
    "above each other": (90, 270),
}


@dataclass(frozen=True, slots=True, eq=False)
class TrueHand:
    """Ground truth of one hand of a composition, in pixels of its image.

    The outline (points, 2) and the box end at the image's edge; `cut_off`: fingers are cut off there.
    """

    source: str
    side: Side
    box: Box
    outline: Array
    joints: Mapping[str, Point]
    turn_deg: float
    cut_off: bool = False

    @property
    def rotation(self) -> Rotation:
        """The nearest quarter turn, degrees clockwise from fingers up."""
        turns: tuple[Rotation, ...] = (0, 90, 180, 270)
        return turns[round(self.turn_deg / 90) % 4]


@dataclass(frozen=True, slots=True, eq=False)
class Composition:
    """A film (rows, columns), bone bright, about 0 to 255, its hands, and its PatientOrientation."""

    image: Array
    hands: tuple[TrueHand, ...]
    layout: str
    orientation: tuple[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class _Laid:
    """One hand in pixels of the film, before the film is cropped."""

    hand: RealHand
    side: Side
    shadow: Array
    body: NDArray[np.uint8]
    outline: Array
    joints: Array


def compose(left: RealHand, right: RealHand, layout: Layout, rng: np.random.Generator) -> Composition:
    """Compose two hands on one film, `right` mirrored."""
    if layout == "two half images":
        film = _halves(left, right, rng)
    else:
        film = _on_one_film(left, right, layout, rng)
    if layout in _TURNS:
        film = turned(film, int(rng.choice(_TURNS[layout])))
    return mirrored(film) if rng.random() < 0.5 else film


def as_it_is(hand: RealHand) -> Composition:
    """The unedited radiograph of one left hand."""
    truth = _truth(hand, Side.LEFT, np.eye(3), hand.picture.shape)
    return Composition(hand.picture.astype(np.float32), (truth,), "as it is", ("R", "F"))


def turned(film: Composition, degrees: int) -> Composition:
    """The film rotated clockwise by quarter turns, with its orientation (PS3.3 C.7.6.1.1.1)."""
    result = film
    for _ in range(degrees // 90 % 4):
        rows = result.image.shape[0]
        image = np.ascontiguousarray(np.rot90(result.image, k=-1))
        turn = np.array([[0, -1, rows], [1, 0, 0], [0, 0, 1]], np.float64)
        hands = tuple(replace(_moved(hand, turn), turn_deg=hand.turn_deg + 90) for hand in result.hands)
        right, down = result.orientation
        result = replace(result, image=image, hands=hands, orientation=(_OPPOSITE[down], right))
    return result


def mirrored(film: Composition) -> Composition:
    """The mirrored film: a left hand's shape becomes a right hand's."""
    flip = np.array([[-1, 0, film.image.shape[1]], [0, 1, 0], [0, 0, 1]], np.float64)
    hands = tuple(replace(_moved(hand, flip), turn_deg=-hand.turn_deg) for hand in film.hands)
    right, down = film.orientation
    image = np.ascontiguousarray(film.image[:, ::-1])
    return replace(film, image=image, hands=hands, orientation=(_OPPOSITE[right], down))


_OPPOSITE = {"R": "L", "L": "R", "F": "H", "H": "F"}


def _on_one_film(left: RealHand, right: RealHand, layout: Layout, rng: np.random.Generator) -> Composition:
    sizes = _scales(left, right, layout, rng)
    most = 30.0 if layout == "tilted" else 8.0
    pair = [
        _lay(hand, side, scale, float(rng.uniform(-most, most)))
        for hand, side, scale in ((left, Side.LEFT, sizes[0]), (right, Side.RIGHT, sizes[1]))
    ]
    film, placed = _side_by_side(pair, layout, rng)
    truths = tuple(_truth_laid(laid, at, film.shape) for laid, at in placed)
    whole = Composition(film, truths, layout, ("R", "F"))
    return _cut_fingers(whole, rng) if layout == "cut off" else whole


def _scales(left: RealHand, right: RealHand, layout: Layout, rng: np.random.Generator) -> tuple[float, float]:
    """Factors that give both hands about the same length, as in one patient."""
    length = float(rng.uniform(420, 900))
    unequal = 0.62 if layout == "unequal scale" else float(rng.uniform(0.93, 1.07))
    wanted = (length, length * unequal) if rng.random() < 0.5 else (length * unequal, length)
    own = [float(np.ptp(hand.outline, axis=0).max()) for hand in (left, right)]
    return wanted[0] / own[0], wanted[1] / own[1]


def _lay(hand: RealHand, side: Side, scale: float, tilt_deg: float) -> _Laid:
    """Scale, mirror (a right one) and rotate a hand by `tilt_deg` from fingers up."""
    rows, columns = hand.picture.shape
    flip = -1.0 if side is Side.RIGHT else 1.0
    own = hand.turn_deg * flip
    turn = math.radians(tilt_deg - own)
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    matrix = np.array([[cos * flip, -sin], [sin * flip, cos]])
    corners = np.array([[0, 0], [columns, 0], [0, rows], [columns, rows]]) @ matrix.T
    low, high = corners.min(axis=0), corners.max(axis=0)
    whole = np.hstack([matrix, -low[:, None]])
    size = tuple(math.ceil(value) for value in high - low)
    part = cut_out(hand)
    near = cv2.GaussianBlur(part.shadow, (0, 0), 0.45 / scale) if scale < 0.9 else part.shadow
    points = np.array([[point.x, point.y] for point in hand.joints.values()])
    return _Laid(
        hand,
        side,
        np.asarray(cv2.warpAffine(near, _at_centres(whole), size, flags=cv2.INTER_LINEAR), np.float32),
        np.asarray(cv2.warpAffine(part.body, _at_centres(whole), size, flags=cv2.INTER_NEAREST), np.uint8),
        _carried(hand.outline, whole),
        _carried(points, whole),
    )


def _side_by_side(
    pair: Sequence[_Laid], layout: Layout, rng: np.random.Generator
) -> tuple[Array, list[tuple[_Laid, tuple[int, int]]]]:
    """Place the hands at the distance of the layout on a film, with the forearms at its edge."""
    left, right = pair
    bottoms = [int(np.nonzero(laid.body.any(axis=1))[0].max()) + 1 for laid in pair]
    drop = bottoms[0] - bottoms[1] + round(rng.uniform(-0.06, 0.06) * bottoms[0])
    width = float(np.ptp(left.outline[:, 0]))
    shift = _closest(left.body, right.body, drop) + round(_gap(layout, rng) * width)
    places = [(0, 0), (shift, drop)]
    spots = [laid.outline + place for laid, place in zip(pair, places, strict=True)]
    low = np.min([spot.min(axis=0) for spot in spots], axis=0)
    high = np.max([spot.max(axis=0) for spot in spots], axis=0)
    margin = rng.uniform(0.04, 0.18, 3) * width
    bottom = min(bottoms[0], bottoms[1] + drop) - 2
    x0, y0 = int(low[0] - margin[0]), int(low[1] - margin[1])
    x1, y1 = int(high[0] + margin[2]), int(max(high[1] + 2, bottom))
    film = np.zeros((y1 - y0, x1 - x0), np.float32)
    placed = [(laid, (x - x0, y - y0)) for laid, (x, y) in zip(pair, places, strict=True)]
    for laid, at in placed:
        _add(film, laid.shadow, at)
    return film, placed


def _gap(layout: Layout, rng: np.random.Generator) -> float:
    """The free space between the hands, in widths of one."""
    if layout == "touching":
        return 0.0
    return 0.03 if layout == "boxes overlap" else float(rng.uniform(0.12, 0.4))


def _closest(left: NDArray[np.uint8], right: NDArray[np.uint8], drop: int) -> int:
    """Find the smallest shift of the right hand in x without overlap of the two bodies."""
    a, b = left[::_SEARCH, ::_SEARCH] > 0, right[::_SEARCH, ::_SEARCH] > 0
    down = round(drop / _SEARCH)
    tall = max(a.shape[0], b.shape[0] + down) - min(0, down)
    top_a, top_b = max(0, -down), max(0, down)
    ends = np.full(tall, -(10**6))
    starts = np.full(tall, 10**6)
    for row in np.nonzero(a.any(axis=1))[0]:
        ends[row + top_a] = int(np.nonzero(a[row])[0].max())
    for row in np.nonzero(b.any(axis=1))[0]:
        starts[row + top_b] = int(np.nonzero(b[row])[0].min())
    return int((ends - starts).max() + 1) * _SEARCH


def _add(film: Array, shadow: Array, at: tuple[int, int]) -> None:
    """Add a shadow to a film with its corner at (x, y), clipped to the film."""
    x, y = at
    rows, columns = film.shape
    x0, y0, x1, y1 = max(0, x), max(0, y), min(columns, x + shadow.shape[1]), min(rows, y + shadow.shape[0])
    if x0 < x1 and y0 < y1:
        film[y0:y1, x0:x1] += shadow[y0 - y : y1 - y, x0 - x : x1 - x]


def _cut_fingers(film: Composition, rng: np.random.Generator) -> Composition:
    """Cut off fingers of a hand at the film's edge: at the top, or of the left hand at its side."""
    side = bool(rng.random() < 0.4)
    hand = min(film.hands, key=lambda one: one.box.x0 if side else one.box.y0)
    share = float(rng.uniform(0.15, 0.3))
    lost = hand.box.x0 + share * hand.box.width_px if side else hand.box.y0 + share * hand.box.height_px
    start = np.array([lost, 0.0]) if side else np.array([0.0, lost])
    image = np.ascontiguousarray(film.image[int(start[1]) :, int(start[0]) :])
    shift = np.array([[1, 0, -int(start[0])], [0, 1, -int(start[1])], [0, 0, 1]], np.float64)
    hands = []
    for one in film.hands:
        begin = one.box.x0 if side else one.box.y0
        gone = (lost - begin) / (one.box.width_px if side else one.box.height_px)
        hands.append(replace(_moved(one, shift, image.shape), cut_off=gone > 0.03))
    return replace(film, image=image, hands=tuple(hands))


def _halves(left: RealHand, right: RealHand, rng: np.random.Generator) -> Composition:
    """Two whole radiographs, unedited, in one frame, beside or above each other."""
    stacked = bool(rng.random() < 0.4)
    size = float(np.mean([hand.picture.shape[0 if not stacked else 1] for hand in (left, right)]))
    parts, matrices = [], []
    at = 0
    for hand, flip in ((left, False), (right, True)):
        rows, columns = hand.picture.shape
        scale = size / (columns if stacked else rows)
        wide, tall = round(columns * scale), round(rows * scale)
        picture = cv2.resize(hand.picture, (wide, tall), interpolation=cv2.INTER_AREA)
        parts.append(picture[:, ::-1] if flip else picture)
        fit = np.diag([wide / columns, tall / rows, 1.0])
        if flip:
            fit = np.array([[-1, 0, wide], [0, 1, 0], [0, 0, 1]], np.float64) @ fit
        matrices.append(
            np.array([[1, 0, 0 if stacked else at], [0, 1, at if stacked else 0], [0, 0, 1]]) @ fit
        )
        at += tall if stacked else wide
    extent = [min(part.shape[1 if stacked else 0] for part in parts)]
    cut = [part[:, : extent[0]] if stacked else part[: extent[0]] for part in parts]
    image = np.concatenate(cut, axis=0 if stacked else 1).astype(np.float32)
    pairs = zip((left, right), (Side.LEFT, Side.RIGHT), matrices, strict=True)
    hands = tuple(_truth(hand, side, matrix, image.shape) for hand, side, matrix in pairs)
    return Composition(image, hands, "two half images", ("R", "F"))


def _truth_laid(laid: _Laid, at: tuple[int, int], shape: tuple[int, ...]) -> TrueHand:
    shift = np.array([[1, 0, at[0]], [0, 1, at[1]], [0, 0, 1]], np.float64)
    return _true_hand(laid.hand, laid.side, laid.outline, laid.joints, shift, shape)


def _truth(hand: RealHand, side: Side, matrix: Matrix, shape: tuple[int, ...]) -> TrueHand:
    points = np.array([[point.x, point.y] for point in hand.joints.values()], np.float32)
    return _true_hand(hand, side, hand.outline, points, matrix, shape)


def _true_hand(
    hand: RealHand, side: Side, outline: Array, joints: Array, matrix: Matrix, shape: tuple[int, ...]
) -> TrueHand:
    placed = _inside(_carried(outline, matrix), shape)
    points = _carried(joints, matrix)
    names = {name: Point(float(x), float(y)) for name, (x, y) in zip(hand.joints, points, strict=True)}
    wrist = np.mean([[names[f"wrist_{n}"].x, names[f"wrist_{n}"].y] for n in (1, 2, 3)], axis=0)
    x, y = names["mcp_3"].x - wrist[0], names["mcp_3"].y - wrist[1]
    return TrueHand(hand.name, side, _box(placed), placed, names, math.degrees(math.atan2(x, -y)))


def _moved(hand: TrueHand, matrix: Matrix, shape: tuple[int, ...] | None = None) -> TrueHand:
    outline = _carried(hand.outline, matrix)
    outline = outline if shape is None else _inside(outline, shape)
    points = _carried(np.array([[point.x, point.y] for point in hand.joints.values()]), matrix)
    joints = {name: Point(float(x), float(y)) for name, (x, y) in zip(hand.joints, points, strict=True)}
    return replace(hand, outline=outline, box=_box(outline), joints=joints)


def _carried(points: NDArray[np.floating], matrix: Matrix) -> Array:
    return np.asarray(points @ matrix[:2, :2].T + matrix[:2, 2], np.float32)


def _at_centres(matrix: Matrix) -> Matrix:
    """The same transform for OpenCV, whose origin is the centre of the first pixel, not its corner."""
    half = np.array([0.5, 0.5])
    return np.hstack([matrix[:, :2], (matrix[:, :2] @ half + matrix[:, 2] - half)[:, None]])


def _inside(outline: Array, shape: tuple[int, ...]) -> Array:
    return np.asarray(outline.clip(0, (shape[1], shape[0])), np.float32)


def _box(outline: Array) -> Box:
    low, high = np.floor(outline.min(axis=0)), np.ceil(outline.max(axis=0))
    return Box(int(low[0]), int(low[1]), int(high[0]), int(high[1]))
