"""One temperature makes over-confident logits honest."""

from __future__ import annotations

import numpy as np
import pytest

from ra_node.inference.networks.loaded_network import softmax
from training.evaluation.calibration import expected_calibration_error, reliability, temperature
from training.evaluation.evaluate import deciding_split


def drawn(factor: float, count: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are `factor` too large for the labels that were drawn from them."""
    rng = np.random.default_rng(0)
    honest = rng.normal(0, 1.5, (count, 3))
    labels = np.array([rng.choice(3, p=row) for row in softmax(honest)])
    return honest * factor, labels


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_over_and_under_confidence(factor: float) -> None:
    assert temperature(*drawn(factor)) == pytest.approx(factor, rel=0.1)


def test_calibration_error_falls_when_the_temperature_is_applied() -> None:
    logits, labels = drawn(3.0)
    before = expected_calibration_error(softmax(logits), labels)
    after = expected_calibration_error(softmax(logits / temperature(logits, labels)), labels)
    assert after < 0.04 < before


def test_reliability_bins_hold_every_hand_once_beside_what_was_claimed() -> None:
    claimed, held = np.array([0.05, 0.95, 1.0, 0.97, 0.55]), np.array([False, True, True, False, True])
    bins = reliability(claimed, held)
    assert [(one.hands, round(one.held[0], 3)) for one in bins] == [(1, 0.0), (1, 1.0), (3, 0.667)]
    assert bins[-1].claimed == pytest.approx((0.95 + 1.0 + 0.97) / 3)


def test_of_two_classes_the_error_is_that_of_the_probability_of_disease() -> None:
    """A certain and wrong "healthy" counts like a certain and wrong "diseased"."""
    probabilities = np.array([[0.9, 0.1]] * 10)
    assert expected_calibration_error(probabilities, np.array([1] * 4 + [0] * 6)) == pytest.approx(0.3)


@pytest.mark.parametrize(("kept", "split"), [(range(6), "validation"), (range(1, 6), "tune")])
def test_validation_hands_decide_only_where_every_stage_is_among_them(kept: range, split: str) -> None:
    """A class without hands has no threshold."""
    stages = np.array([*range(6), *kept])
    splits = np.array(["tune"] * 6 + ["validation"] * len(kept))
    assert deciding_split(stages, splits) == split
