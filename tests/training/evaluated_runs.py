"""Evaluated runs of made-up networks: a folder as `evaluate` leaves it, without training anything."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from tests.training.recipe_builders import small_recipe
from training.data.dataset import Crops, Row, Split, stacked
from training.data.subgroups import Groups
from training.evaluation.evaluate import Result, evaluated, unedited_figures, weights_path
from training.evaluation.predictions import Predictions, save_predictions
from training.evaluation.task_calibration import Calibration, calibrated

SPLITS: tuple[Split, ...] = ("tune", "validation", "held-out")
BLANK = np.zeros((2, 2), np.uint8)


def rows(people: int = 8) -> list[Row]:
    """Every stage of every person in every split, and the held-out people's hands as they are."""
    made = [
        Row(BLANK, stage, f"{split}{person}", split, "simulated")
        for split in SPLITS
        for person in range(people)
        for stage in range(6)
    ]
    return made + [Row(BLANK, 0, f"held-out{k}", "held-out", "unedited") for k in range(people)]


def told(crops: Crops, seed: int = 0) -> Predictions:
    """Logits that follow the stage with some noise, and features of three dimensions."""
    rng = np.random.default_rng(seed)
    seen = crops.stages + rng.normal(0, 0.8, len(crops))
    held_out = crops.splits == "held-out"
    features = np.stack([seen, rng.normal(size=len(seen)), rng.normal(size=len(seen))], axis=1)
    kept = features[held_out].astype(np.float32)
    return Predictions(
        *(crops.stages, crops.patients, crops.splits, crops.origins),
        recognition=np.stack([-2 * (seen - 0.5), 2 * (seen - 0.5)], axis=1),
        staging=-2.0 * np.abs(seen[:, None] - np.arange(6)[None]),
        recognition_features=kept,
        staging_features=kept,
        key="k" * 64,
        held_out_key="h" * 64,
    )


def write_run(folder: Path, architecture: str = "googlenet", seed: int = 0) -> Path:
    """Write all files of an evaluated run that its figures and its report read."""
    crops = stacked(rows())
    kept, recipe = told(crops, seed), small_recipe().model_copy(update={"architecture": architecture})
    folder.mkdir(parents=True)
    (folder / "recipe.json").write_text(recipe.model_dump_json())
    save_predictions(kept, folder)
    calibration, result = measured(crops, kept)
    (folder / "calibration.json").write_bytes(TypeAdapter(Calibration).dump_json(calibration))
    (folder / "evaluation.json").write_bytes(TypeAdapter(Result).dump_json(result))
    for task in ("recognition", "staging"):
        weights_path(folder, task).parent.mkdir()
        weights_path(folder, task).write_bytes(architecture.encode())
    lines = [
        {"task": task, "step": k, "steps": 5, "loss": 2 / k}
        for task in ("staging", "recognition")
        for k in range(1, 6)
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def measured(crops: Crops, kept: Predictions) -> tuple[Calibration, Result]:
    """Calibrate and measure as the command does, on few resamples, by the sex of made-up people."""
    validation = kept.rows("validation")
    stages = kept.stages[validation]
    calibration = calibrated(kept.logits(validation), {"recognition": stages, "staging": stages}, 0.9)
    part, untouched = crops.part("held-out", "simulated"), crops.part("held-out", "unedited")
    logits = kept.logits(kept.rows("held-out", "simulated"))
    groups: Groups = {"sex": np.where(np.char.endswith(part.patients, "1"), "F", "M")}
    figures = evaluated(logits, part, calibration, 0, 20, groups)
    unedited = unedited_figures(kept.logits(kept.rows("held-out", "unedited")), untouched, calibration)
    return calibration, Result({"held-out hands, simulated": len(part)}, figures, None, unedited)
