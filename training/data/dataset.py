"""Crops of hands with their stages, split by patient before anything is simulated."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Box, Point
from ra_node.domain.report import STAGES, HandRegion
from ra_node.domain.study import NO_HEADER
from ra_node.imaging.hand_detection import HandFinder
from ra_node.imaging.hand_extraction import extract_hands
from ra_node.imaging.model_input import hand_crop
from ra_node.imaging.pixels import Radiograph, read_png
from ra_node.inference.process_map import side_by_side
from training.data.detector import KeptDetector
from training.io.atomic_file import write_whole
from training.recipes.classifier import DataRecipe, Recipe
from training.simulation.lesions import Image, simulate

Split = Literal["tune", "validation", "held-out"]
Origin = Literal["simulated", "unedited", "phantom", "labelled", "simulated adult", "unedited adult"]
ADULT_ORIGINS: tuple[Origin, Origin] = ("simulated adult", "unedited adult")


@dataclass(frozen=True, slots=True)
class SourceHand:
    """One picture of a healthy hand; all pictures of a hand have the same patient."""

    patient: str
    path: Path
    joints: Mapping[str, Point]


@dataclass(frozen=True, slots=True)
class Crops:
    """Model inputs with their labels, one row a hand."""

    images: NDArray[np.uint8]
    """(N, side, side)"""
    stages: NDArray[np.int64]
    patients: NDArray[np.str_]
    splits: NDArray[np.str_]
    origins: NDArray[np.str_]
    found: NDArray[np.bool_]
    """False where the detector failed: the box comes from the joint points or from the ground truth."""

    def __len__(self) -> int:
        return len(self.stages)

    def where(self, chosen: NDArray[np.bool_]) -> Crops:
        return Crops(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def part(self, split: Split, *origins: Origin) -> Crops:
        """The rows of a split, all of them or those of the given origins."""
        chosen = self.splits == split
        return self.where(chosen & np.isin(self.origins, origins) if origins else chosen)


@dataclass(frozen=True, slots=True)
class Row:
    """One crop with its labels, before stacking."""

    image: NDArray[np.uint8]
    stage: int
    patient: str
    split: Split
    origin: Origin
    found: bool = True


def stacked(rows: Sequence[Row]) -> Crops:
    """Stack rows to arrays."""
    return Crops(
        np.stack([row.image for row in rows]),
        np.array([row.stage for row in rows], np.int64),
        np.array([row.patient for row in rows], np.str_),
        np.array([row.split for row in rows], np.str_),
        np.array([row.origin for row in rows], np.str_),
        np.array([row.found for row in rows], np.bool_),
    )


def joined(first: Crops, second: Crops) -> Crops:
    """Concatenate two sets of crops."""
    pairs = ((getattr(first, field.name), getattr(second, field.name)) for field in fields(Crops))
    return Crops(*(np.concatenate(pair) for pair in pairs))


def save_crops(crops: Crops, path: Path) -> None:
    """Write crops as .npz atomically; raises Fatal on a disk error."""
    held = {field.name: getattr(crops, field.name) for field in fields(crops)}
    write_whole(path, lambda file: np.savez(file, **held))


def load_crops(path: Path) -> Crops:
    """Read a file of `save_crops`; pickled objects are not loaded."""
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as held:
        return Crops(*(held[field.name] for field in fields(Crops)))


def read_source(folder: Path) -> list[SourceHand]:
    """Read `joints.csv` of the radiograph folder: the hands whose joints are known."""
    with (folder / "joints.csv").open(newline="") as lines:
        return [
            SourceHand(row["rsna_id"], folder / "rsna" / f"{row['rsna_id']}.png", _joints(row))
            for row in csv.DictReader(lines)
        ]


def split_patients(patients: Sequence[str], recipe: DataRecipe, seed: int) -> dict[str, Split]:
    """Assign every patient to one split; independent of the order of `patients`."""
    order = np.random.default_rng(seed).permutation(sorted(set(patients)))
    held_out = round(recipe.held_out * len(order))
    validation = round(recipe.validation * (len(order) - held_out))

    def split(place: int) -> Split:
        if place < held_out:
            return "held-out"
        return "validation" if place < held_out + validation else "tune"

    return {str(patient): split(place) for place, patient in enumerate(order)}


def split_key(recipe: Recipe) -> tuple[int, float, float]:
    """The parameters that determine the split of a source: seed and shares."""
    return (recipe.seed, recipe.data.held_out, recipe.data.validation)


def simulated_rows(
    sources: Sequence[SourceHand], recipe: Recipe, detector: KeptDetector, report: Callable[[int, int], None]
) -> Iterator[Row]:
    """Simulate every stage of the recipe on every hand; held-out hands are also included unedited."""
    splits = split_patients([hand.patient for hand in sources], recipe.data, recipe.seed)
    asked = [(hand, splits[hand.patient]) for hand in sources]
    for done, rows in enumerate(side_by_side(partial(_every_stage, recipe, detector), asked), start=1):
        yield from rows
        report(done, len(sources))


def _every_stage(recipe: Recipe, detector: KeptDetector, asked: tuple[SourceHand, Split]) -> list[Row]:
    hand, split = asked
    return list(hand_rows(hand, split, recipe, stages_of(split, recipe.data), detector.opened()))


@dataclass(frozen=True, slots=True)
class _Sized:
    """A hand at its original size, and resized for the simulation."""

    came: FoundHand
    image: Image
    region: HandRegion
    joints: Mapping[str, Point]


def _sized(hand: SourceHand, recipe: Recipe, finder: HandFinder) -> _Sized:
    came = found_hand(read_png(hand.path), hand.joints, finder)
    scale = recipe.data.phalanx_px / _phalanx_px(hand.joints)
    image = cv2.resize(came.values, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    joints = {name: Point(point.x * scale, point.y * scale) for name, point in hand.joints.items()}
    return _Sized(came, np.asarray(image, np.float32), scaled(came.region, scale), joints)


def hand_rows(
    hand: SourceHand,
    split: Split,
    recipe: Recipe,
    stages: Sequence[int],
    finder: HandFinder,
    rounds: int = 1,
) -> Iterator[Row]:
    """Simulate one hand once for each label of `stages`, and include it unedited as the recipe says.

    A hand to train on is included unedited `rounds` times as often. The detector runs on each picture as in
    the node; where it misses the hand, the region of the unedited picture is used.
    """
    sized = _sized(hand, recipe, finder)
    rng = np.random.default_rng((recipe.seed, _number(hand)))
    jitter = recipe.data.box_jitter if split == "tune" else 0.0
    for stage in stages:
        changed = simulate(sized.image, sized.joints, as_drawn(stage, recipe.data.reader_noise, rng), rng)
        seen = found_hand(_radiograph(changed), sized.joints, finder, sized.region)
        place = jittered(seen.region, jitter, seen.values.shape, rng)
        crop = hand_crop(seen.values, place, recipe.side_px)
        yield Row(crop, stage, hand.patient, split, "simulated", seen.found)
    for _ in range(_untouched(split, recipe.data) * (rounds if split == "tune" else 1)):
        place = jittered(sized.came.region, jitter, sized.came.values.shape, rng)
        crop = hand_crop(sized.came.values, place, recipe.side_px)
        yield Row(crop, 0, hand.patient, split, "unedited", sized.came.found)


def _number(hand: SourceHand) -> int:
    """A number of its picture for the random generator: its name where that is a number, else a hash."""
    name = hand.path.stem
    return int(name) if name.isdigit() else int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


def hand_pair(
    hand: SourceHand, recipe: Recipe, stage: int, finder: HandFinder
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Two crops of one hand at the size of the simulation: unedited, and with the edits of a stage.

    Both use the same region, so that they differ only by the edits.
    """
    sized = _sized(hand, recipe, finder)
    rng = np.random.default_rng((recipe.seed, _number(hand)))
    changed = simulate(sized.image, sized.joints, stage, rng)
    untouched, edited = (
        hand_crop(picture, sized.region, recipe.side_px) for picture in (sized.image, changed)
    )
    return untouched, edited


def as_drawn(label: int, noise: float, rng: np.random.Generator) -> int:
    """The simulated stage for a label: with probability `noise` an adjacent one, as between readers."""
    if not noise or rng.random() >= noise:
        return label
    return int(np.clip(label + rng.choice((-1, 1)), STAGES[0], STAGES[-1]))


def stages_of(split: Split, recipe: DataRecipe) -> Sequence[int]:
    """The stages to simulate on each hand of a split."""
    if split == "held-out":
        return STAGES
    return recipe.stages * (recipe.rounds if split == "tune" else 1)


def _untouched(split: Split, recipe: DataRecipe) -> int:
    """Number of unedited copies of a hand of a split."""
    if split == "held-out":
        return 1
    return recipe.untouched if split == "tune" else min(1, recipe.untouched)


@dataclass(frozen=True, slots=True)
class FoundHand:
    """A hand with known joints and its region by the detector; `values` (rows, columns) are its image."""

    values: Image
    region: HandRegion
    found: bool
    """False where the detector missed it."""


def found_hand(
    radiograph: Radiograph,
    joints: Mapping[str, Point],
    finder: HandFinder,
    otherwise: HandRegion | None = None,
) -> FoundHand:
    """Detect the hand as the node does; if it is missed, use `otherwise`, or a box around the joints."""
    extraction = extract_hands(radiograph, NO_HEADER, finder)
    values = extraction.radiograph.values
    for hand in extraction.hands:
        inside = [_contains(hand.region.box, point) for point in joints.values()]
        if np.mean(inside) >= 0.9:
            return FoundHand(values, hand.region, found=True)
    region = otherwise or _region_of_joints(joints, values.shape)
    return FoundHand(radiograph.values, region, found=False)


def _radiograph(values: Image) -> Radiograph:
    """Wrap values (rows, columns), bone bright, as a radiograph without a display image."""
    return Radiograph(values, np.zeros(values.shape, np.uint8))


def _region_of_joints(joints: Mapping[str, Point], shape: tuple[int, ...]) -> HandRegion:
    x, y = [point.x for point in joints.values()], [point.y for point in joints.values()]
    reach = _phalanx_px(joints)
    box = Box(
        round(min(x) - 0.5 * reach),
        round(min(y) - 1.2 * reach),
        round(max(x) + 0.5 * reach),
        round(max(y) + 0.4 * reach),
    ).clipped(shape[0], shape[1])
    return HandRegion(box, box.corners(), 0, 0.0)


def scaled(region: HandRegion, scale: float) -> HandRegion:
    """The region in an image that was resized by `scale`."""
    box = region.box
    edges = (round(edge * scale) for edge in (box.x0, box.y0, box.x1, box.y1))
    outline = tuple(Point(point.x * scale, point.y * scale) for point in region.outline)
    joints = tuple(
        replace(joint, at=Point(joint.at.x * scale, joint.at.y * scale)) for joint in region.joints
    )
    return replace(region, box=Box(*edges), outline=outline, joints=joints)


def jittered(
    region: HandRegion, jitter: float, shape: tuple[int, ...], rng: np.random.Generator
) -> HandRegion:
    """Move every edge of the box by a random share of its longer side, as between detectors."""
    box = region.box
    steps = rng.normal(0, jitter * max(box.width_px, box.height_px), size=4) if jitter else np.zeros(4)
    edges = np.array((box.x0, box.y0, box.x1, box.y1)) + np.rint(steps).astype(int)
    moved = Box(*map(int, edges)).clipped(shape[0], shape[1])
    return replace(region, box=moved)


def _contains(box: Box, point: Point) -> bool:
    return box.x0 <= point.x < box.x1 and box.y0 <= point.y < box.y1


def _phalanx_px(joints: Mapping[str, Point]) -> float:
    a, b = joints["mcp_3"], joints["pip_3"]
    return float(np.hypot(a.x - b.x, a.y - b.y))


def _joints(row: Mapping[str, str]) -> dict[str, Point]:
    names = [key[:-2] for key in row if key.endswith("_x")]
    return {name: Point(float(row[f"{name}_x"]), float(row[f"{name}_y"])) for name in names}
