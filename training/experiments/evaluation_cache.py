"""Measures a trained run once, and again only when its weights, its hands or the question are others."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError

from training.classifier.labelled_dataset import kept_about, kept_rows
from training.classifier.run_folder import counted, kept_crops, kept_recipe
from training.data.dataset import Crops, Origin
from training.data.subgroups import Groups, groups_of, read_groups
from training.evaluation.evaluate import (
    Calibration,
    Evaluation,
    Result,
    calibrated,
    deciding_split,
    evaluated,
    unedited_figures,
)
from training.evaluation.predictions import Predictions, load_predictions, predictions
from training.experiments.ensemble import read_members
from training.io.atomic_file import write_whole

CALIBRATION, EVALUATION, MEASURED = "calibration.json", "evaluation.json", "measured.sha256"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Question:
    """What an evaluation is asked for."""

    resamples: int = 1000
    sensitivity: float | None = None
    people: Path | None = None
    """A table of side, sex, age and site by patient."""

    def mark(self, told: Predictions, seed: int) -> str:
        """A hash of all that decides the figures."""
        digest = hashlib.sha256(f"{told.key} {seed} {self.resamples} {self.sensitivity}".encode())
        if self.people:
            digest.update(self.people.read_bytes())
        return digest.hexdigest()


ASKED = Question()


def measure(run: Path, device: torch.device, say: Say, question: Question = ASKED) -> Result:
    """Calibrate on the training side, measure on held-out hands, keep both in the run's folder."""
    recipe, crops = kept_recipe(run), kept_crops(run)
    told = (
        load_predictions(run)
        if read_members(run)
        else predictions(run, recipe, crops, device, _hand_counter(say))
    )
    mark = question.mark(told, recipe.seed)
    known = _known(run, mark)
    if known is not None:
        say(f"{run} is already measured with these weights, these hands and this question")
        return known
    side = deciding_split(told.stages, told.splits)
    decided = told.rows(side)
    calibration = calibrated(told.logits(decided), told.stages[decided], question.sensitivity, side)
    result = _result(run, told, crops, calibration, question, recipe.seed)
    (run / MEASURED).unlink(missing_ok=True)
    _keep(run, CALIBRATION, TypeAdapter(Calibration).dump_json(calibration, indent=2))
    _keep(run, EVALUATION, TypeAdapter(Result).dump_json(result, indent=2))
    _keep(run, MEASURED, f"{mark}\n".encode())
    return result


def read_calibration(run: Path) -> Calibration:
    """What `measure` chose on the training side of a run."""
    return TypeAdapter(Calibration).validate_json((run / CALIBRATION).read_bytes())


def read_result(run: Path) -> Result:
    """What `measure` found on the held-out hands of a run."""
    return TypeAdapter(Result).validate_json((run / EVALUATION).read_bytes())


def _result(
    run: Path, told: Predictions, crops: Crops, calibration: Calibration, question: Question, seed: int
) -> Result:
    def figures(origin: Origin) -> Evaluation:
        part = crops.part("held-out", origin)
        groups = _groups(run, part, told, question.people)
        logits = told.logits(told.rows("held-out", origin))
        return evaluated(logits, part, calibration, seed, question.resamples, groups)

    unedited = told.rows("held-out", "unedited")
    return Result(
        counts=counted(crops),
        held_out=figures(told.kind),
        phantom=figures("phantom") if told.rows("held-out", "phantom").any() else None,
        unedited=unedited_figures(told.logits(unedited), crops.where(unedited), calibration)
        if unedited.any()
        else {},
        data=told.kind,
        dataset=kept_about(run),
    )


def _groups(run: Path, part: Crops, told: Predictions, people: Path | None) -> Groups | None:
    """The groups of held-out hands: by the table of people, or by the rows of their dataset."""
    if people:
        return read_groups(people, part.patients)
    if told.kind != "labelled":
        return None
    held_out = told.rows("held-out", "labelled")
    return groups_of([row for row, chosen in zip(kept_rows(run), held_out, strict=True) if chosen])


def _known(run: Path, mark: str) -> Result | None:
    """The figures that answer the same question already."""
    try:
        same = (run / MEASURED).read_text().strip() == mark
        read_calibration(run)
        return read_result(run) if same else None
    except (OSError, ValidationError):
        return None


def _keep(run: Path, name: str, content: bytes) -> None:
    write_whole(run / name, lambda file: file.write(content))


def _hand_counter(say: Say) -> Callable[[int, int], None]:
    """Say every 640th hand and the last one."""

    def count(done: int, total: int) -> None:
        if done % 640 == 0 or done == total:
            say(f"evaluated {done} of {total} hands")

    return count
