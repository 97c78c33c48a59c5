"""Measures a run on hands that no training saw, with the weights as the bundle ships them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ra_node.domain.report import STAGES
from ra_node.inference.network import load_network, logits_of, softmax
from training.calibrate import expected_calibration_error, temperature
from training.dataset import Crops
from training.metrics import (
    Interval,
    confusion,
    recognition_figures,
    staging_figures,
    with_intervals,
    youden_threshold,
)
from training.recipe import Recipe

Scores = NDArray[np.float64]
CLASSES = {"recognition": 2, "staging": len(STAGES)}


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the validation hands decide: temperatures and operating points of both tasks."""

    recognition_temperature: float
    staging_temperature: float
    threshold: float
    """Recognition: probability of disease from which a hand is called diseased."""
    class_thresholds: tuple[float, ...]
    """Staging, one a class, for one-vs-rest figures."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of one group of held-out hands."""

    hands: int
    patients: int
    recognition: dict[str, Interval]
    staging: dict[str, Interval]
    confusion: list[list[int]]
    """Truth by row, call by column."""
    calibration_error: dict[str, float]


@dataclass(frozen=True, slots=True)
class Result:
    """What an evaluation leaves in `evaluation.json` of its run."""

    counts: dict[str, int]
    """Hands and patients by split and origin."""
    simulated: Evaluation
    phantom: Evaluation | None
    unedited: dict[str, Interval]


def weights_path(run: Path, task: str) -> Path:
    """Where a run keeps the weights of a task."""
    return run / task / "weights.safetensors"


def run_logits(run: Path, recipe: Recipe, crops: Crops, device: torch.device) -> dict[str, Scores]:
    """Logits of both tasks for `crops`, (N, 2) and (N, 6)."""
    return {
        task: logits_of(
            load_network(recipe.architecture, classes, weights_path(run, task), device),
            crops.images,
            recipe.mean,
            recipe.std,
            recipe.staging.batch,
        )
        for task, classes in CLASSES.items()
    }


def calibrated(logits: Mapping[str, Scores], stages: NDArray[np.int64]) -> Calibration:
    """Choose temperatures and operating points on validation hands, by likelihood and Youden's J."""
    heat = {
        "recognition": temperature(logits["recognition"], (stages > 0).astype(np.int64)),
        "staging": temperature(logits["staging"], stages),
    }
    diseased = softmax(logits["recognition"] / heat["recognition"])[:, 1]
    staged = softmax(logits["staging"] / heat["staging"])
    points = tuple(youden_threshold(stages == k, staged[:, k]) for k in STAGES)
    return Calibration(heat["recognition"], heat["staging"], youden_threshold(stages > 0, diseased), points)


def evaluated(
    logits: Mapping[str, Scores], crops: Crops, calibration: Calibration, seed: int, resamples: int = 1000
) -> Evaluation:
    """All figures of a group of hands with 95 % intervals over its patients."""
    diseased = softmax(logits["recognition"] / calibration.recognition_temperature)
    staged = softmax(logits["staging"] / calibration.staging_temperature)
    points = np.array(calibration.class_thresholds)
    stages = crops.stages

    def recognition(k: NDArray[np.intp]) -> dict[str, float]:
        return recognition_figures(stages[k], diseased[k, 1], calibration.threshold)

    def staging(k: NDArray[np.intp]) -> dict[str, float]:
        return staging_figures(stages[k], staged[k], points)

    rng = np.random.default_rng(seed)
    return Evaluation(
        hands=len(crops),
        patients=len(np.unique(crops.patients)),
        recognition=with_intervals(recognition, crops.patients, rng, resamples),
        staging=with_intervals(staging, crops.patients, rng, resamples),
        confusion=confusion(stages, staged.argmax(axis=1), len(STAGES)).tolist(),
        calibration_error={
            "recognition": expected_calibration_error(diseased, (stages > 0).astype(np.int64)),
            "staging": expected_calibration_error(staged, stages),
        },
    )


def unedited_figures(
    logits: Mapping[str, Scores], crops: Crops, calibration: Calibration, seed: int
) -> dict[str, Interval]:
    """How often real healthy hands, never touched by the simulation, are called healthy."""
    diseased = softmax(logits["recognition"] / calibration.recognition_temperature)[:, 1]
    staged = softmax(logits["staging"] / calibration.staging_temperature).argmax(axis=1)

    def figures(k: NDArray[np.intp]) -> dict[str, float]:
        return {
            "specificity": float((diseased[k] < calibration.threshold).mean()),
            "called_stage_0": float((staged[k] == 0).mean()),
        }

    return with_intervals(figures, crops.patients, np.random.default_rng(seed))
