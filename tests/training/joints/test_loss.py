"""Hand labels teach by the likelihood of the highest joint, joint labels by their own."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from training.joints.hands import UNKNOWN
from training.joints.loss import hand_loss, highest_log_probabilities, joint_loss


def log_shares(hands: int, joints: int, classes: int = 3) -> torch.Tensor:
    torch.manual_seed(hands + joints)
    return torch.randn(hands, joints, classes, dtype=torch.float64).log_softmax(dim=2)


def test_the_highest_of_independent_joints_is_what_counting_all_cases_gives() -> None:
    log = log_shares(1, 3)
    shares = log[0].exp().numpy()
    expected = np.zeros(3)
    for case in product(range(3), repeat=3):
        expected[max(case)] += np.prod([shares[joint, stage] for joint, stage in enumerate(case)])
    found = highest_log_probabilities(log, torch.ones(1, 3, dtype=torch.bool)).exp()[0]
    assert found.numpy() == pytest.approx(expected)


def test_a_joint_that_was_not_seen_does_not_count() -> None:
    log = log_shares(1, 3)
    seen = torch.tensor([[True, False, True]])
    some = highest_log_probabilities(log, seen)
    assert torch.allclose(some, highest_log_probabilities(log[:, [0, 2]], seen[:, [0, 2]]))


def test_hands_without_a_label_or_a_joint_teach_nothing() -> None:
    log, seen = log_shares(3, 2), torch.tensor([[True, True], [True, True], [False, False]])
    stages = torch.tensor([2, UNKNOWN, 1])
    alone = hand_loss(log[:1], seen[:1], stages[:1])
    assert torch.allclose(hand_loss(log, seen, stages), alone)


def test_joints_without_a_label_teach_nothing() -> None:
    log = log_shares(1, 3)
    labels = torch.tensor([[1, UNKNOWN, 0]])
    expected = -(log[0, 0, 1] + log[0, 2, 0]) / 2
    assert torch.allclose(joint_loss(log, labels), expected)
    assert joint_loss(log, torch.full((1, 3), UNKNOWN)) == 0


def test_a_certain_hand_has_a_finite_loss_and_gradient() -> None:
    log = torch.full((1, 13, 6), -200.0)
    log[:, :, 0] = 0
    log.requires_grad_()
    loss = hand_loss(log, torch.ones(1, 13, dtype=torch.bool), torch.tensor([4]))
    loss.backward()
    assert torch.isfinite(loss)
    assert log.grad is not None
    assert torch.isfinite(log.grad).all()
