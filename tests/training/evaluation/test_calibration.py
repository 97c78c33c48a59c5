"""Calibration: temperatures and offsets by class, chosen on hands other than those of the figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ra_node.errors import Fatal
from ra_node.inference.networks.softmax import softmax
from training.evaluation.calibration import (
    expected_calibration_error,
    log_odds,
    reliability,
    scaling,
    temperature,
)
from training.evaluation.evaluate import seen
from training.evaluation.metrics import auc
from training.evaluation.task_calibration import (
    CLASSES,
    calibrated,
    calibrated_run,
    deciding_splits,
    points_of,
)


def drawn(factor: float, count: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are `factor` too large for the labels that were drawn from them."""
    rng = np.random.default_rng(0)
    honest = rng.normal(0, 1.5, (count, 3))
    labels = np.array([rng.choice(3, p=row) for row in softmax(honest)])
    return honest * factor, labels


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_over_and_under_confidence(factor: float) -> None:
    assert temperature(*drawn(factor)).temperature == pytest.approx(factor, rel=0.1)


def test_calibration_error_falls_when_the_temperature_is_applied() -> None:
    logits, labels = drawn(3.0)
    before = expected_calibration_error(softmax(logits), labels)
    after = expected_calibration_error(temperature(logits, labels).probabilities(logits), labels)
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


def hands_of(learnt: Sequence[int], kept: Sequence[int], judged: Sequence[int]) -> list[np.ndarray]:
    """Stages, splits and patients: one hand a patient."""
    stages = np.array([*learnt, *kept, *judged])
    splits = np.repeat(["tune", "validation", "held-out"], [len(learnt), len(kept), len(judged)])
    return [stages, splits, np.array([f"p{k}" for k in range(len(stages))])]


@pytest.mark.parametrize(
    ("learnt", "kept", "judged", "recognition", "staging"),
    [
        (range(6), list(range(6)) * 17, (), "validation", "validation"),
        (range(6), range(6), list(range(6)) * 9, "cross-fitted", "cross-fitted"),
        (range(6), (0, 3), list(range(6)) * 9, "cross-fitted", "cross-fitted"),
        (range(6), [0, 1, 2, 3] * 30, list(range(6)) * 9, "validation", "cross-fitted"),
        (range(6), (0, 3), (0, 3), "cross-fitted", "tune"),
        (range(6), range(1, 6), range(1, 6), "tune", "tune"),
        (range(5), range(5), (), "cross-fitted", "cross-fitted"),
        (range(6), (), list(range(6)) * 9, "tune", "tune"),
    ],
)
def test_few_validation_hands_calibrate_together_with_the_held_out_ones_by_cross_fitting(
    learnt: Sequence[int], kept: Sequence[int], judged: Sequence[int], recognition: str, staging: str
) -> None:
    """A task needs hands of all its classes; a preset without validation hands stays as in the paper."""
    found = deciding_splits(*hands_of(learnt, kept, judged))
    assert found == {"recognition": recognition, "staging": staging}


def test_no_hand_influences_its_own_cross_fitted_calibration() -> None:
    """Other labels of one patient's hand leave its own probabilities and operating points as they are."""
    stages, splits, patients = hands_of(range(6), range(6), list(range(6)) * 9)
    logits = logits_of(stages)
    found = calibrated_run(logits, stages, splits, patients)
    changed = stages.copy()
    changed[-1] = 0
    other = calibrated_run(logits, changed, splits, patients)
    assert found != other
    last, rest = patients[-1:], patients[12:-1]
    for task, scores in logits.items():
        own = [one.probabilities(task, scores[-1:], last) for one in (found, other)]
        assert np.array_equal(*own)
        assert not np.array_equal(*[one.probabilities(task, scores[12:-1], rest) for one in (found, other)])
    assert points_of(found, last).recognition == points_of(other, last).recognition


def test_offsets_correct_a_network_that_calls_one_class_too_often() -> None:
    """A temperature alone does not: 58 of 107 hands of stage 4 were called 5."""
    logits, labels = drawn(1.0)
    wrong = logits + np.array([0.0, 0.0, 1.5])
    by_temperature = temperature(wrong, labels).probabilities(wrong)
    by_both = scaling(wrong, labels).probabilities(wrong)
    assert (
        expected_calibration_error(by_both, labels)
        < 0.03
        < expected_calibration_error(by_temperature, labels)
    )
    called = [(found.argmax(axis=1) == 2).mean() for found in (by_temperature, by_both)]
    assert called[1] == pytest.approx((logits.argmax(axis=1) == 2).mean(), abs=0.03) != called[0]


def test_offsets_of_stages_leave_the_boundary_between_normal_and_stage_1() -> None:
    """Recognition decides it; the offset of a task of two classes is free."""
    stages = np.tile(np.arange(6), 60)
    logits = logits_of(stages)
    found = scaling(logits["staging"] + np.array([1.0, 0, 0, 0, 0, 1.5]), stages)
    assert found.offsets[0] == found.offsets[1]
    assert found.offsets[5] < -0.5
    assert (
        scaling(logits["recognition"] + np.array([2.0, 0.0]), (stages > 0).astype(np.int64)).offsets[0] < -0.5
    )


def test_few_hands_hardly_move_the_offsets_and_an_absent_class_has_none() -> None:
    logits, labels = drawn(1.0, count=40)
    few = scaling(logits[labels != 1], labels[labels != 1])
    assert few.offsets[1] == 0.0
    assert max(map(abs, few.offsets)) < 1.0
    assert few.shares[1] == 0.0
    assert sum(few.shares) == pytest.approx(1.0)


def test_few_hands_get_no_offsets_so_that_folds_do_not_turn_the_ranking_round() -> None:
    """With offsets the AUC of 18 held-out hands by a network that knows nothing fell to 0.2."""
    few, many = np.tile(np.arange(6), 49), np.tile(np.arange(6), 50)
    assert not calibrated(logits_of(few), both(few)).staging.offsets
    assert calibrated(logits_of(many), both(many)).staging.offsets
    stages, splits, patients = hands_of(range(6), range(6), list(range(6)) * 20)
    blind = {task: np.random.default_rng(2).normal(size=(len(stages), n)) for task, n in CLASSES.items()}
    found = calibrated_run(blind, stages, splits, patients)
    judged = splits == "held-out"
    ill = found.probabilities("recognition", blind["recognition"][judged], patients[judged])[:, 1]
    raw = blind["recognition"][judged, 1] - blind["recognition"][judged, 0]
    assert auc(stages[judged] > 0, ill) == pytest.approx(auc(stages[judged] > 0, raw), abs=0.08)


def test_an_auc_ranks_hands_by_their_logits_and_not_by_their_fold() -> None:
    """Each fold has its own offsets: probabilities of a network that knows nothing rank hands against it."""
    stages, splits, patients = hands_of(range(6), range(6), list(range(6)) * 80)
    blind = {task: np.random.default_rng(2).normal(size=(len(stages), n)) for task, n in CLASSES.items()}
    found = calibrated_run(blind, stages, splits, patients)
    assert all(one.staging.offsets for one in found.folds)
    hands = seen(blind, stages, patients, found)
    margin = blind["recognition"][:, 1] - blind["recognition"][:, 0]
    assert auc(stages > 0, hands.disease_order) == auc(stages > 0, margin)
    raw = softmax(blind["staging"])
    for stage in range(6):
        ranked = auc(stages == stage, hands.stage_order[:, stage])
        assert ranked == pytest.approx(auc(stages == stage, raw[:, stage]), abs=1e-12)
        assert auc(stages == stage, hands.staged[:, stage]) < ranked


def test_log_odds_rank_hands_whose_probabilities_are_both_one() -> None:
    sure = log_odds(np.array([[0.0, 90.0], [0.0, 80.0]]))
    assert sure[0, 1] > sure[1, 1] == pytest.approx(80.0)


def test_the_logits_of_probabilities_are_those_that_give_them() -> None:
    logits, labels = drawn(2.0, count=200)
    found = scaling(logits, labels)
    given = found.probabilities(logits)
    assert found.probabilities(found.logits(given)) == pytest.approx(given, abs=1e-9)


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
    learnt = calibrated(logits_of(many), both(many), None, {"recognition": "tune", "staging": "tune"})
    assert found.class_thresholds == learnt.class_thresholds
    assert not found.staging.offsets


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
