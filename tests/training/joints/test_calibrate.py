"""Probabilities of joints are made honest by kind, and healthy hands decide the operating point."""

from __future__ import annotations

import numpy as np
import pytest

from ra_node.domain.joints import JOINTS
from tests.training.joints.builders import joint_hands
from training.joints.calibrate import (
    HEALTHY_SHARE,
    LEAST_THRESHOLD,
    calibrate,
    highest_probability,
    joint_calls,
)
from training.joints.hands import UNKNOWN, JointHands


def drawn(count: int, heat: float, seed: int = 0) -> tuple[np.ndarray, JointHands]:
    """Log-probabilities that are `heat` times too sharp for the labels that were drawn from them."""
    rng = np.random.default_rng(seed)
    log = rng.normal(0, 2, (count, len(JOINTS), 6))
    log -= np.log(np.exp(log).sum(axis=2, keepdims=True))
    labels = np.array([[rng.choice(6, p=np.exp(row)) for row in hand] for hand in log])
    hands = joint_hands(count)
    made = JointHands(
        hands.images,
        hands.seen,
        labels,
        labels.max(axis=1),
        hands.patients,
        hands.splits,
        hands.origins,
    )
    return heat * log, made


def test_a_network_that_is_too_sure_is_cooled_and_a_calibrated_one_is_left() -> None:
    for heat in (1.0, 2.0):
        found = calibrate(*drawn(150, heat))
        assert np.mean(found.temperatures) == pytest.approx(heat, rel=0.15)
        assert len(found.temperatures) == len(JOINTS)


def test_a_kind_with_few_labels_borrows_from_all_joints() -> None:
    log, hands = drawn(80, 1.0)
    log[:, 0] *= 4
    labels = hands.joint_stages.copy()
    labels[2:, 0] = UNKNOWN
    few = JointHands(
        hands.images, hands.seen, labels, hands.stages, hands.patients, hands.splits, hands.origins
    )
    assert calibrate(log, few).temperatures[0] < 2
    assert calibrate(log, hands).temperatures[0] > 2


def test_healthy_hands_keep_their_promise_at_the_operating_point() -> None:
    rng = np.random.default_rng(1)
    hands = joint_hands(200)
    stages = np.zeros(200, np.int64)
    healthy = JointHands(
        hands.images,
        hands.seen,
        np.zeros_like(hands.joint_stages),
        stages,
        hands.patients,
        hands.splits,
        hands.origins,
    )
    log = np.zeros((200, 13, 6))
    log[:, :, 0] = rng.normal(3, 1.5, (200, 13))
    log -= np.log(np.exp(log).sum(axis=2, keepdims=True))
    found = calibrate(log, healthy)
    called = joint_calls(found.probabilities(log), healthy.seen, found.threshold).max(axis=1)
    assert found.threshold >= LEAST_THRESHOLD
    assert (called == 0).mean() >= HEALTHY_SHARE


def test_without_healthy_hands_the_operating_point_is_a_half() -> None:
    log, hands = drawn(12, 1.0)
    ill = hands.stages > 0
    assert calibrate(log[ill], hands.where(ill)).threshold == LEAST_THRESHOLD


def test_joints_are_called_as_the_node_calls_them() -> None:
    shares = np.full((1, 13, 6), 0.0)
    shares[0, :, 0], shares[0, :, 3], shares[0, :, 4] = 0.45, 0.3, 0.25
    shares[0, 1] = [0.55, 0.45, 0, 0, 0, 0]
    seen = np.ones((1, 13), np.bool_)
    seen[0, 2] = False
    called = joint_calls(shares, seen, 0.5)[0]
    assert called[:4].tolist() == [3, 0, 0, 3]
    assert highest_probability(shares, seen)[0] == pytest.approx(0.55)
    assert highest_probability(shares, np.zeros_like(seen))[0] == 0
