"""One temperature makes over-confident logits honest."""

from __future__ import annotations

import numpy as np
import pytest

from ra_node.inference.network import softmax
from training.calibrate import expected_calibration_error, temperature


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
