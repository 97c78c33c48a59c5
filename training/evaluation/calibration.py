"""Calibration of logits: a temperature, and an offset for each class (bias-corrected temperature scaling)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

from ra_node.inference.networks.softmax import softmax
from training.evaluation.metrics import Interval, exact_share

OFFSET_SPREAD = 1.0
"""Standard deviation of the normal prior of the offsets, which few hands hardly move from 0."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """Calibration of one task: probabilities are the softmax of logits / temperature + offsets."""

    temperature: float
    offsets: tuple[float, ...] = ()
    """One for each class, added to its logit; empty: none.

    One temperature cannot correct a network that calls one class too often: 58 of 107 hands of stage 4 were
    called 5, with an error (ECE) of 0.107.
    """
    shares: tuple[float, ...] = ()
    """Share of each class among the hands of the calibration, at which probabilities are true."""

    def probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated probabilities (N, classes) of logits (N, classes)."""
        return softmax(logits / self.temperature + (np.array(self.offsets) if self.offsets else 0.0))

    def order(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """`log_odds` (N, classes) at this temperature, without offsets: comparable between networks."""
        return log_odds(logits / self.temperature)

    def logits(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logits with these calibrated probabilities, which must not be 0."""
        offsets = np.array(self.offsets) if self.offsets else 0.0
        return np.asarray((np.log(probabilities) - offsets) * self.temperature, np.float64)


def log_odds(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds (N, classes) of each class against all others, by which an AUC ranks hands.

    Not calibrated: where folds have their own temperature and offsets, hands of different folds with equal
    logits get different probabilities, which would rank them by their fold.
    """
    others = np.stack([np.delete(logits, k, axis=1) for k in range(logits.shape[1])], axis=1)
    return np.asarray(logits - logsumexp(others, axis=2), np.float64)


RAW = Scaling(1.0)
"""No calibration."""


def temperature(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> Scaling:
    """The temperature, 0.1 to 10, with the least negative log-likelihood of labels (N,), without offsets."""
    choices = np.exp(np.linspace(np.log(0.1), np.log(10), 401))
    best = float(choices[int(np.argmin([_loss(Scaling(one), logits, labels) for one in choices]))])
    return Scaling(best, shares=_shares(labels, logits.shape[1]))


def scaling(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> Scaling:
    """The temperature and offsets with the highest posterior for labels (N,).

    The offset of a class without a hand is 0, as is the mean of the others, so that it is about as likely as
    the network says. Of several stages, normal has the offset of stage 1: recognition decides whether a hand
    is normal. With an offset of its own, staging called 5 of 18 healthy drawn hands stage 1, which
    recognition called normal: inconclusive.
    """
    start = temperature(logits, labels).temperature
    present = np.isin(np.arange(logits.shape[1]), labels)

    def found(parameters: NDArray[np.float64]) -> Scaling:
        free = parameters[1:].copy()
        if len(free) > 2:
            free[0] = free[1]
        offsets = np.where(present, free - free[present].mean(), 0.0)
        return Scaling(float(np.exp(parameters[0])), tuple(map(float, offsets)))

    def loss(parameters: NDArray[np.float64]) -> float:
        prior = float((parameters[1:] ** 2).sum()) / (2 * OFFSET_SPREAD**2 * len(labels))
        return _loss(found(parameters), logits, labels) + prior

    bounds = [(np.log(0.1), np.log(10.0)), *[(-5.0, 5.0)] * logits.shape[1]]
    first = np.array([np.log(start), *np.zeros(logits.shape[1])])
    best = found(minimize(loss, first, method="L-BFGS-B", bounds=bounds).x)
    return replace(best, shares=_shares(labels, logits.shape[1]))


def offsets_in_words(scaled: Scaling) -> str:
    """The offsets as text; empty without any."""
    return " ".join(f"{one:+.2f}" for one in scaled.offsets)


def _shares(labels: NDArray[np.int64], classes: int) -> tuple[float, ...]:
    counts = np.bincount(labels, minlength=classes)
    return tuple(float(count / max(len(labels), 1)) for count in counts)


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


def _loss(scaled: Scaling, logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    likelihood = scaled.probabilities(logits)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(likelihood, 1e-12)).mean())
