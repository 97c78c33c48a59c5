"""Samples scenes for the hand detector: one hand, two, or none, with artefacts of radiographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ra_node.inference.hand_detector.preprocessing import SIDE_PX, Matrix, moved, pose_of
from training.hand_detector.overlays import Stamp, plaster, plate, ring
from training.hand_detector.picture_pool import Grey, Picture
from training.hand_detector.scenes import KNUCKLE, WRIST, Layers, Paste, Placed, Real, Scene, layers_of


@dataclass(slots=True)
class Studio:
    """Samples scenes from a set of pictures: single hands, two-hand phantoms, and pictures without hands."""

    singles: Sequence[Layers]
    doubles: Sequence[Layers]
    others: Sequence[Layers]

    def scene(self, rng: np.random.Generator) -> Scene:
        """One radiograph: one hand, two hands, a drawn pair, or none."""
        kind = rng.random()
        if kind < 0.34:
            scene = self._single(rng)
        elif kind < 0.74:
            scene = self._pair(rng)
        elif kind < 0.78 and self.doubles:
            scene = self._whole(_one(self.doubles, rng), rng, 0.15)
        elif kind < 0.82:
            scene = self._grid(rng)
        else:
            scene = self._none(rng)
        return _disturbed(scene, rng)

    def _single(self, rng: np.random.Generator) -> Scene:
        return self._whole(_one(self.singles, rng), rng, 0.35)

    def _whole(self, layers: Layers, rng: np.random.Generator, tilts: float) -> Scene:
        """A whole picture, rotated by quarter turns and often a little more, on a canvas of its size."""
        rows, columns = layers.picture.image.shape
        turn = 90.0 * int(rng.integers(4)) if rng.random() < 0.6 else 0.0
        turn += rng.uniform(-45, 45) if rng.random() < tilts else rng.normal(0, 3)
        zoom = float(rng.uniform(0.85, 1.12)) if rng.random() < 0.6 else float(rng.uniform(0.4, 0.9))
        tall = bool(round(turn / 90) % 2)
        size = (columns, rows) if tall else (rows, columns)
        shape = np.array(size) * np.exp(rng.normal(0, 0.08, 2))
        shape = shape / shape.max() * SIDE_PX
        scale = zoom * min(shape[0] / size[0], shape[1] / size[1])
        slack = np.abs(shape - scale * np.array(size)) / 2
        middle = shape / 2 + rng.uniform(-1, 1, 2) * slack
        matrix = _matrix(
            (columns / 2, rows / 2), (middle[1], middle[0]), scale, turn, mirrored=rng.random() < 0.5
        )
        edge = _edge(layers.picture.image)
        background = edge if rng.random() < 0.6 else float(rng.choice((0.0, 255.0, rng.uniform(0, 200))))
        return Scene(float(shape[0]), float(shape[1]), background, (Placed(layers, matrix, "all"),))

    def _pair(self, rng: np.random.Generator) -> Scene:
        """Two hands side by side or one above the other, from separate to slightly overlapping."""
        count = 2 if rng.random() < 0.85 else 1
        turn = 90.0 * int(rng.integers(4)) if rng.random() < 0.5 else 0.0
        turn += float(rng.uniform(-40, 40)) if rng.random() < 0.3 else 0.0
        across = bool(rng.random() < 0.75) != bool(round(turn / 90) % 2)
        shape = np.array([SIDE_PX, SIDE_PX], np.float64)
        shape[0 if across else 1] *= rng.uniform(0.45, 1.0)
        room = shape[1] / count if across else shape[1]
        tall = shape[0] if across else shape[0] / count
        sideways = bool(round(turn / 90) % 2)
        along, wide = (room, tall) if sideways else (tall, room)
        length = min(along / 3.0, wide / 1.95) * float(rng.uniform(0.62, 1.12))
        paste: Paste = "part" if rng.random() < 0.4 else "cut out"
        chosen = [_one(self.singles, rng) for _ in range(count)]
        first = bool(rng.random() < 0.5)
        placed = []
        for at, layers in enumerate(chosen):
            own = turn + float(rng.normal(0, 8)) + (180.0 if rng.random() < 0.04 else 0.0)
            middle = np.array([room * (at + 0.5), tall / 2] if across else [room / 2, tall * (at + 0.5)])
            middle += rng.normal(0, 0.05, 2) * np.array([room, tall])
            mirrored = first != bool(at) if rng.random() < 0.9 else first
            size = length * float(np.exp(rng.normal(0, 0.07)))
            matrix = _by_pose(layers, (middle[0], middle[1]), size, own, mirrored=mirrored)
            low = np.array([room * at, 0.0] if across else [0.0, tall * at])
            high = low + np.array([room, tall])
            clip = np.array([low, [high[0], low[1]], high, [low[0], high[1]]], np.float32)
            gain, lift = (
                (float(rng.uniform(0.7, 1.2)), float(rng.normal(0, 8))) if rng.random() < 0.5 else (1.0, 0.0)
            )
            placed.append(Placed(layers, matrix, paste, clip, gain, lift))
        background = _edge(chosen[0].picture.image) if rng.random() < 0.8 else float(rng.uniform(0, 120))
        return Scene(float(shape[0]), float(shape[1]), background, tuple(placed))

    def _grid(self, rng: np.random.Generator) -> Scene:
        """Three or four hands, or exposures of one hand, in two rows of a plate."""
        count, one = int(rng.integers(3, 5)), _one(self.singles, rng)
        shape = np.array([SIDE_PX * rng.uniform(0.8, 1.0), SIDE_PX])
        cell = shape / 2
        repeated = bool(rng.random() < 0.3)
        placed = []
        for at in range(count):
            middle = (cell[1] * (at % 2 + 0.5), cell[0] * (at // 2 + 0.5))
            layers = one if repeated else _one(self.singles, rng)
            length = min(cell[0] / 3.0, cell[1] / 1.95) * float(rng.uniform(0.75, 1.05))
            mirrored = bool(rng.random() < 0.5)
            matrix = _by_pose(layers, middle, length, float(rng.normal(0, 8)), mirrored=mirrored)
            low = np.array([cell[1] * (at % 2), cell[0] * (at // 2)])
            high = low + cell[::-1]
            clip = np.array([low, [high[0], low[1]], high, [low[0], high[1]]], np.float32)
            placed.append(Placed(layers, matrix, "part", clip))
        background = _edge(one.picture.image)
        return Scene(float(shape[0]), float(shape[1]), background, tuple(placed))

    def _none(self, rng: np.random.Generator) -> Scene:
        """A picture without a hand: drawn, empty, or too small a part of a hand."""
        kind = rng.random()
        if kind < 0.4 and self.others:
            return self._whole(_one(self.others, rng), rng, 0.3)
        if kind < 0.44:
            return Scene(float(rng.uniform(90, 160)), 160.0, float(rng.uniform(0, 255)), ())
        if kind < 0.54:
            return _shapes(rng)
        layers = _one(self.singles, rng)
        if kind < 0.64:
            return _shuffled(layers, rng)
        if kind < 0.84:
            return _like_a_foot(layers, rng)
        joints = layers.picture.joints[0].astype(np.float64)
        arrow = joints[KNUCKLE] - joints[WRIST]
        tip = int(rng.integers(0, 5))
        place = (
            joints[tip] + 0.35 * arrow
            if rng.random() < 0.6
            else joints[WRIST] - rng.uniform(1.2, 1.8) * arrow
        )
        size = float(rng.uniform(90, 220))
        matrix = _matrix(
            (place[0], place[1]),
            (80.0, 80.0),
            size / float(np.hypot(*arrow)),
            float(rng.uniform(0, 360)),
            mirrored=rng.random() < 0.5,
        )
        return Scene(160.0, float(rng.uniform(100, 160)), 0.0, (Placed(layers, matrix, "all"),))


def _one(stock: Sequence[Layers], rng: np.random.Generator) -> Layers:
    return stock[int(rng.integers(len(stock)))]


def _edge(image: Grey) -> float:
    return float(np.median(np.concatenate([image[4, ::4], image[::4, 4], image[::4, -5]])))


def _matrix(
    source: tuple[float, float], target: tuple[float, float], scale: float, turn_deg: float, *, mirrored: bool
) -> Matrix:
    """Matrix that maps `source` to `target`, with zoom, clockwise rotation and optional mirroring."""
    angle = np.radians(turn_deg)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if mirrored:
        turn = turn @ np.diag([-1.0, 1.0])
    return np.hstack([turn, (np.array(target) - turn @ np.array(source))[:, None]])


def _by_pose(
    layers: Layers, target: tuple[float, float], length: float, turn_deg: float, *, mirrored: bool
) -> Matrix:
    """Matrix that places a hand by middle, `length` from wrist to MCP 3, and `turn_deg` clockwise from up."""
    joints = layers.picture.joints[0].astype(np.float64)
    pose = pose_of(joints[WRIST], joints[KNUCKLE])
    now = np.degrees(np.arctan2(pose.along_x, -pose.along_y))
    turn = turn_deg + now if mirrored else turn_deg - now
    return _matrix((pose.x, pose.y), target, length / pose.length, turn, mirrored=mirrored)


def _shapes(rng: np.random.Generator) -> Scene:
    """Bright sticks and discs on a dark background, such as other bones, rulers, pipes."""
    image = np.full((320, 320), float(rng.uniform(0, 80)), np.float32)
    for _ in range(int(rng.integers(1, 14))):
        x, y = (int(value) for value in rng.uniform(20, 300, 2))
        angle, reach, wide = rng.uniform(0, np.pi), rng.uniform(10, 200), rng.uniform(3, 50)
        grey = float(rng.uniform(60, 255))
        if rng.random() < 0.5:
            cv2.ellipse(
                image, (x, y), (int(reach / 2) + 1, int(wide)), float(np.degrees(angle)), 0, 360, grey, -1
            )
        else:
            end = (int(x + reach * np.cos(angle)), int(y + reach * np.sin(angle)))
            cv2.line(image, (x, y), end, grey, int(wide))
    image = np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 6))), np.float32)
    image += float(rng.uniform(0, 25)) * rng.standard_normal(image.shape).astype(np.float32)
    return _of_image(image)


def _shuffled(layers: Layers, rng: np.random.Generator) -> Scene:
    """The tiles of a hand in random order: its texture without its shape."""
    image = cv2.resize(layers.picture.image, (256, 256), interpolation=cv2.INTER_AREA)
    side = 256 // int(rng.choice((3, 4, 6)))
    corners = [
        (top, left) for top in range(0, 256 - side + 1, side) for left in range(0, 256 - side + 1, side)
    ]
    mixed = image.copy()
    for (top, left), at in zip(corners, rng.permutation(len(corners)), strict=True):
        from_top, from_left = corners[int(at)]
        tile = np.rot90(image[from_top : from_top + side, from_left : from_left + side], int(rng.integers(4)))
        mixed[top : top + side, left : left + side] = tile
    return _of_image(mixed.astype(np.float32))


def _like_a_foot(layers: Layers, rng: np.random.Generator) -> Scene:
    """A real hand without its thumb, with a stretched palm and shortened fingers, which resembles a foot."""
    picture = layers.picture
    joints = picture.joints[0].astype(np.float64)
    arrow = joints[KNUCKLE] - joints[WRIST]
    side = np.array([-arrow[1], arrow[0]])
    palm, toes, narrow = rng.uniform(1.3, 1.8), rng.uniform(0.25, 0.45), rng.uniform(0.6, 0.9)
    unit = 256 / (0.6 + palm + 1.4 * toes)
    y, x = np.mgrid[0:256, 0:224].astype(np.float32)
    ahead, across = (256 - y) / unit - 0.5, (x - 112) / unit / narrow
    along = np.where(ahead < palm, ahead / palm, 1 + (ahead - palm) / toes)
    along = np.where(ahead < 0, ahead, along)
    place = joints[WRIST] + along[..., None] * arrow + across[..., None] * side
    image = cv2.remap(
        picture.image,
        place[..., 0].astype(np.float32),
        place[..., 1].astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    thumb, finger = ((joints[at] - joints[WRIST]) @ side / (side @ side) for at in (5, 6))
    image[across * np.sign(thumb) > abs(finger) + 0.17] = _edge(picture.image)
    return _of_image(image.astype(np.float32), int(rng.integers(4)))


def _of_image(image: Real, turns: int = 0) -> Scene:
    grey = np.clip(image, 0, 255).astype(np.uint8)
    grey = np.ascontiguousarray(np.rot90(grey, turns))
    nothing = Picture("", grey, np.zeros((0, 13, 2), np.float32), np.zeros(grey.shape, np.uint8), ())
    scale = SIDE_PX / max(grey.shape)
    place = np.array([[scale, 0, 0], [0, scale, 0]], np.float64)
    return Scene(
        grey.shape[0] * scale, grey.shape[1] * scale, 0.0, (Placed(layers_of(nothing), place, "all"),)
    )


def _disturbed(scene: Scene, rng: np.random.Generator) -> Scene:
    """Add artefacts: objects over hands, markers, a frame, a distortion."""
    count = int(rng.integers(0, 4)) if rng.random() < 0.7 else 0
    stamps = [*_over_hands(scene, rng), *(_stamp(scene, rng) for _ in range(count))]
    frame = None
    if rng.random() < 0.22:
        inset = rng.uniform(0.005, 0.07, 4) * SIDE_PX
        x0, y0, x1, y1 = inset[0], inset[1], scene.columns - inset[2], scene.rows - inset[3]
        corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]) + rng.normal(0, 0.8, (4, 2))
        frame = (corners.astype(np.float32), float(rng.choice((0.0, 255.0, rng.uniform(0, 255)))))
    warp = None
    if rng.random() < 0.35:
        warp = (rng.standard_normal((2, 4, 4)).astype(np.float32), float(rng.uniform(0.01, 0.035)))
    return Scene(scene.rows, scene.columns, scene.background, scene.placed, tuple(stamps), frame, warp)


def _over_hands(scene: Scene, rng: np.random.Generator) -> list[Stamp]:
    """Rings, metal and plaster on some hands."""
    stamps = []
    for placed in scene.placed:
        for joints in placed.layers.picture.joints:
            on_canvas = moved(joints.astype(np.float64), placed.matrix)
            for draw, share in ((plaster, 0.12), (ring, 0.12), (plate, 0.08)):
                if rng.random() < share:
                    stamps.append(draw(on_canvas, rng))
    return stamps


def _stamp(scene: Scene, rng: np.random.Generator) -> tuple[Grey, Matrix, float]:
    """A lead letter or a label with several, anywhere, brighter or darker than its surroundings."""
    stamp = np.zeros((48, 96), np.uint8)
    text = "".join(rng.choice(list("RLABDGKMPSTW0123456789"), int(rng.integers(1, 4))))
    if rng.random() < 0.3:
        cv2.rectangle(stamp, (2, 2), (93, 45), 110, -1)
    cv2.putText(
        stamp, text, (6, 38), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 255, int(rng.integers(2, 7)), cv2.LINE_AA
    )
    place = (float(rng.uniform(0, scene.columns)), float(rng.uniform(0, scene.rows)))
    turn = float(rng.normal(0, 15) + 90 * int(rng.integers(4)))
    matrix = _matrix((48, 24), place, float(rng.uniform(0.08, 0.3)), turn, mirrored=rng.random() < 0.2)
    return stamp, matrix, float(rng.choice((255.0, 255.0, 200.0, 0.0)))
