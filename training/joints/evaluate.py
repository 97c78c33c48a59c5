"""Evaluates the joint task on held-out hands, with intervals over patients; caches each run's predictions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter

from ra_node.domain.report import STAGES
from ra_node.errors import Fatal
from training.evaluation.calibration import expected_calibration_error
from training.evaluation.evaluate import Hands
from training.evaluation.metrics import Interval, auc, exact_share, quadratic_kappa, with_intervals
from training.io.atomic_file import write_whole
from training.joints.calibrate import JointCalibration, calibrate, highest_probability, joint_calls
from training.joints.hands import UNKNOWN, WEIGHTS, JointHands

KEPT, CALIBRATION, FIGURES = "predictions.npz", "calibration.json", "figures.json"

_FIGURES = TypeAdapter(dict[str, dict[str, Interval]], config=ConfigDict(ser_json_inf_nan="strings"))

CROSS_FITTED = "the held-out hands (for the figures each fifth of the patients by the other four)"
FOLDS = 5
"""Folds of patients for calibration without validation hands."""

ORIGINS = ("simulated", "unedited", "phantom", "labelled")


@dataclass(frozen=True, slots=True, eq=False)
class JointPredictions:
    """Predictions of a run for the joints of all hands outside the split `tune`, one row a hand."""

    log: NDArray[np.float64]
    """Log-probabilities (N, 13, 6)."""
    seen: NDArray[np.bool_]
    joint_stages: NDArray[np.int64]
    stages: NDArray[np.int64]
    patients: NDArray[np.str_]
    splits: NDArray[np.str_]
    origins: NDArray[np.str_]
    key: str
    """Hash of the weights and the hands."""

    def rows(self, split: str, *origins: str) -> NDArray[np.bool_]:
        """Mask (N,) of the rows of a split, of all or of the given origins."""
        chosen: NDArray[np.bool_] = self.splits == split
        return chosen & np.isin(self.origins, origins) if origins else chosen


def predictions(run: Path, hands: JointHands) -> JointPredictions:
    """Load the predictions of a run, or compute and store them where weights or hands have changed."""
    judged = hands.where(hands.splits != "tune")
    key = _key(run, judged)
    if (run / KEPT).exists():
        kept = load_predictions(run)
        if kept.key == key:
            return kept
    import torch  # noqa: PLC0415  # 4 s of CPU, which comparing runs does not need

    from ra_node.inference.networks.joint_network import load_joint_network  # noqa: PLC0415
    from training.joints.train import joint_logits  # noqa: PLC0415

    network = load_joint_network(run / WEIGHTS, torch.device("cpu"))
    log = joint_logits(network, judged)
    made = JointPredictions(
        log,
        *(judged.seen, judged.joint_stages, judged.stages, judged.patients, judged.splits, judged.origins),
        key=key,
    )
    arrays = {field.name: getattr(made, field.name) for field in fields(JointPredictions)}
    write_whole(run / KEPT, lambda file: np.savez(file, **arrays))
    return made


def load_predictions(run: Path) -> JointPredictions:
    """Read the predictions stored by `predictions`; raises Fatal without any."""
    if not (run / KEPT).exists():
        raise Fatal(f"expected {KEPT} in {run}, found none; run `python -m training joints`")
    with np.load(run / KEPT, allow_pickle=False) as held:
        arrays = {field.name: held[field.name] for field in fields(JointPredictions)}
    return JointPredictions(**{**arrays, "key": str(arrays["key"])})


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """Calibrated probabilities (N, 13, 6) of all rows, and stages (N, 13) as in the node."""

    shares: NDArray[np.float64]
    calls: NDArray[np.int64]


def calibration_of(made: JointPredictions) -> JointCalibration:
    """The calibration for the bundle, on the validation hands, or without any on the held-out hands."""
    found = _calibrated_on(made, _deciding(made))
    return found if made.rows("validation").any() else replace(found, chosen_on=CROSS_FITTED)


def calibrated_rows(made: JointPredictions, seed: int = 0) -> Calibrated:
    """Calibrate each row without its own patient: by validation hands, else by the other four folds."""
    if made.rows("validation").any():
        return _applied(made, calibration_of(made))
    fold, deciding = _folds(made.patients, seed), _deciding(made)
    shares, calls = np.zeros_like(made.log), np.zeros(made.seen.shape, np.int64)
    for number in range(FOLDS):
        here = fold == number
        found = _applied(made, _calibrated_on(made, deciding & ~here))
        shares[here], calls[here] = found.shares[here], found.calls[here]
    return Calibrated(shares, calls)


def _deciding(made: JointPredictions) -> NDArray[np.bool_]:
    """The rows (N,) that calibrate; drawn hands only where there are no others.

    With 34 drawn hands among 208 others, the calibration error of the others' joints was 0.087, not 0.054.
    """
    validation = made.rows("validation")
    chosen = validation if validation.any() else made.rows("held-out")
    real = chosen & (made.origins != "phantom")
    return real if real.any() else chosen


def _calibrated_on(made: JointPredictions, chosen: NDArray[np.bool_]) -> JointCalibration:
    hands = JointHands(
        np.zeros((int(chosen.sum()), 0), np.uint8),
        *(made.seen[chosen], made.joint_stages[chosen], made.stages[chosen]),
        *(made.patients[chosen], made.splits[chosen], made.origins[chosen]),
    )
    return calibrate(made.log[chosen], hands)


def _applied(made: JointPredictions, calibration: JointCalibration) -> Calibrated:
    shares = calibration.probabilities(made.log)
    return Calibrated(shares, joint_calls(shares, made.seen, calibration.threshold))


def _folds(patients: NDArray[np.str_], seed: int) -> NDArray[np.int64]:
    """Fold of each row (N,), the same for all rows of a patient."""
    names, place = np.unique(patients, return_inverse=True)
    return np.asarray(np.random.default_rng(seed).permutation(len(names)) % FOLDS, np.int64)[place]


def measured(
    made: JointPredictions, found: Calibrated, seed: int = 0, resamples: int = 1000
) -> dict[str, dict[str, Interval]]:
    """Metrics of the held-out hands for each origin, by its name."""
    return {
        origin: _figures(made, made.rows("held-out", origin), found, seed, resamples)
        for origin in ORIGINS
        if made.rows("held-out", origin).any()
    }


def highest_joint(made: JointPredictions, chosen: NDArray[np.bool_]) -> Hands:
    """The hands of chosen rows staged by their highest joint, for `training.evaluation.paired`.

    The maximum of the likeliest stages of the joints. That stage gets more than half of the probability, the
    rest is the distribution of the maximum of independent joints.
    """
    shares, seen = np.exp(made.log[chosen]), made.seen[chosen]
    called = np.where(seen, shares.argmax(axis=2), 0).max(axis=1)
    up_to = np.where(seen[:, :, None], shares.cumsum(axis=2), 1.0).clip(0, 1).prod(axis=1)
    spread = np.diff(up_to, axis=1, prepend=0.0).clip(0)
    spread /= spread.sum(axis=1, keepdims=True).clip(1e-12)
    staged = 0.49 * spread + 0.51 * np.eye(len(STAGES))[called]
    diseased = highest_probability(shares, seen)
    return Hands(made.stages[chosen], made.patients[chosen], diseased, staged, called > 0, diseased, staged)


def _figures(
    made: JointPredictions,
    chosen: NDArray[np.bool_],
    calibrated: Calibrated,
    seed: int,
    resamples: int,
) -> dict[str, Interval]:
    stages, patients, seen = made.stages[chosen], made.patients[chosen], made.seen[chosen]
    shares, calls = calibrated.shares[chosen], calibrated.calls[chosen]
    truth = np.where(seen, made.joint_stages[chosen], UNKNOWN)
    healthy = stages == 0
    found: dict[str, Interval] = {}
    if healthy.any():
        found["healthy hands without a joint above stage 0"] = exact_share(
            calls[healthy].max(axis=1) == 0, patients[healthy]
        )
    if healthy.all():
        return found
    raw = np.exp(made.log[chosen])  # an AUC ranks by it: folds have their own temperatures
    plain = np.where(seen, raw.argmax(axis=2), 0)
    where = _worst(shares, seen)
    worst_truth = made.joint_stages[chosen][np.arange(len(stages)), where]
    highest = highest_probability(raw, seen)

    def figures(k: NDArray[np.intp]) -> Mapping[str, float]:
        ill = stages[k] > 0
        known = truth[k] != UNKNOWN
        hand, joint = calls[k].max(axis=1), calls[k][known]
        return {
            "auc": auc(ill, highest[k]),
            "quadratic_kappa": quadratic_kappa(stages[k], hand, len(STAGES)),
            "accuracy": _mean(stages[k] == hand),
            "within_one_stage": _mean(np.abs(stages[k] - hand) <= 1),
            "plain_maximum_quadratic_kappa": quadratic_kappa(stages[k], plain[k].max(axis=1), len(STAGES)),
            "plain_maximum_accuracy": _mean(stages[k] == plain[k].max(axis=1)),
            "sensitivity": _mean(hand[ill] > 0),
            "top_joint_has_the_highest_stage": _mean((worst_truth[k] == stages[k])[ill]),
            "joint_quadratic_kappa": quadratic_kappa(truth[k][known], joint, len(STAGES)),
            "joint_accuracy": _mean(truth[k][known] == joint),
            "joint_auc": auc(truth[k][known] > 0, 1 - raw[k][known][:, 0]),
            "joint_calibration_error": expected_calibration_error(shares[k][known], truth[k][known]),
        }

    fewest = min(len(np.unique(patients[healthy == k])) for k in (True, False))
    return found | with_intervals(figures, patients, np.random.default_rng(seed), resamples, fewest)


def _mean(right: NDArray[np.bool_]) -> float:
    """The share of True; NaN of an empty array."""
    return float(right.mean()) if len(right) else float("nan")


def _worst(shares: NDArray[np.float64], seen: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The joint (N,) with the highest expected stage."""
    expected = (shares * np.arange(len(STAGES))).sum(axis=2)
    return np.asarray(np.where(seen, expected, -1.0).argmax(axis=1), np.intp)


def keep_figures(run: Path, calibration: JointCalibration, figures: dict[str, dict[str, Interval]]) -> None:
    """Write calibration and metrics to the run's folder."""
    told = TypeAdapter(JointCalibration).dump_json(calibration, indent=2)
    found = _FIGURES.dump_json(figures, indent=2)
    write_whole(run / CALIBRATION, lambda file: file.write(told))
    write_whole(run / FIGURES, lambda file: file.write(found))


def kept_figures(run: Path) -> tuple[JointCalibration, dict[str, dict[str, Interval]]]:
    """Read the files of `keep_figures`; raises Fatal where a run was not evaluated."""
    if not (run / FIGURES).exists():
        raise Fatal(f"expected a measured joint run in {run}, found no {FIGURES}")
    return (
        TypeAdapter(JointCalibration).validate_json((run / CALIBRATION).read_bytes()),
        _FIGURES.validate_json((run / FIGURES).read_bytes()),
    )


def _key(run: Path, hands: JointHands) -> str:
    digest = hashlib.sha256((run / WEIGHTS).read_bytes())
    for field in fields(hands):
        digest.update(np.ascontiguousarray(getattr(hands, field.name)).tobytes())
    return digest.hexdigest()
