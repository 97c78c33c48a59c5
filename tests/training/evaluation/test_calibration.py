"""One temperature makes over-confident logits honest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ra_node.errors import Fatal
from ra_node.inference.networks.loaded_network import softmax
from training.evaluation.calibration import expected_calibration_error, reliability, temperature
from training.evaluation.evaluate import calibrated, deciding_splits, seen


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


@pytest.mark.parametrize(
    ("learnt", "kept", "recognition", "staging"),
    [
        (range(6), range(6), "validation", "validation"),
        (range(6), (0, 3), "validation", "tune"),
        (range(6), range(1, 6), "tune", "tune"),
        (range(5), range(5), "validation", "validation"),
        (range(6), (), "tune", "tune"),
    ],
)
def test_validation_hands_decide_for_each_task_that_has_all_its_classes_among_them(
    learnt: Sequence[int], kept: Sequence[int], recognition: str, staging: str
) -> None:
    """A class without hands has no threshold; a stage that nothing learnt needs none."""
    stages = np.array([*learnt, *kept])
    splits = np.array(["tune"] * len(learnt) + ["validation"] * len(kept))
    assert deciding_splits(stages, splits) == {"recognition": recognition, "staging": staging}


def logits_of(stages: np.ndarray) -> dict[str, np.ndarray]:
    seen = stages + np.random.default_rng(1).normal(0, 0.7, len(stages))
    return {
        "recognition": np.stack([0.5 - seen, seen - 0.5], axis=1),
        "staging": -np.abs(seen[:, None] - np.arange(6)),
    }


def test_each_task_is_calibrated_on_hands_of_its_own() -> None:
    few, many = np.array([0, 3, 0, 4]), np.tile(np.arange(6), 4)
    logits = {"recognition": logits_of(few)["recognition"], "staging": logits_of(many)["staging"]}
    found = calibrated(
        logits, {"recognition": few, "staging": many}, None, {"recognition": "validation", "staging": "tune"}
    )
    assert (found.chosen_on, found.staging_chosen_on) == ("validation", "tune")
    assert found.threshold == calibrated(logits_of(few), both(few)).threshold
    assert found.class_thresholds == calibrated(logits_of(many), both(many)).class_thresholds


def test_a_stage_without_hands_is_never_called_on_its_own() -> None:
    stages = np.tile(np.arange(5), 4)
    assert calibrated(logits_of(stages), both(stages)).class_thresholds[5] == 1.0


def test_hands_that_are_all_ill_calibrate_nothing() -> None:
    stages = np.array([1, 2, 3])
    with pytest.raises(Fatal, match="expected normal and diseased hands to calibrate on, found 3 of 3 ill"):
        calibrated(logits_of(stages), both(stages))


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_score_that_is_no_number_fails_with_the_hand(wrong: float) -> None:
    """NaN would be ranked above every other score, and an AUC would look the better for it."""
    stages = np.tile(np.arange(6), 2)
    logits = logits_of(stages)
    calibration = calibrated(logits, both(stages))
    logits["staging"][7, 2] = wrong
    patients = np.array([f"p{k}" for k in range(12)])
    with pytest.raises(
        Fatal, match=r"staging: expected finite scores .* found 1 of 12 .* hand 8, patient p7"
    ):
        seen(logits, stages, patients, calibration)
    with pytest.raises(Fatal, match="staging: expected finite scores"):
        calibrated(logits, both(stages))


def both(stages: np.ndarray) -> dict[str, np.ndarray]:
    return {"recognition": stages, "staging": stages}
