"""Summary of one evaluated run for figures and report."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from ra_node.errors import Fatal
from training.classifier.loss_curves import Curve, read_losses
from training.classifier.start import noted_start
from training.evaluation.calibration import RAW
from training.evaluation.evaluate import Hands, Result, seen, weights_path
from training.evaluation.predictions import KEPT, load_predictions
from training.evaluation.task_calibration import CLASSES, Calibration
from training.experiments.ensemble import read_members
from training.experiments.paper_numbers import NAMES
from training.recipes.classifier import Recipe


@dataclass(frozen=True, slots=True)
class Shown:
    """One run with its own kind of hands, without phantoms and unedited ones."""

    name: str
    """Name of the architecture as in the paper, with the run where that is ambiguous."""
    run: str
    recipe: Recipe
    calibration: Calibration
    result: Result
    training: Hands
    held_out: Hands
    held_out_raw: Hands
    """Before the temperatures."""
    features: dict[str, NDArray[np.float32]]
    """What enters the last layer of each task on the held-out hands, (N, width)."""
    losses: dict[str, Curve]
    loss_unit: str
    sha256: dict[str, str]
    """Hashes of the weights, and key of the predictions."""
    started: str
    """Hash of the initial weights, and the name of a state file; "" for random ones."""
    held_out_key: str
    """Hash of the held-out images."""
    members: tuple[str, ...] = ()
    """The runs of an ensemble; empty for a single run."""

    @property
    def row(self) -> str:
        """The network of the paper's tables for comparison; "" for an ensemble."""
        return "" if self.members else self.recipe.architecture


def read_shown(runs: Sequence[Path]) -> list[Shown]:
    """Read evaluated runs; raises Fatal for one that was not evaluated."""
    found = [_read(run) for run in runs]
    kinds = {one.result.data for one in found}
    if len(kinds) > 1:
        raise Fatal(f"expected runs on one kind of hands, found {' and '.join(sorted(kinds))}")
    names = [one.name for one in found]
    return [
        replace(one, name=f"{one.name}, {one.run}") if names.count(one.name) > 1 else one for one in found
    ]


def _read(run: Path) -> Shown:
    for needed in (KEPT, "calibration.json", "evaluation.json", "recipe.json"):
        if not (run / needed).exists():
            raise Fatal(f"expected {needed} in {run}, found none; run `python -m training evaluate` first")
    recipe = Recipe.model_validate_json((run / "recipe.json").read_bytes())
    calibration = TypeAdapter(Calibration).validate_json((run / "calibration.json").read_bytes())
    told = load_predictions(run)
    training, held_out = told.rows("tune", told.kind), told.rows("held-out", told.kind)
    members = read_members(run)
    raw = replace(calibration, recognition=RAW, staging=RAW, folds=())

    def hands(rows: NDArray[np.bool_], by: Calibration) -> Hands:
        found = seen(told.logits(rows), told.stages[rows], told.patients[rows], by, told.order(rows))
        if told.thresholds is None:
            return found
        return replace(found, found=found.diseased >= told.thresholds[rows])

    losses, unit = read_losses(run)
    return Shown(
        name=f"Ensemble of {len(members)}" if members else NAMES[recipe.architecture],
        run=run.name,
        recipe=recipe,
        calibration=calibration,
        result=TypeAdapter(Result).validate_json((run / "evaluation.json").read_bytes()),
        training=hands(training, calibration),
        held_out=hands(held_out, calibration),
        held_out_raw=hands(held_out, raw),
        features={task: told.features(task, held_out) for task in CLASSES},
        losses=losses,
        loss_unit=unit,
        sha256=dict(members or _hashes(run)) | {"predictions": told.key},
        started=noted_start(run) or "",
        held_out_key=told.held_out_key,
        members=tuple(members),
    )


def _hashes(run: Path) -> dict[str, str]:
    return {task: hashlib.sha256(weights_path(run, task).read_bytes()).hexdigest() for task in CLASSES}
