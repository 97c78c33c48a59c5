"""Temperature scaling of logits, chosen on validation hands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ra_node.inference.networks.loaded_network import softmax
from training.evaluation.metrics import Interval, exact_share


def temperature(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The divisor of logits (N, classes), 0.1 to 10, with the least negative log likelihood."""
    choices = np.exp(np.linspace(np.log(0.1), np.log(10), 401))
    return float(choices[int(np.argmin([_loss(logits / choice, labels) for choice in choices]))])


@dataclass(frozen=True, slots=True)
class Bin:
    """A bin of hands with similar predicted probability."""

    claimed: float
    """Mean predicted probability."""
    held: Interval
    """Observed frequency, with its exact interval."""
    hands: int


def reliability(
    claimed: NDArray[np.float64],
    held: NDArray[np.bool_],
    patients: NDArray[np.str_] | None = None,
    bins: int = 10,
) -> list[Bin]:
    """Group predicted probabilities (N,) in equal bins, without empty ones, with observed frequencies.

    Without `patients` (N,) every hand is a patient of its own.
    """
    people = np.arange(len(claimed)).astype(np.str_) if patients is None else patients
    place = np.minimum((claimed * bins).astype(int), bins - 1)
    parts = [place == k for k in range(bins) if (place == k).any()]
    return [
        Bin(float(claimed[part].mean()), exact_share(held[part], people[part]), int(part.sum()))
        for part in parts
    ]


def claims(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Predicted probability and outcome from probabilities (N, classes).

    Of two classes the probability of the second; of more, that of the most probable class.
    """
    if probabilities.shape[1] == 2:
        return probabilities[:, 1], labels == 1
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == labels


def expected_calibration_error(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], bins: int = 10
) -> float:
    """Expected calibration error: mean gap between `claims` and observed frequency, weighted by hands."""
    claimed, held = claims(probabilities, labels)
    place = np.minimum((claimed * bins).astype(int), bins - 1)
    gaps = np.bincount(place, weights=claimed - held, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


def _loss(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    likelihood = softmax(logits)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(likelihood, 1e-12)).mean())
