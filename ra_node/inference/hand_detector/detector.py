"""Detects hands with the two small networks of a bundle: joints, direction, silhouette, scores.

Importing this module is fast; torch is imported by the first `Finder`. The networks give proposals, of which
`is_hand` accepts hands by their joints; image quality is checked elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Box, Point, Rotation
from ra_node.domain.joints import JOINTS
from ra_node.domain.report import HandRegion, Joint
from ra_node.errors import Fatal
from ra_node.inference.bundles.bundle import Bundle
from ra_node.inference.bundles.manifest import FinderPart
from ra_node.inference.hand_detector.preprocessing import (
    AXIS_PX,
    SIDE_PX,
    Grey,
    Pose,
    into_square,
    inverse,
    moved,
    pose_of,
    seen_hand,
    seen_whole,
    whole_scale,
)
from ra_node.inference.hand_detector.view_decision import Views, is_elsewhere, is_surely_hand, seen_view

LEAST_HEAT = 0.2
"""Least heat of a peak in the whole image that becomes a proposal."""
MOST_PLACES = 6
LEAST_JOINT = 0.5
"""Score from which a joint counts as detected."""
FEWEST_JOINTS = 10
LEAST_SCORE = 0.9
"""Least mean score of the joints of a hand."""
LEAST_SCORE_IN_VIEW = 0.75
"""The same where the view head is certain of a hand, for deformed and oblique ones. Of 14 proposals in crops
and limbs with such scores (tuning part, five folds) none has a probability over 0.43 of a frontal view."""

_STRIDE = 4
_WORK_PX = 720
_FINE = 4
_MOST_POINTS = 200
ROTATIONS: tuple[Rotation, ...] = (0, 90, 180, 270)
_WRIST, _KNUCKLE = JOINTS.index("wrist_2"), JOINTS.index("mcp_3")

Places = NDArray[np.float64]
"""Joints (13, 2), each (x, y)."""


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """Output of the reader for one pose: joints in pixels of the picture, with scores (13,).

    `silhouette` (SIDE_PX / 2, SIDE_PX / 2) holds probabilities; `views` holds one a view, or is empty.
    """

    pose: Pose
    joints: Places
    scores: NDArray[np.float64]
    silhouette: NDArray[np.float32]
    views: NDArray[np.float32]

    @property
    def score(self) -> float:
        return float(self.scores.mean())


class Finder:
    """Holds the networks on the CPU; raises Fatal for weights that do not fit."""

    def __init__(self, seeker: Path, reader: Path, views: Views | None = None) -> None:
        from ra_node.inference.hand_detector import forward  # noqa: PLC0415  # see the module's docstring

        self._views = views
        head, classes = (views.head, len(views.classes)) if views else (None, 0)
        self._maps = forward.Maps(seeker, reader, head, classes)

    def find(self, values: Grey) -> tuple[HandRegion, ...]:
        """Detect the hands of values (rows, columns), bone bright, unordered; points are in its pixels."""
        picture, ratio = _at_work_size(values)
        readings = [reading for reading in self._readings(picture) if self._is_hand(reading)]
        found = ((reading, _region(reading, ratio, values.shape)) for reading in _apart(readings))
        return tuple(
            replace(region, view=seen_view(reading.views, self._views))
            for reading, region in found
            if region is not None
        )

    def _is_hand(self, reading: Reading) -> bool:
        view = seen_view(reading.views, self._views)
        least = LEAST_SCORE_IN_VIEW if is_surely_hand(view) else LEAST_SCORE
        return is_hand(reading.joints, reading.scores, least) and not is_elsewhere(view)

    def looks(self, values: Grey) -> tuple[Grey, list[Reading]]:
        """All proposals, accepted or not: the picture at its working size, and the readings."""
        picture, _ = _at_work_size(values)
        return picture, self._readings(picture)

    def _readings(self, picture: Grey) -> list[Reading]:
        """Read every proposal, and again with the pose of the joints where the first one was misaligned."""
        poses = self._poses(picture)
        first = self._read(picture, poses)
        again = [reading for reading in first if reading.score > 0.3 and _is_off(reading)]
        second = self._read(picture, [_own_pose(reading) for reading in again])
        better = {id(a): b for a, b in zip(again, second, strict=True) if b.score > a.score - 0.05}
        return [better.get(id(reading), reading) for reading in first]

    def _poses(self, picture: Grey) -> list[Pose]:
        heat, numbers = self._maps.seek(seen_whole(picture))
        scale = whole_scale(*picture.shape)
        poses: list[Pose] = []
        for y, x in _peaks(heat):
            dx, dy, along_x, along_y = (float(value) for value in numbers[:, y, x])
            place = ((x + 0.5 + dx) * _STRIDE / scale, (y + 0.5 + dy) * _STRIDE / scale)
            pose = Pose(*place, along_x * 32 / scale, along_y * 32 / scale)
            near = (math.hypot(pose.x - other.x, pose.y - other.y) < 0.5 * other.length for other in poses)
            if pose.length * scale > 3 and not any(near):
                poses.append(pose)
        return poses[:MOST_PLACES]

    def _read(self, picture: Grey, poses: Sequence[Pose]) -> list[Reading]:
        if not poses:
            return []
        seen = np.stack([seen_hand(picture, pose) for pose in poses])
        return [
            _decoded(pose, *maps)
            for pose, maps in zip(poses, zip(*self._maps.read(seen), strict=True), strict=True)
        ]


def load_finder(bundle: Bundle) -> Finder:
    """The finder of a bundle; raises Fatal for a bundle without one, or one that this node cannot run."""
    part = bundle.manifest.finder
    if part is None:
        raise Fatal(
            f"bundle {bundle.folder.name}: expected a hand detector in it, found none; export it again,"
            " or install a bundle made for this version"
        )
    return open_finder(bundle.folder, part)


def open_finder(folder: Path, part: FinderPart) -> Finder:
    """The finder whose weights lie in `folder`; raises Fatal for one that this node cannot run."""
    if part.side_px != SIDE_PX:
        raise Fatal(f"expected a hand detector for squares of {SIDE_PX} px, found {part.side_px} px")
    views = None
    if part.views is not None:
        views = Views(folder / part.views.weights.path, part.views.classes, part.views.least_frontal)
    return Finder(folder / part.seeker.path, folder / part.reader.path, views)


def is_hand(joints: Places, scores: NDArray[np.float64], least_score: float = LEAST_SCORE) -> bool:
    """Whether enough joints were detected, in positions possible for a hand, also a deformed one."""
    seen = scores >= LEAST_JOINT
    if seen.sum() < FEWEST_JOINTS or scores.mean() < least_score or not seen[[_WRIST, _KNUCKLE]].all():
        return False
    place = in_own_frame(joints)
    ahead = place[:, 0]
    fingers = [(mcp, pip) for mcp, pip in ((6, 1), (7, 2), (8, 3), (9, 4)) if seen[[mcp, pip]].all()]
    onwards = sum(ahead[pip] > ahead[mcp] + 0.1 for mcp, pip in fingers)
    knuckles = place[6:10, 1] * (1 if place[9, 1] > place[6, 1] else -1)
    in_row = bool((np.diff(knuckles) > 0.02).all()) and 0.25 < float(np.ptp(knuckles)) < 1.6
    carpus = float(np.abs(place[10:13]).max()) < 0.75
    return onwards >= len(fingers) - 1 and in_row and carpus


def in_own_frame(joints: Places) -> Places:
    """Joints (13, 2) as (along, across) the vector from wrist to MCP 3, in its lengths, from the wrist."""
    arrow = joints[_KNUCKLE] - joints[_WRIST]
    length2 = max(float(arrow @ arrow), 1e-9)
    away = joints - joints[_WRIST]
    return np.stack([away @ arrow, away @ np.array([-arrow[1], arrow[0]])], axis=1) / length2


def _at_work_size(values: Grey) -> tuple[Grey, tuple[float, float]]:
    """Reduce an image to working size; also gives image pixels per picture pixel in x and y."""
    rows, columns = values.shape
    scale = min(1.0, _WORK_PX / max(rows, columns))
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    picture = values if scale == 1 else cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    return np.asarray(picture, np.float32), (columns / size[0], rows / size[1])


def _peaks(heat: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Local maxima of the heat as cells (row, column), highest first."""
    top = (heat >= cv2.dilate(heat, np.ones((3, 3), np.uint8))) & (heat > LEAST_HEAT)
    cells = [(int(y), int(x)) for y, x in np.argwhere(top)]
    return sorted(cells, key=lambda cell: -heat[cell])[: 2 * MOST_PLACES]


def _decoded(
    pose: Pose,
    where: NDArray[np.float32],
    absent: NDArray[np.float32],
    silhouette: NDArray[np.float32],
    views: NDArray[np.float32],
) -> Reading:
    """Map the probabilities of one square to the picture; `where` is (13, cells, cells)."""
    cells = where.shape[-1]
    joints, scores = np.zeros((len(JOINTS), 2)), np.zeros(len(JOINTS))
    for at, chance in enumerate(where):
        y, x = divmod(int(chance.argmax()), cells)
        top, left = max(0, y - 2), max(0, x - 2)
        part = chance[top : y + 3, left : x + 3].astype(np.float64)
        mass = float(part.sum())
        down, across = np.mgrid[0 : part.shape[0], 0 : part.shape[1]]
        joints[at] = (
            (left + 0.5 + (part * across).sum() / max(mass, 1e-9)) * _STRIDE,
            (top + 0.5 + (part * down).sum() / max(mass, 1e-9)) * _STRIDE,
        )
        scores[at] = min(mass, 1 - float(absent[at]))
    return Reading(pose, moved(joints, inverse(into_square(pose))), scores, silhouette, views)


def _own_pose(reading: Reading) -> Pose:
    return pose_of(reading.joints[_WRIST], reading.joints[_KNUCKLE])


def _is_off(reading: Reading) -> bool:
    """Whether the square was misaligned with the hand, by its joints."""
    if reading.scores[[_WRIST, _KNUCKLE]].min() < 0.3:
        return False
    own, given = _own_pose(reading), reading.pose
    turn = math.atan2(own.along_y, own.along_x) - math.atan2(given.along_y, given.along_x)
    turn = abs((turn + math.pi) % (2 * math.pi) - math.pi)
    shift = math.hypot(own.x - given.x, own.y - given.y) / max(own.length, 1e-6)
    zoom = abs(math.log(max(own.length, 1e-6) / max(given.length, 1e-6)))
    return turn > 0.14 or shift > 0.12 or zoom > 0.1


def _apart(readings: Sequence[Reading]) -> list[Reading]:
    """Keep the highest-scoring of the readings that show the same hand (non-maximum suppression)."""
    kept: list[Reading] = []
    for reading in sorted(readings, key=lambda one: -one.score):
        length = _own_pose(reading).length
        away = (float(np.median(np.hypot(*(reading.joints - other.joints).T))) for other in kept)
        same_place = (_middle_distance(reading, other) < 0.45 * length for other in kept)
        if all(distance > 0.4 * length for distance in away) and not any(same_place):
            kept.append(reading)
    return kept


def _middle_distance(a: Reading, b: Reading) -> float:
    one, two = _own_pose(a), _own_pose(b)
    return math.hypot(one.x - two.x, one.y - two.y)


def _region(reading: Reading, ratio: tuple[float, float], shape: tuple[int, ...]) -> HandRegion | None:
    """Map a reading to the pixels of the image; None without a silhouette."""
    contour = _contour(reading)
    if contour is None:
        return None
    size = np.array([shape[1], shape[0]])
    reach = _own_pose(reading).length / AXIS_PX * np.array(ratio)
    places = _at_edges(contour * ratio, size, reach)
    low, high = np.floor(places.min(axis=0)).astype(int), np.ceil(places.max(axis=0)).astype(int)
    if (high - low < 2).any():
        return None
    joints = reading.joints * ratio
    arrow = joints[_KNUCKLE] - joints[_WRIST]
    quarter = round(math.degrees(math.atan2(arrow[0], -arrow[1])) / 90) % 4
    named = tuple(
        Joint(name, Point(float(x), float(y)), float(min(1.0, max(0.0, score))))
        for name, (x, y), score in zip(JOINTS, joints, reading.scores, strict=True)
        if score >= LEAST_JOINT
    )
    outline = tuple(Point(float(x), float(y)) for x, y in places)
    return HandRegion(
        Box(*map(int, (*low, *high))), outline, ROTATIONS[quarter], min(1.0, reading.score), named
    )


def _at_edges(places: Places, size: NDArray[np.int_], reach: NDArray[np.float64]) -> Places:
    """Extend an outline to the image's edge where it is nearer than the reader's resolution."""
    places = np.where(places < reach, 0, places)
    return np.where(places > size - reach, size, places)


def _contour(reading: Reading) -> Places | None:
    """The silhouette's outer contour (N, 2), at most 200 points, in pixels of the picture."""
    side = SIDE_PX // 2 * _FINE
    fine = cv2.resize(reading.silhouette, (side, side), interpolation=cv2.INTER_CUBIC)
    contours, _ = cv2.findContours((fine > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    contour = max(contours, key=cv2.contourArea)
    tolerance = 0.7
    points = cv2.approxPolyDP(contour, tolerance, closed=True)
    while len(points) > _MOST_POINTS:
        tolerance *= 1.3
        points = cv2.approxPolyDP(contour, tolerance, closed=True)
    if len(points) < 3 or cv2.contourArea(contour) < (0.8 * AXIS_PX * _FINE / 2) ** 2:
        return None
    in_square = (points[:, 0, :] + 0.5) * (SIDE_PX / side)
    return moved(in_square.astype(np.float64), inverse(into_square(reading.pose)))
