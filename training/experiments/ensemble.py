"""Ensemble: the mean of the calibrated probabilities of several runs of one split."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from ra_node.errors import Fatal, Refused
from ra_node.inference.networks.softmax import softmax
from training.classifier.run_folder import RECIPE, share_crops
from training.evaluation.calibration import log_odds
from training.evaluation.predictions import Predictions, load_predictions, save_predictions
from training.evaluation.task_calibration import CLASSES, Calibration
from training.io.atomic_file import write_whole

MEMBERS = "ensemble.json"
"""File of an ensemble: its runs by name, each with the hash of its predictions."""

SMALLEST = 1e-12
"""Lower bound of probabilities, because 0 would be a logit of minus infinity."""

_ADAPTER = TypeAdapter(dict[str, str])


def assemble(runs: Sequence[Path], out: Path) -> Predictions:
    """Write the mean of evaluated runs to `out`, which can then be evaluated as a run.

    Raises Fatal for fewer than two runs, one that is named twice or not evaluated, or hands or splits that
    are not the same; Refused where `out` holds something else.
    """
    if len(runs) < 2 or len({run.resolve() for run in runs}) != len(runs):
        raise Fatal(f"expected two or more different runs, found {', '.join(map(str, runs))}")
    if out.exists() and not (out / MEMBERS).exists():
        raise Refused("expected a new folder or an ensemble in --out, found something else")
    told = [load_predictions(run) for run in runs]
    for run, other in zip(runs[1:], told[1:], strict=True):
        _refuse_other_hands(runs[0], told[0], run, other)
    mean = _mean(told, [_calibration(run) for run in runs])
    share_crops(runs[0], out)
    members = _ADAPTER.dump_json(dict(zip(_names(runs), (one.key for one in told), strict=True)), indent=2)
    write_whole(out / MEMBERS, lambda file: file.write(members))
    content = (runs[0] / RECIPE).read_bytes()
    write_whole(out / RECIPE, lambda file: file.write(content))
    save_predictions(mean, out)
    return mean


def read_members(run: Path) -> Mapping[str, str]:
    """The runs of an ensemble with the hashes of their predictions; empty for a single run."""
    return _ADAPTER.validate_json((run / MEMBERS).read_bytes()) if (run / MEMBERS).exists() else {}


def _mean(told: Sequence[Predictions], calibrations: Sequence[Calibration]) -> Predictions:
    first = told[0]
    logits = {
        task: np.log(
            np.maximum(
                np.mean([_probabilities(one, by, task) for one, by in _pairs(told, calibrations)], 0),
                SMALLEST,
            )
        )
        for task in CLASSES
    }
    order = {task: log_odds(_mean_raw(told, task)) for task in CLASSES}
    key = hashlib.sha256(" ".join(["mean", *(one.key for one in told)]).encode()).hexdigest()
    return Predictions(
        *(first.stages, first.patients, first.splits, first.origins),
        recognition=logits["recognition"],
        staging=logits["staging"],
        recognition_features=np.concatenate([_scaled(one.recognition_features) for one in told], axis=1),
        staging_features=np.concatenate([_scaled(one.staging_features) for one in told], axis=1),
        key=key,
        held_out_key=first.held_out_key,
        recognition_order=order["recognition"],
        staging_order=order["staging"],
    )


def _mean_raw(told: Sequence[Predictions], task: str) -> NDArray[np.float64]:
    """Logarithms (N, classes) of the mean of the members' probabilities before calibration."""
    raw = np.mean([softmax(getattr(one, task)) for one in told], axis=0)
    return np.asarray(np.log(np.maximum(raw, SMALLEST)), np.float64)


def _pairs(
    told: Sequence[Predictions], calibrations: Sequence[Calibration]
) -> list[tuple[Predictions, Calibration]]:
    return list(zip(told, calibrations, strict=True))


def _probabilities(told: Predictions, calibration: Calibration, task: str) -> NDArray[np.float64]:
    return calibration.probabilities(task, getattr(told, task), told.patients)


def _scaled(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Standardised features, so that no member dominates."""
    return np.asarray((features - features.mean(axis=0)) / (features.std() or 1.0), np.float32)


def _calibration(run: Path) -> Calibration:
    return TypeAdapter(Calibration).validate_json((run / "calibration.json").read_bytes())


def _names(runs: Sequence[Path]) -> list[str]:
    """The runs' folders, each with the one above it and its place in the mean."""
    paths = [run.resolve() for run in runs]
    return [f"{k} {path.parent.name}/{path.name}" for k, path in enumerate(paths, start=1)]


def _refuse_other_hands(base: Path, expected: Predictions, run: Path, found: Predictions) -> None:
    same = len(expected) == len(found) and all(
        np.array_equal(getattr(expected, name), getattr(found, name))
        for name in ("stages", "patients", "splits", "origins")
    )
    if not same:
        raise Fatal(
            f"expected the hands and the split of {base} ({_told(expected)}) in {run}, "
            f"found others ({_told(found)})"
        )


def _told(told: Predictions) -> str:
    splits, counts = np.unique(told.splits, return_counts=True)
    return ", ".join(f"{count} {split}" for split, count in zip(splits, counts, strict=True))
