"""What the folder of a joint run holds before anything learns: recipe, hand detector, crops in parts.

Crops are made in parts of a few patients, each written whole: a killed preparation goes on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import cv2
from pydantic import TypeAdapter

from ra_node.domain.geometry import intersection_over_union
from ra_node.errors import Fatal
from ra_node.inference.bundles.manifest import read_bundle
from ra_node.inference.hand_detector.detector import load_finder
from training.classifier.labelled_dataset import split_sides
from training.data.dataset import read_source
from training.data.manifest import HandRow, hand_values, read_manifest
from training.io.atomic_file import write_whole
from training.io.process_map import side_by_side
from training.joints.drawn_hands import PlannedPicture, drawn_hands, planned_pictures
from training.joints.hands import (
    HandFinder,
    JointHands,
    JointRow,
    PlannedHand,
    crops_in,
    joined,
    load_hands,
    planned_hands,
    save_hands,
    simulated_hand,
    stacked,
)
from training.recipes.joints import JointRecipe

RECIPE, DETECTOR, PARTS = "recipe.json", "hand_detector.json", "hands"
PART = 24
"""Patients, pictures or labelled hands of one part."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class JointSource:
    """Where hands come from: radiographs to simulate lesions on, or a labelled dataset with its split."""

    bundle: Path
    """Its hand detector finds the joints."""
    radiographs: Path | None = None
    dataset: Path | None = None
    split: Path | None = None
    fold: str = ""


@dataclass(frozen=True, slots=True)
class Detector:
    """SHA-256 of the detector's network for one hand."""

    learnt_sha256: str
    """With which the crops were made that the network learnt from."""
    measured_sha256: str
    """With which those were made that it was measured on."""


Asked = PlannedHand | PlannedPicture | tuple[HandRow, str]


def prepared(
    recipe: JointRecipe, out: Path, source: JointSource, say: Say, seconds: float = float("inf")
) -> JointHands | None:
    """Load the hands of a run, or make them; None where the time is over before all are made."""
    keep_joint_recipe(recipe, out, detector_sha256(source.bundle))
    asked = _asked(recipe, source)
    begun = time.monotonic()
    parts = [asked[start : start + PART] for start in range(0, len(asked), PART)]
    for number, part in enumerate(parts):
        path = out / PARTS / f"{number:03d}.npz"
        if path.exists():
            continue
        if time.monotonic() - begun > seconds:
            return None
        act = partial(_rows_of, recipe, source)
        rows = [row for rows in side_by_side(act, part) for row in rows]
        save_hands(stacked(rows, recipe.side_px), path)
        say(f"made part {number + 1} of {len(parts)}: {len(rows)} hands")
    return joined([load_hands(out / PARTS / f"{number:03d}.npz") for number in range(len(parts))])


def keep_joint_recipe(recipe: JointRecipe, out: Path, detector: str) -> None:
    """Write recipe and detector of a run; raises Fatal where its crops were made by others."""
    if (out / RECIPE).exists():
        known = kept_joint_recipe(out)
        if (known.hands, known.side_px) != (recipe.hands, recipe.side_px):
            raise Fatal(f"expected the hands and side_px of {out / RECIPE}, found others; use a new --out")
        if detector_of(out).learnt_sha256 != detector:
            raise Fatal(f"expected the hand detector of {out}, found that of another bundle; use a new --out")
    content = recipe.model_dump_json(indent=2).encode()
    found = TypeAdapter(Detector).dump_json(Detector(detector, detector), indent=2)
    write_whole(out / RECIPE, lambda file: file.write(content))
    write_whole(out / DETECTOR, lambda file: file.write(found))


def kept_joint_recipe(run: Path) -> JointRecipe:
    """The recipe of a run."""
    return JointRecipe.model_validate_json((run / RECIPE).read_bytes())


def detector_of(run: Path) -> Detector:
    """With which hand detector a run learnt and was measured."""
    return TypeAdapter(Detector).validate_json((run / DETECTOR).read_bytes())


def detector_sha256(bundle: Path) -> str:
    """Which hand detector a bundle has; raises Fatal for one without."""
    finder = read_bundle(bundle).manifest.finder
    if finder is None:
        raise Fatal(f"expected a bundle with a hand detector in {bundle}, found none")
    return finder.reader.sha256


def _asked(recipe: JointRecipe, source: JointSource) -> list[Asked]:
    if source.dataset is not None:
        if source.split is None:
            raise Fatal("expected the split of the dataset in --split, found none")
        rows = read_manifest(source.dataset)
        sides = split_sides(recipe.hands, source.dataset, source.split, source.fold)
        return list(zip(rows, sides, strict=True))
    if source.radiographs is None:
        raise Fatal("expected radiographs in --radiographs or a dataset in --dataset, found neither")
    hands = planned_hands(read_source(source.radiographs), recipe.hands)
    return [*hands, *planned_pictures(recipe.hands)]


@cache
def hand_detector(bundle: Path) -> HandFinder:
    """The hand detector of a bundle, loaded once a process."""
    cv2.setNumThreads(1)
    finder = load_finder(read_bundle(bundle))
    assert finder is not None
    return finder


def _rows_of(recipe: JointRecipe, source: JointSource, asked: Asked) -> list[JointRow]:
    finder = hand_detector(source.bundle)
    if isinstance(asked, PlannedHand):
        return list(simulated_hand(asked, recipe.hands, finder, recipe.side_px))
    if isinstance(asked, PlannedPicture):
        return list(drawn_hands(asked, finder, recipe.side_px))
    assert source.dataset is not None
    row, side = asked
    return [_labelled(row, side, source.dataset, finder, recipe.side_px)]


def _labelled(row: HandRow, side: str, dataset: Path, finder: HandFinder, side_px: int) -> JointRow:
    """One hand of a dataset: its joints found in the cut that the dataset keeps, at full resolution."""
    values = hand_values(dataset, row)
    regions = finder.find(values)
    best = max(regions, key=lambda one: intersection_over_union(one.box, row.region.box), default=None)
    crops = {} if best is None else crops_in(values, best, side_px)
    return JointRow(crops, row.joints, row.stage, row.patient, side, "labelled")


def replaced_measure(run: Path, measured: str) -> None:
    """Note that a run was measured with another hand detector than it learnt with."""
    found = TypeAdapter(Detector).dump_json(replace(detector_of(run), measured_sha256=measured), indent=2)
    write_whole(run / DETECTOR, lambda file: file.write(found))
