"""Dataset for pre-training: the node's crops with known joints, age and sex."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Point
from ra_node.domain.joints import JOINTS
from ra_node.domain.report import HandRegion
from ra_node.domain.study import NO_HEADER
from ra_node.imaging.hand_detection import HandFinder
from ra_node.imaging.hand_extraction import extract_hands
from ra_node.imaging.model_input import MARGIN, PREPROCESSING_ID, hand_crop
from ra_node.imaging.pixels import read_png
from training.data.dataset import found_hand, read_source
from training.data.detector import KeptDetector
from training.io.atomic_file import write_whole

Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class KnownHands:
    """Crops with known joints, age and sex, one row a hand."""

    images: NDArray[np.uint8]
    """(N, side, side)"""
    joints: NDArray[np.float32]
    """(N, 13, 2): x and y from -1 to 1 between the edges of the crop; NaN where they are not known."""
    months: NDArray[np.float32]
    male: NDArray[np.bool_]
    patients: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.patients)

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> KnownHands:
        """The hands of a mask, or of indices."""
        return KnownHands(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def shrunk(self, side_px: int) -> KnownHands:
        """The hands resized; joint positions are shares of the side and unchanged."""
        if side_px == self.images.shape[1]:
            return self
        size = (side_px, side_px)
        small = np.stack([cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in self.images])
        return KnownHands(small, self.joints, self.months, self.male, self.patients)

    def split(self, share: float, seed: int) -> tuple[KnownHands, KnownHands]:
        """Split by patient into training hands and a validation share."""
        people = np.random.default_rng(seed).permutation(np.unique(self.patients))
        kept = np.isin(self.patients, people[: max(1, round(share * len(people)))])
        return self.where(~kept), self.where(kept)


def known_hands(
    folder: Path,
    without: Collection[str],
    side_px: int,
    detector: KeptDetector,
    kept: Path,
    report: Report,
) -> KnownHands:
    """Crop the hands of a source without some patients; `kept` is the cache file for further networks.

    A hand missed by the detector is left out, unless its joints give its region.
    """
    joints = {hand.patient: hand.joints for hand in read_source(folder)}
    rows = [row for row in _rows(folder) if row["rsna_id"] not in without]
    key = _key([row["rsna_id"] for row in rows], side_px, detector.sha256)
    held = _held(kept, key)
    if held is not None:
        return held
    made = []
    for done, row in enumerate(rows):
        cut = _cut(folder / row["file"], joints.get(row["rsna_id"]), side_px, detector.opened())
        if cut is not None:
            made.append((*cut, float(row["age_months"]), row["male"] == "True", row["rsna_id"]))
        report(done + 1, len(rows))
    images, places, months, male, patients = zip(*made, strict=True)
    hands = KnownHands(
        np.stack(images),
        np.stack(places),
        np.array(months, np.float32),
        np.array(male, np.bool_),
        np.array(patients, np.str_),
    )
    arrays = {field.name: getattr(hands, field.name) for field in fields(hands)}
    write_whole(kept, lambda file: np.savez(file, key=np.array(key), **arrays))
    return hands


def crop_places(
    points: Sequence[Point], region: HandRegion, shape: tuple[int, ...], side_px: int
) -> NDArray[np.float32]:
    """Map points of an image (rows, columns) to its `hand_crop`: (N, 2), from -1 to 1."""
    cut = region.box.grown(MARGIN).clipped(shape[0], shape[1])
    scale = side_px / max(cut.width_px, cut.height_px)
    x = np.array([(point.x - cut.x0) * scale for point in points])
    y = np.array([(point.y - cut.y0) * scale for point in points])
    columns, rows = cut.width_px * scale, cut.height_px * scale
    for _ in range(region.rotation // 90):
        x, y, columns, rows = y, columns - x, rows, columns
    places = np.stack([x + (side_px - columns) / 2, y + (side_px - rows) / 2], axis=1)
    return np.asarray(2 * places / side_px - 1, np.float32)


def _cut(
    path: Path, joints: Mapping[str, Point] | None, side_px: int, finder: HandFinder
) -> tuple[NDArray[np.uint8], NDArray[np.float32]] | None:
    radiograph = read_png(path)
    if joints is not None:
        seen = found_hand(radiograph, joints, finder)
        points = [joints[name] for name in sorted(joints)]
        places = crop_places(points, seen.region, seen.values.shape, side_px)
        return hand_crop(seen.values, seen.region, side_px), places
    extraction = extract_hands(radiograph, NO_HEADER, finder)
    if not extraction.hands:
        return None
    largest = max((hand.region for hand in extraction.hands), key=lambda region: region.box.area_px)
    unknown = np.full((len(JOINTS), 2), np.nan, np.float32)
    return hand_crop(extraction.radiograph.values, largest, side_px), unknown


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "hands.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


def _key(patients: Sequence[str], side_px: int, detector: str) -> str:
    return hashlib.sha256(repr((PREPROCESSING_ID, detector, side_px, sorted(patients))).encode()).hexdigest()


def _held(path: Path, key: str) -> KnownHands | None:
    """Cached hands, where the key matches."""
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as held:
        if str(held["key"]) != key:
            return None
        return KnownHands(*(held[field.name] for field in fields(KnownHands)))
