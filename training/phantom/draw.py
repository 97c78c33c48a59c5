"""Draws whole radiographs of one or two hands with known joints, stages and sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Box, Point, Rotation
from ra_node.domain.joints import JOINTS
from ra_node.domain.laterality.evidence import Side
from training.phantom.bone import add_bones
from training.phantom.film import add_marker, collimated, develop, expose, field_of
from training.phantom.lesions import DrawnLesion, deformities, find_lesions, spread_disease
from training.phantom.raster import resized
from training.phantom.recipe import HandRecipe, PhantomHand, PhantomRecipe
from training.phantom.skeleton import HandSkeleton, grow_hand, names_of
from training.phantom.soft_tissue import FLESH_PER_MM, SKIN_MM, flesh_thickness, outline_points
from training.phantom.transform import MillimetreTransform, place_frame

Array = NDArray[np.float32]

_FOREARM_MM = 58.0
_EDGE_MM = 6.0
_MOST_POINTS = 200


@dataclass(frozen=True, slots=True)
class Phantom:
    """A drawn radiograph: pixels (rows, columns), 0 to 4095, bone bright, and its ground truth.

    `hands` are ordered left to right, or top to bottom where the picture is rotated by 90 or 270 degrees.
    """

    pixels: NDArray[np.uint16]
    hands: tuple[PhantomHand, ...]
    spacing_mm: float


@dataclass(frozen=True, slots=True)
class _Posed:
    recipe: HandRecipe
    stages: dict[str, int]
    hand: HandSkeleton
    lesions: tuple[DrawnLesion, ...]
    frame: MillimetreTransform


def draw_hands(recipe: PhantomRecipe) -> Phantom:
    """Draw the recipe; equal recipes give equal pixels."""
    posed = [_posed(recipe, place) for place in range(len(recipe.hands))]
    shadow = np.zeros((recipe.rows, recipe.columns), np.float32)
    silhouettes = [_cast(shadow, hand, _stream(recipe, place, "texture")) for place, hand in enumerate(posed)]
    rng = _stream(recipe, 0, "film")
    if recipe.markers:
        _mark(shadow, recipe, rng)
    pixels = develop(
        expose(shadow, recipe.spacing_mm, recipe.exposure, rng), recipe.spacing_mm, recipe.exposure.gain
    )
    field = _field(recipe, rng)
    pixels = collimated(pixels, field, recipe.collimation)
    found = tuple(_described(one, mask & field, recipe) for one, mask in zip(posed, silhouettes, strict=True))
    turned = np.ascontiguousarray(np.rot90(pixels, k=-(recipe.rotation // 90)))
    last_first = recipe.rotation in (180, 270)
    return Phantom(turned, found[::-1] if last_first else found, recipe.spacing_mm)


def _stream(
    recipe: PhantomRecipe, place: int, use: Literal["pose", "disease", "texture", "film"]
) -> np.random.Generator:
    """A separate random stream for each use, so that disease changes nothing else of a hand."""
    return np.random.default_rng((recipe.seed, place, *use.encode()))


def _posed(recipe: PhantomRecipe, place: int) -> _Posed:
    wanted = recipe.hands[place]
    rng, disease = _stream(recipe, place, "pose"), _stream(recipe, place, "disease")
    stages = _stages(wanted, disease)
    double = len(recipe.hands) == 2
    spread = recipe.spread
    if spread is None:
        spread = float(rng.uniform(0.15, 0.4) if double else rng.uniform(0.35, 0.85))
    hand = grow_hand(spread, deformities(stages), rng)
    lesions = find_lesions(hand, stages, disease)
    # In a pair the thumbs point inwards; a single left hand has its thumb on the right (seen from the back).
    mirrored = place == 1 if double else wanted.side is Side.RIGHT
    frame = _placed(recipe, place, outline_points(hand, lesions, _FOREARM_MM), rng, mirrored=mirrored)
    return _Posed(wanted, stages, hand, lesions, frame)


def _stages(wanted: HandRecipe, rng: np.random.Generator) -> dict[str, int]:
    if wanted.joint_stages is None:
        return spread_disease(wanted.stage, rng)
    unknown = set(wanted.joint_stages) - set(JOINTS)
    if unknown:
        raise ValueError(f"expected joints out of {JOINTS}, found {sorted(unknown)}")
    return {joint: wanted.joint_stages.get(joint, 0) for joint in JOINTS}


def _placed(
    recipe: PhantomRecipe, place: int, skin: Array, rng: np.random.Generator, *, mirrored: bool
) -> MillimetreTransform:
    """Fit the outline points into the hand's part of the picture, with the forearm cut off at the bottom."""
    columns = recipe.columns / len(recipe.hands)
    tilt = recipe.tilt_deg + float(rng.normal(0, 2.0))
    size = (recipe.rows, recipe.columns)
    trial = place_frame((0, 0), 1.0, tilt, size, mirrored=mirrored).to_px(skin)
    low, high = trial.min(axis=0), trial.max(axis=0)
    edge = _EDGE_MM / recipe.spacing_mm
    fits = min((columns - 2 * edge) / (high[0] - low[0]), (recipe.rows - 1.6 * edge) / (high[1] - low[1]))
    scale = min(float(rng.normal(1.0, 0.03)) / recipe.spacing_mm, float(fits))
    room_x = columns - scale * (high[0] - low[0]) - 2 * edge
    inwards = float(rng.uniform(0.35, 0.65))
    x = place * columns + edge + inwards * room_x - scale * low[0]
    y = recipe.rows - scale * high[1] + float(rng.uniform(0, 3.0)) / recipe.spacing_mm
    return place_frame((float(x), float(y)), scale, tilt, size, mirrored=mirrored)


def _cast(shadow: Array, posed: _Posed, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Add one hand to the attenuation map and return its silhouette."""
    frame = posed.frame
    mask = np.zeros(shadow.shape, np.bool_)
    box = frame.window(outline_points(posed.hand, posed.lesions, 2 * _FOREARM_MM), 4.0)
    if box is None:
        return mask
    own = frame.cropped(box)
    thick = _flesh(posed, own)
    shadow[box.y0 : box.y1, box.x0 : box.x1] += FLESH_PER_MM * thick
    mask[box.y0 : box.y1, box.x0 : box.x1] = thick > SKIN_MM
    add_bones(shadow, posed.hand, posed.lesions, frame, rng)
    return mask


def _flesh(posed: _Posed, frame: MillimetreTransform) -> Array:
    """Soft-tissue thickness, computed at half resolution because it has no fine detail."""
    if frame.px_per_mm < 4:
        return flesh_thickness(posed.hand, posed.lesions, frame)
    thick = flesh_thickness(posed.hand, posed.lesions, frame.coarser(2))
    rows, columns = thick.shape
    return resized(thick, 2 * rows, 2 * columns)[: frame.rows, : frame.columns]


def _mark(shadow: Array, recipe: PhantomRecipe, rng: np.random.Generator) -> None:
    """Add each hand's letter beside its forearm, at the outer side."""
    height = 11.0 / recipe.spacing_mm
    for place, hand in enumerate(recipe.hands):
        outer = place == 0 if len(recipe.hands) == 2 else hand.side is Side.LEFT
        inset = 1.15 * height
        x = inset if outer else recipe.columns - inset
        y = recipe.rows - float(rng.uniform(2.0, 4.5)) * height
        add_marker(shadow, hand.side.value, (x, y), height, float(rng.normal(0, 6)))


def _field(recipe: PhantomRecipe, rng: np.random.Generator) -> NDArray[np.bool_]:
    margin, turn = float(rng.uniform(2.5, 4.0)) / recipe.spacing_mm, float(rng.normal(0, 0.3))
    if recipe.collimation == "none":
        return np.ones((recipe.rows, recipe.columns), np.bool_)
    return field_of((recipe.rows, recipe.columns), margin, turn)


def _described(posed: _Posed, mask: NDArray[np.bool_], recipe: PhantomRecipe) -> PhantomHand:
    outline = _outline(mask)
    joints = posed.frame.to_px(np.array([posed.hand.joints[name] for name in JOINTS], np.float32))
    gaps = {
        name: gap
        for digit in posed.hand.digits
        for name, gap in zip(names_of(digit.number), digit.gaps_mm, strict=True)
        if name in JOINTS
    }

    def turn(x: float, y: float) -> Point:
        return turned_point(Point(float(x), float(y)), recipe.rows, recipe.columns, recipe.rotation)

    return PhantomHand(
        _turned_box(mask, recipe.rotation),
        tuple(turn(x, y) for x, y in outline),
        posed.recipe.side,
        recipe.rotation,
        max(posed.stages.values()),
        posed.stages,
        {name: turn(x, y) for name, (x, y) in zip(JOINTS, joints, strict=True)},
        gaps,
    )


def _outline(mask: NDArray[np.bool_]) -> Array:
    """The largest silhouette as a polygon of at most 200 points (n, 2)."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    contour = max(contours, key=cv2.contourArea)
    tolerance = 1.0
    while len(contour) > _MOST_POINTS:
        contour, tolerance = cv2.approxPolyDP(contour, tolerance, closed=True), 1.4 * tolerance
    result: Array = contour[:, 0].astype(np.float32) + np.float32(0.5)
    return result


def _turned_box(mask: NDArray[np.bool_], rotation: Rotation) -> Box:
    turned = np.rot90(mask, k=-(rotation // 90))
    columns, rows = np.flatnonzero(turned.any(axis=0)), np.flatnonzero(turned.any(axis=1))
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def turned_point(point: Point, rows: int, columns: int, rotation: Rotation) -> Point:
    """Map a point of a picture (rows, columns) to the picture rotated clockwise."""
    places = {
        0: point,
        90: Point(rows - point.y, point.x),
        180: Point(columns - point.x, rows - point.y),
        270: Point(point.y, columns - point.x),
    }
    return places[rotation]
