"""Calibrates the joint task on validation hands: one temperature a kind of joint, and one operating point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ra_node.domain.joints import JOINTS
from ra_node.inference.joint_grader import calibrated
from training.joints.hands import UNKNOWN, JointHands

HEALTHY_SHARE = 0.97
"""Least specificity by hand: share of healthy validation hands without a diseased joint."""

LEAST_THRESHOLD = 0.5

BORROWED = 60
"""Shrinkage of a kind's temperature to that of all joints, as a number of joints of the kind."""

_CHOICES = np.exp(np.linspace(np.log(0.3), np.log(4), 121))


@dataclass(frozen=True, slots=True)
class JointCalibration:
    """Parameters chosen on validation hands."""

    temperatures: tuple[float, ...]
    """Temperature of each kind, in the order of `JOINTS`."""
    threshold: float
    chosen_on: str = "validation hands"
    """The hands used for calibration, in words."""

    def probabilities(self, log: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated probabilities (N, 13, 6) of log-probabilities (N, 13, 6)."""
        heat = np.broadcast_to(np.array(self.temperatures), log.shape[:2])
        return calibrated(log.reshape(-1, log.shape[2]), heat.reshape(-1)).reshape(log.shape)


def calibrate(log: NDArray[np.float64], hands: JointHands) -> JointCalibration:
    """Fit temperatures by likelihood, and choose the operating point on healthy hands."""
    labels = np.where(hands.seen, hands.joint_stages, UNKNOWN)
    losses = np.array([_losses(log, labels, choice) for choice in _CHOICES])
    counts = (labels != UNKNOWN).sum(axis=0)
    mean = losses.sum(axis=1) / max(int(counts.sum()), 1)
    temperatures = tuple(
        float(_CHOICES[int(np.argmin(losses[:, kind] + BORROWED * mean))]) for kind in range(len(JOINTS))
    )
    chosen = JointCalibration(temperatures, LEAST_THRESHOLD)
    healthy = hands.stages == 0
    highest = highest_probability(chosen.probabilities(log[healthy]), hands.seen[healthy])
    return JointCalibration(temperatures, _threshold(highest))


def highest_probability(probabilities: NDArray[np.float64], seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The highest probability of disease (N,) among the detected joints; 0 without any."""
    return np.asarray(np.where(seen, 1 - probabilities[:, :, 0], 0.0).max(axis=1, initial=0.0), np.float64)


def joint_calls(
    probabilities: NDArray[np.float64], seen: NDArray[np.bool_], threshold: float
) -> NDArray[np.int64]:
    """Stages (N, 13) as in the node: 0 below the operating point, else the likeliest from 1 on."""
    likeliest = probabilities[:, :, 1:].argmax(axis=2) + 1
    called = np.where(1 - probabilities[:, :, 0] < threshold, 0, likeliest)
    return np.where(seen, called, 0).astype(np.int64)


def _losses(log: NDArray[np.float64], labels: NDArray[np.int64], temperature: float) -> NDArray[np.float64]:
    """Negative log-likelihood of the labelled joints by kind (13,)."""
    raised = (log - log.max(axis=2, keepdims=True)) / temperature
    raised = raised - np.log(np.exp(raised).sum(axis=2, keepdims=True))
    held = np.take_along_axis(raised, np.maximum(labels, 0)[:, :, None], axis=2)[:, :, 0]
    return np.asarray(-(held * (labels != UNKNOWN)).sum(axis=0), np.float64)


def _threshold(highest: NDArray[np.float64]) -> float:
    """The lowest operating point with a specificity of `HEALTHY_SHARE`, half-way to the next score."""
    if not len(highest):
        return LEAST_THRESHOLD
    ranked = np.sort(highest)
    allowed = int(np.floor((1 - HEALTHY_SHARE) * len(ranked)))
    last = ranked[len(ranked) - 1 - allowed]
    above = ranked[ranked > last]
    wanted = (last + above.min()) / 2 if len(above) else (last + 1) / 2
    return float(max(LEAST_THRESHOLD, wanted))
