"""Cross-validates recipes on the training side, selects one, and fits it on the whole training side.

Every hand is rated once by a network that was not trained on its patient. Temperature and operating points
of a fold are chosen on the out-of-fold hands of the other folds, so that no figure is computed on hands that
influenced it. Those of the final networks are chosen on all out-of-fold hands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from ra_node.errors import Refused
from ra_node.inference.networks.softmax import softmax
from training.classifier.labelled_dataset import (
    kept_about,
    kept_agreements,
    kept_reader_study,
    kept_rows,
    refuse_other_split,
)
from training.classifier.run_folder import HandsFrom, counted, kept_crops, prepared
from training.classifier.start import note_start
from training.classifier.train import Place, train_run
from training.data.consensus import absent_stages
from training.data.manifest import HandRow, manifest_sha256, read_manifest
from training.data.split import ALL, Fold, Split, k_folds, read_split, written
from training.data.subgroups import groups_of
from training.evaluation.evaluate import (
    Evaluation,
    Hands,
    Result,
    evaluated,
    evaluated_hands,
)
from training.evaluation.metrics import in_words
from training.evaluation.paired import differences
from training.evaluation.predictions import Predictions, predictions, save_predictions
from training.evaluation.task_calibration import CLASSES, Calibration, ChosenOn, Points, calibrated
from training.experiments.compare import Entry
from training.experiments.evaluation_cache import CALIBRATION, EVALUATION, POOLED, Question, Say
from training.io.atomic_file import write_whole

SMALLEST = 1e-12
"""Lower bound of probabilities, because 0 would be a logit of minus infinity."""

FINAL, FOLDS, FIT = "final", "folds.json", "final.json"


@dataclass(frozen=True, slots=True)
class Pooled:
    """The out-of-fold predictions of one recipe, hand by hand in the order of the dataset."""

    entry: Entry
    stages: NDArray[np.int64]
    patients: NDArray[np.str_]
    logits: Mapping[str, NDArray[np.float64]]
    order: Mapping[str, NDArray[np.float64]]
    """Log-odds for the AUC, at the temperature of each fold, without its offsets."""
    fold: NDArray[np.int64]
    """Which fold held the hand out, (N,)."""
    hands: Hands
    points: Points
    calibration: Calibration
    """Chosen on all out-of-fold hands: for the final networks."""
    evaluation: Evaluation
    key: str

    @property
    def name(self) -> str:
        return self.entry.recipe.architecture

    @property
    def kappa(self) -> float:
        return self.evaluation.staging["quadratic_kappa"][0]


@dataclass(frozen=True, slots=True)
class Plan:
    """The folds of a dataset's training side, and the held-out patients, who are used at the end only."""

    dataset: Path
    rows: tuple[HandRow, ...]
    folds: tuple[Fold, ...]
    final: Fold

    @property
    def held_out(self) -> bool:
        """Whether there are held-out hands."""
        return bool(self.final.test)


def planned_folds(dataset: Path, split: Path | None, count: int, seed: int) -> Plan:
    """Fold the training side of a split, or the whole dataset; the folds of a split with folds are taken.

    Raises Refused for a split of another dataset, one that leaks, or fewer patients than folds.
    """
    rows, digest = read_manifest(dataset), manifest_sha256(dataset)
    known = read_split(split, digest, rows) if split else None
    everyone = tuple(sorted({row.patient for row in rows}))
    if known and known.kind == "folds":
        return Plan(dataset, rows, known.folds, Fold(ALL, everyone, ()))
    if known and len(known.folds) != 1:
        raise Refused(
            f"expected a split with one held-out side or with folds, found {len(known.folds)} sites"
        )
    aside = known.folds[0].test if known else ()
    learnt = [row for row in rows if row.patient not in set(aside)]
    folds = tuple(replace(fold, aside=aside) for fold in k_folds(learnt, seed, count))
    return Plan(dataset, rows, folds, known.folds[0] if known else Fold(ALL, everyone, ()))


def cross_validate(
    entries: Sequence[Entry], plan: Plan, place: Place, question: Question, say: Say
) -> tuple[list[Pooled], Result]:
    """Cross-validate every entry, fit the one with the highest pooled kappa, and evaluate it.

    What is finished is not trained again. The final run in `final` can be exported and reported as any other.
    """
    digest = manifest_sha256(plan.dataset)
    seed = entries[0].recipe.seed
    _keep(place.folder / FOLDS, written(Split("folds", seed, digest, plan.folds)))
    _keep(place.folder / FIT, written(Split("given", seed, digest, (plan.final,))))
    pooled = [_pooled(entry, plan, place, question, say) for entry in entries]
    best = max(pooled, key=lambda one: one.kappa)
    return pooled, _final(best, len(pooled), plan, place, question, say)


def choice_lines(pooled: Sequence[Pooled]) -> list[str]:
    """The out-of-fold figures of every entry, and whether the chosen one is better than the next."""
    order = sorted(pooled, key=lambda one: -one.kappa)
    lines = [_line(one) for one in order]
    for other in order[1:]:
        found = next(
            one for one in differences(other.hands, order[0].hands) if one.figure == "quadratic_kappa"
        )
        value, low, high = found.difference
        gained = f"kappa {value:+.3f} ({low:+.3f} to {high:+.3f}), {found.verdict}"
        lines.append(f"{order[0].name} less {other.name}: {gained}")
    return lines


def _line(one: Pooled) -> str:
    recognition, staging = one.evaluation.recognition["auc"], one.evaluation.staging["quadratic_kappa"]
    return (
        f"{one.name}, out of fold: recognition AUC {recognition[0]:.3f} ({in_words(recognition)}), "
        f"staging kappa {staging[0]:.3f} ({in_words(staging)})"
    )


def _pooled(entry: Entry, plan: Plan, place: Place, question: Question, say: Say) -> Pooled:
    """Train and evaluate every fold, and merge the held-out hands in the dataset's order."""
    order = [row.image for row in plan.rows if row.patient not in set(plan.folds[0].aside)]
    at = {image: k for k, image in enumerate(order)}
    fold_of = np.full(len(order), -1, np.int64)
    logits = {task: np.full((len(order), classes), np.nan) for task, classes in CLASSES.items()}
    keys = []
    for number, fold in enumerate(plan.folds):
        run = place.folder / entry.recipe.architecture / fold.name.replace(" ", "-")
        say(f"{entry.recipe.architecture}, {fold.name} of {len(plan.folds)}")
        told = _judged(entry, plan, place, run, place.folder / FOLDS, fold.name, say)
        held_out = told.rows("held-out", "labelled")
        places = [at[row.image] for row, chosen in zip(kept_rows(run), held_out, strict=True) if chosen]
        fold_of[places] = number
        for task, found in told.logits(held_out).items():
            logits[task][places] = found
        keys.append(told.key)
    learnt = [row for row in plan.rows if row.image in at]
    stages = np.array([row.stage for row in learnt], np.int64)
    patients = np.array([row.patient for row in learnt], np.str_)
    return _measured(entry, learnt, stages, patients, logits, fold_of, keys, question)


def _measured(
    entry: Entry,
    rows: Sequence[HandRow],
    stages: NDArray[np.int64],
    patients: NDArray[np.str_],
    logits: Mapping[str, NDArray[np.float64]],
    fold_of: NDArray[np.int64],
    keys: Sequence[str],
    question: Question,
) -> Pooled:
    """Calibrate each fold on the hands of all others, and evaluate them together."""
    diseased, staged = np.empty(len(stages)), np.empty((len(stages), CLASSES["staging"]))
    points = Points(np.empty(len(stages)), np.empty((len(stages), CLASSES["staging"])))
    order = {task: np.empty_like(found) for task, found in logits.items()}
    for number in np.unique(fold_of):
        own, others = fold_of == number, fold_of != number
        by = _calibrated(logits, stages, others, question)
        diseased[own] = by.recognition.probabilities(logits["recognition"][own])[:, 1]
        staged[own] = by.staging.probabilities(logits["staging"][own])
        for task, found in logits.items():
            order[task][own] = by.scaling(task).order(found[own])
        points.recognition[own], points.staging[own] = by.threshold, by.class_thresholds
    called = diseased >= points.recognition
    hands = Hands(stages, patients, diseased, staged, called, order["recognition"][:, 1], order["staging"])
    raw = {task: softmax(found) for task, found in logits.items()}
    evaluation = evaluated_hands(hands, points, raw, entry.recipe.seed, question.resamples, groups_of(rows))
    final = _calibrated(logits, stages, np.ones(len(stages), np.bool_), question)
    key = hashlib.sha256(" ".join(["pooled", *keys]).encode()).hexdigest()
    return Pooled(entry, stages, patients, logits, order, fold_of, hands, points, final, evaluation, key)


def _calibrated(
    logits: Mapping[str, NDArray[np.float64]],
    stages: NDArray[np.int64],
    rows: NDArray[np.bool_],
    question: Question,
) -> Calibration:
    chosen = {task: found[rows] for task, found in logits.items()}
    split: ChosenOn = "out-of-fold"
    return calibrated(
        chosen, dict.fromkeys(CLASSES, stages[rows]), question.sensitivity, dict.fromkeys(CLASSES, split)
    )


def _final(best: Pooled, candidates: int, plan: Plan, place: Place, question: Question, say: Say) -> Result:
    """Fit the chosen recipe on the whole training side, and write what bundle and report need."""
    run = place.folder / FINAL
    data = best.entry.recipe.data.model_copy(update={"validation": 0.0})
    entry = replace(best.entry, recipe=best.entry.recipe.model_copy(update={"data": data}))
    say(f"{best.name}, final fit on {len(plan.final.train)} patients")
    told = _judged(entry, plan, place, run, place.folder / FIT, plan.final.name, say)
    crops = kept_crops(run)
    held_out = best.evaluation
    if plan.held_out:
        part = told.rows("held-out", "labelled")
        groups = groups_of([row for row, chosen in zip(kept_rows(run), part, strict=True) if chosen])
        seed, by = entry.recipe.seed, best.calibration
        held_out = evaluated(told.logits(part), crops.where(part), by, seed, question.resamples, groups)
    else:
        save_predictions(_with_out_of_fold(told, best), run)
    result = Result(
        counts=counted(crops),
        held_out=held_out,
        phantom=None,
        unedited={},
        data="labelled",
        dataset=kept_about(run),
        absent_stages=absent_stages(map(int, told.stages[told.rows("tune")])),
        readers=kept_agreements(run),
        reader_study=kept_reader_study(run),
        folds=0 if plan.held_out else len(plan.folds),
        candidates=candidates,
    )
    _keep(run / CALIBRATION, TypeAdapter(Calibration).dump_json(best.calibration, indent=2))
    _keep(run / EVALUATION, TypeAdapter(Result).dump_json(result, indent=2))
    _keep(run / POOLED, f"{best.key}\n".encode())
    return result


def _judged(
    entry: Entry, plan: Plan, place: Place, run: Path, split: Path, fold: str, say: Say
) -> Predictions:
    """Train one run on a fold, and predict all its hands."""
    prepared(entry.recipe, run, HandsFrom(dataset=plan.dataset, split=split, fold=fold), say)
    refuse_other_split(entry.start, run)
    note_start(run, entry.start)
    crops = kept_crops(run)
    train_run(entry.recipe, crops, entry.start, replace(place, folder=run), say)
    return predictions(run, entry.recipe, crops, place.device, lambda _done, _total: None)


def _with_out_of_fold(told: Predictions, pooled: Pooled) -> Predictions:
    """Predictions of the final networks for the training hands, then those of the folds.

    The logits of a fold are those which the final calibration turns into the fold's own probabilities; its
    own operating point stands beside them.
    """
    final = pooled.calibration
    logits = {
        "recognition": final.recognition.logits(np.maximum(pooled.hands.diseased_both, SMALLEST)),
        "staging": final.staging.logits(np.maximum(pooled.hands.staged, SMALLEST)),
    }
    count = len(pooled.stages)
    learnt = told.rows("tune")
    return Predictions(
        np.concatenate([told.stages[learnt], pooled.stages]),
        np.concatenate([told.patients[learnt], pooled.patients]),
        np.array(["tune"] * int(learnt.sum()) + ["held-out"] * count),
        np.array(["labelled"] * (int(learnt.sum()) + count)),
        recognition=np.concatenate([told.recognition[learnt], logits["recognition"]]),
        staging=np.concatenate([told.staging[learnt], logits["staging"]]),
        recognition_features=np.zeros((count, 0), np.float32),
        staging_features=np.zeros((count, 0), np.float32),
        key=pooled.key,
        held_out_key=told.held_out_key,
        thresholds=np.concatenate([np.full(int(learnt.sum()), final.threshold), pooled.points.recognition]),
        recognition_order=np.concatenate(
            [final.recognition.order(told.recognition[learnt]), pooled.order["recognition"]]
        ),
        staging_order=np.concatenate([final.staging.order(told.staging[learnt]), pooled.order["staging"]]),
    )


def _keep(path: Path, content: bytes) -> None:
    write_whole(path, lambda file: file.write(content))
