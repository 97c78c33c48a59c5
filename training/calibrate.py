"""Turns logits into honest probabilities with one number, chosen on validation hands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ra_node.inference.network import softmax


def temperature(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The divisor of logits (N, classes), 0.1 to 10, with the least negative log likelihood."""
    choices = np.exp(np.linspace(np.log(0.1), np.log(10), 401))
    return float(choices[int(np.argmin([_loss(logits / choice, labels) for choice in choices]))])


def expected_calibration_error(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], bins: int = 10
) -> float:
    """Mean gap between confidence and accuracy over equal bins of confidence, weighted by hands."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(float(confidence[place == k].mean() - right[place == k].mean())) * float((place == k).mean())
        for k in range(bins)
        if (place == k).any()
    ]
    return float(sum(gaps))


def _loss(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    likelihood = softmax(logits)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(likelihood, 1e-12)).mean())
