"""Evaluation cache: a run is evaluated again only when weights, hands or options have changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError

from training.classifier.labelled_dataset import kept_about, kept_agreements, kept_reader_study, kept_rows
from training.classifier.run_folder import counted, kept_crops, kept_recipe
from training.data.consensus import absent_stages
from training.data.dataset import ADULT_ORIGINS, Crops, Origin
from training.data.subgroups import Groups, groups_of, read_groups
from training.evaluation.evaluate import (
    Evaluation,
    Result,
    evaluated,
    unedited_figures,
)
from training.evaluation.metrics import Interval
from training.evaluation.predictions import Predictions, load_predictions, predictions
from training.evaluation.task_calibration import Calibration, calibrated_run
from training.experiments.ensemble import read_members
from training.io.atomic_file import write_whole

POOLED = "pooled.sha256"
"""Marks a run with figures of a cross-validation, which only that command can renew."""
CALIBRATION, EVALUATION, MEASURED = "calibration.json", "evaluation.json", "measured.sha256"

COUNTING = (
    ("training.evaluation", "*.py"),
    ("training.data", "subgroups.py"),
    ("training.experiments", "evaluation_cache.py"),
)
"""Packages and files whose change invalidates earlier figures."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Question:
    """Options of an evaluation."""

    resamples: int = 1000
    sensitivity: float | None = None
    people: Path | None = None
    """A table of side, sex, age and site by patient."""

    def mark(self, told: Predictions, seed: int) -> str:
        """A hash of everything that determines the figures, including the code."""
        digest = hashlib.sha256(f"{told.key} {seed} {self.resamples} {self.sensitivity}".encode())
        digest.update(code_sha256().encode())
        if self.people:
            digest.update(self.people.read_bytes())
        return digest.hexdigest()


ASKED = Question()


@cache
def code_sha256() -> str:
    """The hash of the source of everything that turns predictions into figures."""
    digest = hashlib.sha256()
    for package, pattern in COUNTING:
        for path in sorted(Path(str(resources.files(package))).glob(pattern)):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def measure(run: Path, device: torch.device, say: Say, question: Question = ASKED) -> Result:
    """Calibrate on the training side, evaluate on held-out hands, write both to the run's folder."""
    if (run / POOLED).exists():
        say(f"{run} was measured by its cross-validation")
        return read_result(run)
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
    calibration = run_calibration(told, question.sensitivity)
    result = _result(run, told, crops, calibration, question, recipe.seed)
    (run / MEASURED).unlink(missing_ok=True)
    _keep(run, CALIBRATION, TypeAdapter(Calibration).dump_json(calibration, indent=2))
    _keep(run, EVALUATION, TypeAdapter(Result).dump_json(result, indent=2))
    _keep(run, MEASURED, f"{mark}\n".encode())
    return result


def run_calibration(told: Predictions, sensitivity: float | None) -> Calibration:
    """Calibrate each task on its calibration hands, none of which is a held-out adult's.

    The held-out half of the adults is measured by calibrations that no hand of it influenced.
    """
    everything = told.logits(np.ones(len(told), np.bool_))
    adults = told.rows("held-out", *ADULT_ORIGINS)
    splits = np.where(adults, "measured only", told.splits)
    return calibrated_run(everything, told.stages, splits, told.patients, sensitivity)


def read_calibration(run: Path) -> Calibration:
    """The calibration written by `measure`."""
    return TypeAdapter(Calibration).validate_json((run / CALIBRATION).read_bytes())


def read_result(run: Path) -> Result:
    """The evaluation written by `measure`."""
    return TypeAdapter(Result).validate_json((run / EVALUATION).read_bytes())


def _result(
    run: Path, told: Predictions, crops: Crops, calibration: Calibration, question: Question, seed: int
) -> Result:
    def figures(origin: Origin) -> Evaluation:
        part = crops.part("held-out", origin)
        groups = _groups(run, part, told, question.people)
        rows = told.rows("held-out", origin)
        logits, order = told.logits(rows), told.order(rows)
        return evaluated(logits, part, calibration, seed, question.resamples, groups, order)

    def healthy(origin: Origin) -> dict[str, Interval]:
        chosen = told.rows("held-out", origin)
        if not chosen.any():
            return {}
        return unedited_figures(told.logits(chosen), crops.where(chosen), calibration)

    return Result(
        counts=counted(crops),
        held_out=figures(told.kind),
        phantom=figures("phantom") if told.rows("held-out", "phantom").any() else None,
        unedited=healthy("unedited"),
        adults=figures("simulated adult") if told.rows("held-out", "simulated adult").any() else None,
        unedited_adults=healthy("unedited adult"),
        data=told.kind,
        dataset=kept_about(run),
        absent_stages=absent_stages(map(int, told.stages[told.rows("tune")])),
        readers=kept_agreements(run),
        reader_study=kept_reader_study(run),
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
    """Cached figures with the same key."""
    try:
        same = (run / MEASURED).read_text().strip() == mark
        read_calibration(run)
        return read_result(run) if same else None
    except (OSError, ValidationError):
        return None


def _keep(run: Path, name: str, content: bytes) -> None:
    write_whole(run / name, lambda file: file.write(content))


def _hand_counter(say: Say) -> Callable[[int, int], None]:
    """Print every 640th hand and the last one."""

    def count(done: int, total: int) -> None:
        if done % 640 == 0 or done == total:
            say(f"evaluated {done} of {total} hands")

    return count
