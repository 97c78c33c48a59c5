"""Renders scenes as inputs of the hand detector's networks, with their training targets."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.inference.hand_detector.preprocessing import (
    SIDE_PX,
    Channels,
    Matrix,
    Pose,
    channels,
    into_square,
    inverse,
    matrix_scale,
    moved,
    of_pixel_centres,
    padded,
    pose_of,
)
from training.hand_detector.scenes import KNUCKLE, WRIST, Placed, Real, Scene, SceneHand, View

CELLS = SIDE_PX // 4
_FEWEST_JOINTS = 9
"""Least visible joints of a target; hands with fewer are excluded from training, as neither positive nor
negative."""


@dataclass(frozen=True, slots=True, eq=False)
class Whole:
    """Seeker example of a whole scene: input, heat (CELLS, CELLS), and the four numbers at each middle."""

    seen: Channels
    heat: Real
    numbers: Real
    at: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Near:
    """Reader example of one hand: input, joints (13, 2) in the square or NaN, silhouette if known."""

    seen: Channels
    joints: Real
    silhouette: Real
    known: bool


def render(scene: Scene, matrix: Matrix, rows: int, columns: int) -> View:
    """Render a scene by a view matrix (units to pixels) at (rows, columns)."""
    bend = _bend(scene, matrix, rows, columns)
    grey = np.full((rows, columns), scene.background, np.float32)
    inside = _polygon(_canvas(scene), matrix, rows, columns)
    hands: list[SceneHand] = []
    for placed in scene.placed:
        hands = _laid(grey, placed, matrix, bend, hands)
    for stamp, place, level in scene.stamps:
        warped = cv2.warpAffine(stamp, _chained(matrix, place), (columns, rows), flags=cv2.INTER_AREA)
        alpha = warped.astype(np.float32) / 255
        grey += alpha * (np.float32(level) - grey)
    if scene.frame is not None:
        corners, level = scene.frame
        grey[~_polygon(corners, matrix, rows, columns)] = level
    visible = inside if scene.frame is None else inside & _polygon(scene.frame[0], matrix, rows, columns)
    return View(grey, inside, tuple(_clipped(hand, visible) for hand in hands))


def whole(scene: Scene, rng: np.random.Generator) -> Whole | None:
    """Render a whole scene with the seeker's targets; None where a hand is partly in the picture."""
    rows, columns = max(8, round(scene.rows)), max(8, round(scene.columns))
    view = render(scene, np.eye(2, 3), rows, columns)
    heat = np.zeros((CELLS, CELLS), np.float32)
    numbers = np.zeros((4, CELLS, CELLS), np.float32)
    at = np.zeros((CELLS, CELLS), np.bool_)
    for hand in view.hands:
        seen = int(np.isfinite(hand.joints).all(axis=1).sum())
        if seen < 3:
            continue
        if seen < _FEWEST_JOINTS or not np.isfinite(hand.joints[[WRIST, KNUCKLE]]).all():
            return None
        _mark(pose_of(hand.joints[WRIST], hand.joints[KNUCKLE]), heat, numbers, at)
    return Whole(padded(developed(view.grey, rng)), heat, numbers, at)


def near(scene: Scene, rng: np.random.Generator) -> Near | None:
    """Render the upright square around one hand, misplaced by the seeker's error, or around background."""
    flat = render(
        Scene(scene.rows, scene.columns, 0.0, scene.placed),
        np.eye(2, 3),
        round(scene.rows),
        round(scene.columns),
    )
    poses = [
        pose_of(hand.joints[WRIST], hand.joints[KNUCKLE])
        for hand in flat.hands
        if np.isfinite(hand.joints).all(axis=1).sum() >= _FEWEST_JOINTS
        and np.isfinite(hand.joints[[WRIST, KNUCKLE]]).all()
    ]
    chosen = int(rng.integers(len(poses))) if poses else -1
    pose = misplaced(poses[chosen], rng) if poses else _anywhere(scene, rng)
    matrix = into_square(pose)
    view = render(scene, matrix, SIDE_PX, SIDE_PX)
    joints = np.full((13, 2), np.nan, np.float32)
    silhouette, known = np.zeros((SIDE_PX // 2, SIDE_PX // 2), np.float32), not view.hands
    if poses:
        places = [
            at for at, hand in enumerate(flat.hands) if np.isfinite(hand.joints[[WRIST, KNUCKLE]]).all()
        ]
        hand = min((view.hands[at] for at in places), key=_off_middle)
        joints = hand.joints.astype(np.float32)
        known = hand.silhouette is not None
        if hand.silhouette is not None:
            half = (SIDE_PX // 2, SIDE_PX // 2)
            shrunk = cv2.resize(hand.silhouette.astype(np.float32), half, interpolation=cv2.INTER_AREA)
            silhouette = np.asarray(shrunk, np.float32)
    elif view.hands:
        return None
    return Near(channels(developed(view.grey, rng), view.inside), joints, silhouette, known)


def developed(grey: Real, rng: np.random.Generator) -> Real:
    """Augment grey levels of a rendered picture as by other exposures and detectors."""
    x = grey / np.float32(255)
    if rng.random() < 0.15:
        x = np.float32(1) - x
    if rng.random() < 0.6:
        low, high = float(x.min()), max(float(x.max()), float(x.min()) + 1e-3)
        x = ((x - low) / (high - low)).clip(0, 1) ** np.float32(np.exp(rng.normal(0, 0.45))) * (
            high - low
        ) + low
    if rng.random() < 0.4:
        y, xs = np.mgrid[-1 : 1 : x.shape[0] * 1j, -1 : 1 : x.shape[1] * 1j].astype(np.float32)
        angle = rng.uniform(0, 2 * np.pi)
        x = x + np.float32(rng.uniform(0, 0.3)) * (
            np.float32(np.cos(angle)) * xs + np.float32(np.sin(angle)) * y
        )
    if rng.random() < 0.25:
        x = _stepped(x, rng)
    if rng.random() < 0.3:
        x = np.asarray(cv2.GaussianBlur(x, (0, 0), float(rng.uniform(0.4, 1.3))), np.float32)
    if rng.random() < 0.2:
        levels = float(rng.uniform(12, 60))
        x = np.rint(x * levels) / np.float32(levels)
    if rng.random() < 0.6:
        noise = rng.standard_normal(x.shape, dtype=np.float32)
        x = x + np.float32(abs(rng.normal(0, 0.03))) * noise
    if rng.random() < 0.1:
        x = x.clip(
            float(np.quantile(x[::3, ::3], rng.uniform(0, 0.4))),
            float(np.quantile(x[::3, ::3], rng.uniform(0.85, 1))),
        )
    return np.asarray(x, np.float32)


def _stepped(x: Real, rng: np.random.Generator) -> Real:
    """Change the exposure on one side of a straight edge, as where two fields overlap on a plate."""
    rows, columns = x.shape
    angle = (
        rng.uniform(0, 2 * np.pi) if rng.random() < 0.3 else np.pi / 2 * rng.integers(4) + rng.normal(0, 0.03)
    )
    down, across = np.mgrid[0:rows, 0:columns].astype(np.float32)
    place = rng.uniform(0.2, 0.8, 2) * (columns, rows)
    side = (across - place[0]) * np.cos(angle) + (down - place[1]) * np.sin(angle) > 0
    return np.where(side, x * np.float32(rng.uniform(0.3, 1)) + np.float32(rng.uniform(-0.1, 0.35)), x)


def _laid(
    grey: Real, placed: Placed, matrix: Matrix, bend: Real | None, hands: list[SceneHand]
) -> list[SceneHand]:
    """Paste a picture over the canvas; returns all hands, lower ones without their covered joints."""
    rows, columns = grey.shape
    place = _chained(matrix, placed.matrix)
    level = int(
        np.clip(np.floor(np.log2(1 / max(matrix_scale(place), 1e-3)) + 0.3), 0, len(placed.layers.images) - 1)
    )
    down = place @ np.diag([2.0**level, 2.0**level, 1.0])
    image = _warped(placed.layers.images[level], down, bend, rows, columns, smooth=True)
    if placed.paste == "cut out":
        alpha = _warped(placed.layers.soft[level], down, bend, rows, columns, smooth=True) / 255
    else:
        height, width = placed.layers.picture.image.shape
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        alpha = _polygon(corners, place, rows, columns).astype(np.float32)
        if placed.paste == "part" and placed.clip is not None:
            alpha *= _polygon(placed.clip, matrix, rows, columns)
    lit = image * np.float32(placed.gain) + np.float32(placed.lift)
    if placed.paste == "cut out" and hands:  # attenuation adds up where hands overlap
        lit = np.maximum(lit, grey * (alpha > 0.5))
    grey += alpha * (lit - grey)
    new = _hands_of(placed, place, down, level, bend, grey.shape)
    covered = alpha > 0.5
    if placed.paste == "cut out":
        return [*hands, *new]
    return [*[_clipped(hand, ~covered) for hand in hands], *[_clipped(hand, covered) for hand in new]]


def _hands_of(
    placed: Placed, place: Matrix, down: Matrix, level: int, bend: Real | None, shape: tuple[int, ...]
) -> list[SceneHand]:
    picture = placed.layers.picture
    hands = []
    mask = (
        _warped(placed.layers.masks[level], down, bend, shape[0], shape[1], smooth=False)
        if len(picture.joints)
        else None
    )
    for at, joints in enumerate(picture.joints):
        places = _unbent(moved(joints.astype(np.float64), place), bend)
        silhouette = None
        if mask is not None and picture.outlined[at]:
            silhouette = (mask.astype(np.uint8) & (1 << at)) > 0
        hands.append(SceneHand(places, silhouette))
    return hands


def _clipped(hand: SceneHand, visible: NDArray[np.bool_]) -> SceneHand:
    """The hand with only its visible joints."""
    place = np.nan_to_num(hand.joints, nan=-1.0)
    x, y = np.floor(place[:, 0]).astype(int), np.floor(place[:, 1]).astype(int)
    rows, columns = visible.shape
    held = (x >= 0) & (y >= 0) & (x < columns) & (y < rows)
    held[held] = visible[y[held], x[held]]
    silhouette = None if hand.silhouette is None else hand.silhouette & visible
    return SceneHand(np.where(held[:, None], hand.joints, np.nan), silhouette)


def _warped(
    image: NDArray[np.uint8], down: Matrix, bend: Real | None, rows: int, columns: int, *, smooth: bool
) -> Real:
    flags = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
    border = cv2.BORDER_REPLICATE if smooth else cv2.BORDER_CONSTANT
    if bend is None:
        result = cv2.warpAffine(
            image, of_pixel_centres(down), (columns, rows), flags=flags, borderMode=border
        )
    else:
        back = inverse(down)
        y, x = np.mgrid[0:rows, 0:columns].astype(np.float32) + np.float32(0.5)
        x, y = x + bend[0], y + bend[1]
        xs = (back[0, 0] * x + back[0, 1] * y + back[0, 2] - 0.5).astype(np.float32)
        ys = (back[1, 0] * x + back[1, 1] * y + back[1, 2] - 0.5).astype(np.float32)
        result = cv2.remap(image, xs, ys, flags, borderMode=border)
    return np.asarray(result, np.float32)


def _bend(scene: Scene, matrix: Matrix, rows: int, columns: int) -> Real | None:
    if scene.warp is None:
        return None
    nodes, strength = scene.warp
    reach = strength * SIDE_PX * min(matrix_scale(matrix), 1.2)
    return np.stack(
        [reach * cv2.resize(node, (columns, rows), interpolation=cv2.INTER_CUBIC) for node in nodes]
    ).astype(np.float32)


def _unbent(points: NDArray[np.float64], bend: Real | None) -> NDArray[np.float64]:
    """Map points by a displacement field: each pixel is read `bend` away from itself."""
    if bend is None:
        return points
    now = points.copy()
    rows, columns = bend.shape[1:]
    for _ in range(4):
        x, y = now[:, 0].astype(int).clip(0, columns - 1), now[:, 1].astype(int).clip(0, rows - 1)
        now = points - bend[:, y, x].T
    return now


def _chained(after: Matrix, before: Matrix) -> Matrix:
    return np.hstack([after[:, :2] @ before[:, :2], (after[:, :2] @ before[:, 2] + after[:, 2])[:, None]])


def _canvas(scene: Scene) -> Real:
    return np.array([[0, 0], [scene.columns, 0], [scene.columns, scene.rows], [0, scene.rows]], np.float32)


def _polygon(corners: Real, matrix: Matrix, rows: int, columns: int) -> NDArray[np.bool_]:
    mask = np.zeros((rows, columns), np.uint8)
    places = moved(corners.astype(np.float64), matrix) - 0.5
    cv2.fillConvexPoly(mask, np.rint(places).astype(np.int32), 1)
    return mask > 0


def _mark(pose: Pose, heat: Real, numbers: Real, at: NDArray[np.bool_]) -> None:
    """Write one hand into the seeker's targets: a Gaussian at its middle, numbers in the cells around it."""
    x, y = pose.x / 4, pose.y / 4
    rows, columns = np.mgrid[0:CELLS, 0:CELLS].astype(np.float32) + 0.5
    distance = (columns - x) ** 2 + (rows - y) ** 2
    np.maximum(heat, np.exp(-distance / (2 * 1.3**2)), out=heat)
    heat[min(int(y), CELLS - 1) if 0 <= y < CELLS else 0, min(int(x), CELLS - 1) if 0 <= x < CELLS else 0] = 1
    here = distance < 2.0**2
    numbers[:, here] = np.stack(
        [
            x - columns[here],
            y - rows[here],
            np.full(here.sum(), pose.along_x / 32),
            np.full(here.sum(), pose.along_y / 32),
        ]
    )
    at |= here


def misplaced(pose: Pose, rng: np.random.Generator) -> Pose:
    """The pose with a random error like that of the seeker."""
    wide = 3.0 if rng.random() < 0.1 else 1.0
    angle, zoom = rng.normal(0, np.radians(9 * wide)), np.exp(rng.normal(0, 0.09 * min(wide, 2)))
    shift = rng.normal(0, 0.09 * min(wide, 2), 2) * pose.length
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    return Pose(
        pose.x + shift[0],
        pose.y + shift[1],
        cos * pose.along_x - sin * pose.along_y,
        sin * pose.along_x + cos * pose.along_y,
    )


def _anywhere(scene: Scene, rng: np.random.Generator) -> Pose:
    angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(20, 60)
    place = rng.uniform(0.2, 0.8, 2) * np.array([scene.columns, scene.rows])
    return Pose(
        float(place[0]), float(place[1]), float(length * np.cos(angle)), float(length * np.sin(angle))
    )


def _off_middle(hand: SceneHand) -> float:
    """Distance of a hand's middle from that of the square, in pixels."""
    if not np.isfinite(hand.joints[[WRIST, KNUCKLE]]).all():
        return 2.0 * SIDE_PX
    pose = pose_of(hand.joints[WRIST], hand.joints[KNUCKLE])
    return float(np.hypot(pose.x - SIDE_PX / 2, pose.y - SIDE_PX / 2))
