"""Examples of the joint network: thirteen crops a hand, with the stage of every joint and of the hand.

Joints are detected in the training picture by the hand detector of the bundle, as in the node; the marked
points of a source are used only to draw lesions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Point
from ra_node.domain.joints import JOINTS
from ra_node.domain.report import HandRegion
from ra_node.imaging.hand_detection import HandFinder
from ra_node.imaging.joint_crops import joint_crops
from ra_node.imaging.pixels import Radiograph, read_png
from training.data.dataset import SourceHand, Split, as_drawn, found_hand, split_patients
from training.data.paper_cohort import planned
from training.io.atomic_file import write_whole
from training.recipes.classifier import Recipe
from training.simulation.lesions import Image, joint_frames, joint_stages, simulate_joints

WEIGHTS = "weights.safetensors"
"""File of the weights in the folder of a run."""

UNKNOWN = -1
"""The stage of a joint or of a hand without a label."""


@dataclass(frozen=True, slots=True, eq=False)
class JointHands:
    """Hands of N rows, each with its 13 joints in the order of `JOINTS`."""

    images: NDArray[np.uint8]
    """(N, 13, side, side); 0 where the joint was not detected."""
    seen: NDArray[np.bool_]
    """(N, 13)"""
    joint_stages: NDArray[np.int64]
    """(N, 13), `UNKNOWN` where there is no label."""
    stages: NDArray[np.int64]
    """Stages of the hands (N,)."""
    patients: NDArray[np.str_]
    splits: NDArray[np.str_]
    origins: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.stages)

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> JointHands:
        return JointHands(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def part(self, split: Split, *origins: str) -> JointHands:
        """The rows of a split, all of them or those of the given origins."""
        chosen = self.splits == split
        return self.where(chosen & np.isin(self.origins, origins) if origins else chosen)


@dataclass(frozen=True, slots=True, eq=False)
class JointRow:
    """One hand before stacking; crops and labels by the names of joints."""

    crops: Mapping[str, NDArray[np.uint8]]
    joint_stages: Mapping[str, int]
    stage: int
    patient: str
    split: str
    origin: str


def stacked(rows: Sequence[JointRow], side_px: int) -> JointHands:
    """Stack rows to arrays."""
    images = np.zeros((len(rows), len(JOINTS), side_px, side_px), np.uint8)
    seen = np.zeros(images.shape[:2], np.bool_)
    labels = np.full(images.shape[:2], UNKNOWN, np.int64)
    for at, row in enumerate(rows):
        for place, name in enumerate(JOINTS):
            if name in row.crops:
                images[at, place], seen[at, place] = row.crops[name], True
            labels[at, place] = row.joint_stages.get(name, UNKNOWN)
    return JointHands(
        images,
        seen,
        labels,
        np.array([row.stage for row in rows], np.int64),
        np.array([row.patient for row in rows], np.str_),
        np.array([row.split for row in rows], np.str_),
        np.array([row.origin for row in rows], np.str_),
    )


def joined(parts: Sequence[JointHands]) -> JointHands:
    """Concatenate parts."""
    return JointHands(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(JointHands)))


def save_hands(hands: JointHands, path: Path) -> None:
    """Write hands as .npz atomically; raises Fatal on a disk error."""
    held = {field.name: getattr(hands, field.name) for field in fields(hands)}
    write_whole(path, lambda file: np.savez(file, **held))


def load_hands(path: Path) -> JointHands:
    """Read a file of `save_hands`; pickled objects are not loaded."""
    with np.load(path, allow_pickle=False) as held:
        return JointHands(*(held[field.name] for field in fields(JointHands)))


def crops_of(
    values: Image, finder: HandFinder, near: Mapping[str, Point], side_px: int
) -> dict[str, NDArray[np.uint8]]:
    """Crop the joints of the hand around the points `near` as the node does; empty where it is missed."""
    region = region_at(values, finder, near)
    return {} if region is None else crops_in(values, region, side_px)


def crops_in(values: Image, region: HandRegion, side_px: int) -> dict[str, NDArray[np.uint8]]:
    """The crops of the detected joints, by name."""
    cut = joint_crops(values, region, side_px)
    return {frame.name: image for frame, image in zip(cut.frames, cut.images, strict=True)}


def region_at(values: Image, finder: HandFinder, near: Mapping[str, Point]) -> HandRegion | None:
    """The detected hand around the points `near`; None where it is missed."""
    found = found_hand(Radiograph(values, np.zeros(values.shape, np.uint8)), near, finder)
    return found.region if found.found else None


@dataclass(frozen=True, slots=True)
class PlannedHand:
    """One source hand: its split, the stages to draw, and the number of unedited copies."""

    hand: SourceHand
    split: Split
    stages: tuple[int, ...]
    unedited: int


def planned_hands(sources: Sequence[SourceHand], recipe: Recipe, draws: int = 1) -> list[PlannedHand]:
    """Split the sources by the recipe: the same patients are held out as for the networks of the hand.

    Each hand to train on is simulated `draws` times. In the preset `paper` it has the stage of the next hand
    in the next draw, so that the classes of each draw are those of Table 1.
    """
    data = recipe.data
    hands = {hand.patient: hand for hand in sources}
    if data.preset == "paper":
        dealt = planned(list(hands), data.validation, recipe.seed)
        learnt = [one for one in dealt if one.split == "tune" and one.patient in hands]
        stages = [one.stages[0] for one in learnt]
        drawn = {
            one.patient: tuple(stages[(at + draw) % len(stages)] for draw in range(draws))
            for at, one in enumerate(learnt)
        }
        return [
            PlannedHand(
                *(hands[one.patient], one.split, drawn.get(one.patient, one.stages)),
                unedited=int(one.split == "held-out"),
            )
            for one in dealt
            if one.patient in hands
        ]
    splits = split_patients(list(hands), data, recipe.seed)
    return [
        PlannedHand(hand, split, _stages(split, recipe) * (draws if split == "tune" else 1), _unedited(split))
        for hand, split in ((hand, splits[hand.patient]) for hand in sources)
    ]


def _stages(split: Split, recipe: Recipe) -> tuple[int, ...]:
    if split == "held-out":
        return (0, 1, 2, 3, 4, 5)
    return tuple(recipe.data.stages) * (recipe.data.rounds if split == "tune" else 1)


def _unedited(split: Split) -> int:
    """Number of unedited copies of a hand of a split; 0 for training.

    A network trained on healthy unedited joints beside edited ones could learn that unedited is healthy. So
    every training joint, diseased or not, is resampled by the same warp, and the sham probe measures what it
    leaves: AUC 0.519 (0.494 to 0.545) by a hand's joints, 100 hands.
    """
    return int(split != "tune")


def simulated_hand(one: PlannedHand, recipe: Recipe, finder: HandFinder, side_px: int) -> Iterator[JointRow]:
    """Simulate each stage on one hand, with the same random numbers as for the networks of the hand.

    The lesions are drawn at the full size of the picture, as crops are made from it: reduced to the size for
    the networks of the hand, sham edits were told from unedited joints (AUC 0.615 by a hand's joints).
    """
    values, points = read_png(one.hand.path).values, one.hand.joints
    names = sorted(joint_frames(points))
    rng = np.random.default_rng((recipe.seed, int(one.hand.patient)))
    jittered = bool(recipe.data.box_jitter) and one.split == "tune"
    for stage in one.stages:
        drawn = joint_stages(as_drawn(stage, recipe.data.reader_noise, rng), names, rng)
        changed = simulate_joints(values, points, drawn, rng)
        if jittered:
            rng.normal(size=4)  # consumed by the jitter of the hand's box there
        crops = crops_of(changed, finder, points, side_px)
        yield JointRow(crops, drawn, stage, one.hand.patient, one.split, "simulated")
    healthy = dict.fromkeys(JOINTS, 0)
    for _ in range(one.unedited):
        crops = crops_of(values, finder, points, side_px)
        yield JointRow(crops, healthy, 0, one.hand.patient, one.split, "unedited")
