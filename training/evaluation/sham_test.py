"""Sham test: measures whether a classifier distinguishes healthy edited hands from unedited ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ra_node.imaging.hand_detection import HandFinder
from training.data.dataset import SourceHand, hand_pair
from training.evaluation.metrics import Interval, auc, with_intervals
from training.recipes.classifier import Recipe

GRID = 28
"""Features are pooled to GRID x GRID fields: coarse picture, and the energy of its fine grain."""


@dataclass(frozen=True, slots=True)
class Separability:
    """AUC of a probe that separates the second group of hands from the first; 0.5 is chance."""

    patients: int
    auc: Interval


def pairs(
    sources: Sequence[SourceHand],
    recipe: Recipe,
    stage: int,
    finder: HandFinder,
    report: Callable[[int, int], None],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Crops of hands without and with the edits of a stage (0 is the sham), both (N, side, side).

    Both are resampled in the same way, so that they differ by the edits only.
    """
    untouched, edited = [], []
    for done, hand in enumerate(sources):
        first, second = hand_pair(hand, recipe, stage, finder)
        untouched.append(first)
        edited.append(second)
        report(done + 1, len(sources))
    return np.stack(untouched), np.stack(edited)


def told_apart(
    untouched: NDArray[np.uint8], edited: NDArray[np.uint8], seed: int, resamples: int = 1000
) -> Separability:
    """AUC of logistic regression over five folds by patient, with its interval over patients.

    Row k of both groups is the same patient and lies in the same fold.
    """
    patients = np.tile(np.arange(len(untouched)), 2)
    features = np.stack([_features(crop) for crop in np.concatenate([untouched, edited])])
    touched = np.repeat([False, True], len(untouched))
    order = np.random.default_rng(seed).permutation(len(untouched))
    scores = np.zeros(len(features))
    for learn, judge in GroupKFold(5).split(features, touched, order[patients]):
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
        probe.fit(features[learn], touched[learn])
        # scores of two folds are comparable only after subtracting the mean of each
        found = probe.decision_function(features[judge])
        scores[judge] = (found - found.mean()) / found.std()

    def figures(k: NDArray[np.intp]) -> dict[str, float]:
        return {"auc": auc(touched[k], scores[k])}

    rng = np.random.default_rng(seed)
    return Separability(
        len(untouched), with_intervals(figures, patients.astype(np.str_), rng, resamples)["auc"]
    )


def _features(crop: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Features: mean grey level and high-frequency energy by region, which resampling would reduce."""
    grey = crop.astype(np.float32)
    grain = np.abs(grey - cv2.GaussianBlur(grey, (0, 0), 1.0))
    fields = [cv2.resize(part, (GRID, GRID), interpolation=cv2.INTER_AREA) for part in (grey, grain)]
    return np.asarray(np.log1p(np.concatenate([field.ravel() for field in fields])), np.float64)
