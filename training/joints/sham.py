"""Sham test: measures whether a classifier distinguishes joints edited without disease from unedited ones.

For each kind of joint, and for whole hands by the mean score of their joints, which is more sensitive.
"""

from __future__ import annotations

from itertools import islice

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ra_node.domain.joints import JOINTS
from ra_node.imaging.pixels import read_png
from training.data.dataset import SourceHand, read_source
from training.evaluation.metrics import Interval, auc, with_intervals
from training.joints.hands import crops_of
from training.joints.run import JointSource
from training.recipes.joints import JointRecipe
from training.simulation.lesions import joint_frames, joint_stages, simulate_joints

GRID = 24
"""Features are pooled to GRID x GRID fields: low-resolution picture, and energy of its high frequencies."""

Crops = NDArray[np.uint8]
"""(hands, 13, side, side)"""


def joint_pairs(recipe: JointRecipe, source: JointSource, stage: int, hands: int) -> tuple[Crops, Crops]:
    """Joints of the same hands without and with the edits of a stage, each detected in its own picture.

    That is how training and node crop them. Every diseased joint has the stage itself, none a lower one;
    hands without all joints are left out.
    """
    assert source.radiographs is not None
    made = (_pair(recipe, source, hand, stage) for hand in read_source(source.radiographs))
    pairs = list(islice((pair for pair in made if pair is not None), hands))
    return np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs])


def joints_told_apart(
    untouched: Crops, edited: Crops, seed: int, resamples: int = 500
) -> dict[str, Interval]:
    """AUC of logistic regression over five folds by patient, by kind of joint and of all; 0.5 is chance."""
    count = len(untouched)
    patients = np.tile(np.arange(count), 2)
    touched = np.repeat([False, True], count)
    order = np.random.default_rng(seed).permutation(count)
    scores = {
        name: _scores(np.concatenate([untouched[:, at], edited[:, at]]), touched, order[patients])
        for at, name in enumerate(JOINTS)
    }
    scores["all joints of a hand"] = np.mean(list(scores.values()), axis=0)

    def figures(k: NDArray[np.intp]) -> dict[str, float]:
        return {name: auc(touched[k], found[k]) for name, found in scores.items()}

    rng = np.random.default_rng(seed)
    return with_intervals(figures, patients.astype(np.str_), rng, resamples)


def _scores(crops: Crops, touched: NDArray[np.bool_], people: NDArray[np.intp]) -> NDArray[np.float64]:
    """Score of each crop (N, side, side) as edited, by a probe trained without its patient."""
    features = np.stack([_features(crop) for crop in crops])
    scores = np.zeros(len(crops))
    for learn, judge in GroupKFold(5).split(features, touched, people):
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
        probe.fit(features[learn], touched[learn])
        found = probe.decision_function(features[judge])
        scores[judge] = (found - found.mean()) / max(float(found.std()), 1e-9)
    return scores


def _features(crop: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Pooled grey levels, and pooled energy of high frequencies, which resampling would reduce."""
    grey = crop.astype(np.float32)
    grain = np.abs(grey - cv2.GaussianBlur(grey, (0, 0), 1.0))
    fields = [cv2.resize(part, (GRID, GRID), interpolation=cv2.INTER_AREA) for part in (grey, grain)]
    return np.asarray(np.log1p(np.concatenate([field.ravel() for field in fields])), np.float64)


def _pair(
    recipe: JointRecipe, source: JointSource, hand: SourceHand, stage: int
) -> tuple[Crops, Crops] | None:
    values, points = read_png(hand.path).values, hand.joints
    rng = np.random.default_rng((recipe.hands.seed, int(hand.patient), stage))
    drawn = joint_stages(stage, sorted(joint_frames(points)), rng)
    changed = simulate_joints(values, points, {name: stage if s else 0 for name, s in drawn.items()}, rng)
    cut = [crops_of(image, source.detector().opened(), points, recipe.side_px) for image in (values, changed)]
    if any(len(one) < len(JOINTS) for one in cut):
        return None
    first, second = (np.stack([one[name] for name in JOINTS]) for one in cut)
    return first, second
