"""Figures of joints come with intervals, and any two runs can be set against each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ra_node.errors import Fatal
from tests.training.joints.builders import joint_hands, joint_recipe
from training.evaluation.metrics import clopper_pearson
from training.evaluation.paired import differences, refuse_other_hands
from training.joints.evaluate import (
    JointPredictions,
    calibrated_rows,
    calibration_of,
    highest_joint,
    keep_figures,
    kept_figures,
    load_predictions,
    measured,
    predictions,
)
from training.joints.hands import joined
from training.joints.train import train_joints


def made(sure: float, count: int = 60, shift: int = 0) -> JointPredictions:
    """Predictions that are right, and `sure` of it; `shift` calls all joints so many stages higher."""
    hands = joint_hands(count, "held-out")
    log = np.zeros((count, 13, 6))
    rows, columns = np.indices(hands.joint_stages.shape)
    log[rows, columns, np.minimum(hands.joint_stages + shift, 5)] = sure
    log -= np.log(np.exp(log).sum(axis=2, keepdims=True))
    return JointPredictions(
        log,
        *(hands.seen, hands.joint_stages, hands.stages, hands.patients, hands.splits, hands.origins),
        key="",
    )


def test_right_joints_give_right_hands() -> None:
    found = measured(made(6.0), calibrated_rows(made(6.0)), resamples=20)["simulated"]
    for name in ("quadratic_kappa", "accuracy", "plain_maximum_accuracy", "joint_accuracy", "auc"):
        assert found[name][0] == pytest.approx(1)
    assert found["top_joint_has_the_highest_stage"][0] == 1
    assert found["healthy hands without a joint above stage 0"][0] == 1
    rarest = len({one for one, stage in zip(made(6.0).patients, made(6.0).stages, strict=True) if stage == 0})
    assert found["auc"][1] == pytest.approx(clopper_pearson(rarest, rarest)[1])


def test_the_highest_joint_is_what_paired_figures_count() -> None:
    """Whatever the distribution of the others says, the call is that of the plain maximum."""
    right, high = (
        highest_joint(one, one.rows("held-out", "simulated")) for one in (made(2.0), made(2.0, shift=1))
    )
    assert np.array_equal(right.called, right.stages)
    assert np.array_equal(high.called, np.minimum(high.stages + 1, 5))
    refuse_other_hands(right, high, ("a", "b"))
    [accuracy] = [one for one in differences(right, high, resamples=50) if one.figure == "accuracy"]
    assert accuracy.base == 1
    assert accuracy.difference[2] < 0


def test_predictions_are_made_once_and_kept(tmp_path: Path) -> None:
    hands = joined([joint_hands(6), joint_hands(6, "validation", 1), joint_hands(6, "held-out", 2)])
    train_joints(joint_recipe(epochs=1), hands, tmp_path, lambda _text: None)
    first = predictions(tmp_path, hands)
    assert set(first.splits) == {"validation", "held-out"}
    kept = (tmp_path / "predictions.npz").stat().st_mtime_ns
    assert np.array_equal(predictions(tmp_path, hands).log, first.log)
    assert (tmp_path / "predictions.npz").stat().st_mtime_ns == kept
    assert load_predictions(tmp_path).key == first.key
    keep_figures(tmp_path, calibration_of(first), measured(first, calibrated_rows(first), resamples=5))
    calibration, figures = kept_figures(tmp_path)
    assert calibration == calibration_of(first)
    assert "quadratic_kappa" in figures["simulated"]


def test_without_validation_hands_each_patient_is_calibrated_by_the_others() -> None:
    """A patient whose labels are nonsense changes the calibration of all others, and not its own."""
    plain = made(3.0)
    wrong = JointPredictions(
        plain.log,
        plain.seen,
        np.where(plain.patients[:, None] == plain.patients[0], 5, plain.joint_stages),
        *(plain.stages, plain.patients, plain.splits, plain.origins),
        key="",
    )
    one, other = calibrated_rows(plain), calibrated_rows(wrong)
    assert np.allclose(one.shares[0], other.shares[0])
    assert not np.allclose(one.shares[1:], other.shares[1:])


def test_a_run_without_predictions_or_figures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"expected predictions\.npz"):
        load_predictions(tmp_path)
    with pytest.raises(Fatal, match="expected a measured joint run"):
        kept_figures(tmp_path)


def test_drawn_hands_calibrate_only_where_there_are_no_others() -> None:
    """Another truth of drawn hands changes neither the calibration nor any figure of the real ones."""
    mixed = made(1.5, 40)
    drawn = np.arange(40) >= 24
    origins = np.where(drawn, "phantom", "simulated")
    wrong = np.where(drawn[:, None], 5 - mixed.joint_stages, mixed.joint_stages)
    one, other = (
        replace(mixed, origins=origins, joint_stages=truth) for truth in (mixed.joint_stages, wrong)
    )
    assert calibration_of(one) == calibration_of(other)
    assert np.array_equal(calibrated_rows(one).shares, calibrated_rows(other).shares)
    alone = replace(mixed, origins=np.full(40, "phantom"))
    assert calibration_of(alone) == calibration_of(mixed)
