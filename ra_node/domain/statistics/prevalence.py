"""The probability of disease at another prevalence than that of the calibration (Bayes' theorem)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Posterior:
    """A probability of disease at a stated prevalence, both 0 to 1."""

    prevalence: float
    probability: float


def posterior(probability: float, share: float, prevalence: float) -> Posterior:
    """Restate a probability that was calibrated where `share` of the hands were diseased.

    The likelihood ratio of the hand stays the same. Raises ValueError unless share and prevalence are within
    0 to 1.
    """
    if not (0 < share < 1 and 0 < prevalence < 1):
        raise ValueError(f"expected shares between 0 and 1, found {share} and {prevalence}")
    ill = probability * prevalence / share
    well = (1 - probability) * (1 - prevalence) / (1 - share)
    return Posterior(prevalence, ill / (ill + well))
