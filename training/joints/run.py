"""Prepares the folder of a joint run for training: recipe, hand detector, crops.

Crops are made in parts of a few patients, each written atomically: an interrupted preparation is resumed.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter

from ra_node.errors import Fatal
from ra_node.inference.process_map import side_by_side
from training.classifier.labelled_dataset import split_sides
from training.data.dataset import read_source
from training.data.detector import KeptDetector, bundle_detector, kept_detector
from training.data.manifest import HandRow, hand_values, read_manifest
from training.io.atomic_file import write_whole
from training.joints.drawn_hands import PlannedPicture, drawn_hands, planned_pictures
from training.joints.hands import (
    WEIGHTS,
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

RECIPE, DETECTOR, PARTS = "recipe.json", "detectors.json", "hands"
PART = 24
"""Number of patients, pictures or labelled hands of one part."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class JointSource:
    """Source of hands: radiographs for simulated lesions, or a labelled dataset with its split."""

    bundle: Path
    """Bundle whose hand detector finds the joints; a dataset has its own detector."""
    radiographs: Path | None = None
    dataset: Path | None = None
    split: Path | None = None
    fold: str = ""

    def detector(self) -> KeptDetector:
        """The hand detector that found the joints."""
        return bundle_detector(self.bundle) if self.dataset is None else kept_detector(self.dataset)


@dataclass(frozen=True, slots=True)
class Detectors:
    """The hand detectors of a run by their SHA-256."""

    learnt_sha256: str
    """Detector on whose joints the network was trained."""
    measured_sha256: str
    """Detector on whose joints the network was evaluated."""


Asked = PlannedHand | PlannedPicture | tuple[HandRow, str]


def prepared(
    recipe: JointRecipe,
    out: Path,
    source: JointSource,
    say: Say,
    seconds: float = float("inf"),
    weights_of: Path | None = None,
    start: Path | None = None,
) -> JointHands | None:
    """Load the hands of a run, or create them; None where the time limit is reached before all exist.

    With `weights_of` the run uses the weights of another run with any detector, and no training hands are
    created.
    """
    detector = source.detector()
    trained = detector.sha256 if weights_of is None else detectors_of(weights_of).learnt_sha256
    keep_joint_recipe(recipe, out, Detectors(trained, detector.sha256))
    for other in filter(None, (weights_of, start)):
        refuse_other_hands(recipe, other)
    if weights_of is not None:
        shutil.copyfile(weights_of / WEIGHTS, out / WEIGHTS)
    asked = [one for one in _asked(recipe, source) if weights_of is None or _split(one) != "tune"]
    begun = time.monotonic()
    parts = [asked[start : start + PART] for start in range(0, len(asked), PART)]
    for number, part in enumerate(parts):
        path = out / PARTS / f"{number:03d}.npz"
        if path.exists():
            continue
        if time.monotonic() - begun > seconds:
            return None
        act = partial(_rows_of, recipe, source.dataset, detector)
        rows = [row for rows in side_by_side(act, part) for row in rows]
        save_hands(stacked(rows, recipe.side_px), path)
        say(f"made part {number + 1} of {len(parts)}: {len(rows)} hands")
    return joined([load_hands(out / PARTS / f"{number:03d}.npz") for number in range(len(parts))])


def keep_joint_recipe(recipe: JointRecipe, out: Path, detectors: Detectors) -> None:
    """Write recipe and detectors of a run; raises Fatal where its crops have other ones."""
    if (out / RECIPE).exists():
        known = kept_joint_recipe(out)
        if _hands_of(known) != _hands_of(recipe):
            raise Fatal(f"expected the hands and side_px of {out / RECIPE}, found others; use a new --out")
        if detectors_of(out) != detectors:
            raise Fatal(f"expected the hand detector of {out}, found another one; use a new --out")
    content = recipe.model_dump_json(indent=2).encode()
    found = TypeAdapter(Detectors).dump_json(detectors, indent=2)
    write_whole(out / RECIPE, lambda file: file.write(content))
    write_whole(out / DETECTOR, lambda file: file.write(found))


def kept_joint_recipe(run: Path) -> JointRecipe:
    """The recipe of a run."""
    return JointRecipe.model_validate_json((run / RECIPE).read_bytes())


def _hands_of(recipe: JointRecipe) -> tuple[object, ...]:
    return recipe.hands, recipe.side_px, recipe.phantoms, recipe.draws


def refuse_other_hands(recipe: JointRecipe, run: Path) -> None:
    """Raise Fatal where a run was trained on other hands, which may be held out here."""
    if kept_joint_recipe(run).hands != recipe.hands:
        raise Fatal(f"expected weights trained on the hands of this recipe in {run}, found those of another")


def detectors_of(run: Path) -> Detectors:
    """Detectors on whose joints a run was trained and evaluated."""
    return TypeAdapter(Detectors).validate_json((run / DETECTOR).read_bytes())


def _asked(recipe: JointRecipe, source: JointSource) -> list[Asked]:
    if source.dataset is not None:
        if source.split is None:
            raise Fatal("expected the split of the dataset in --split, found none")
        rows = read_manifest(source.dataset)
        sides = split_sides(recipe.hands, source.dataset, source.split, source.fold)
        return [(row, side) for row in rows if (side := sides.get(row.image)) is not None]
    if source.radiographs is None:
        raise Fatal("expected radiographs in --radiographs or a dataset in --dataset, found neither")
    hands = planned_hands(read_source(source.radiographs), recipe.hands, recipe.draws)
    return [*hands, *planned_pictures(recipe.hands, recipe.phantoms)]


def _split(asked: Asked) -> str:
    return asked[1] if isinstance(asked, tuple) else asked.split


def _rows_of(
    recipe: JointRecipe, dataset: Path | None, detector: KeptDetector, asked: Asked
) -> list[JointRow]:
    if isinstance(asked, PlannedHand):
        return list(simulated_hand(asked, recipe.hands, detector.opened(), recipe.side_px))
    if isinstance(asked, PlannedPicture):
        return list(drawn_hands(asked, detector.opened(), recipe.side_px))
    assert dataset is not None
    row, side = asked
    crops = crops_in(hand_values(dataset, row), row.region, recipe.side_px)
    return [JointRow(crops, row.joints, row.stage, row.patient, side, "labelled")]
