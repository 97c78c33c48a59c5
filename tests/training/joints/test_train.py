"""A joint run learns, is the same after a break, and says what it cannot learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ra_node.errors import Fatal
from ra_node.inference.networks.joint_network import load_joint_network
from tests.training.joints.builders import joint_hands, joint_recipe
from training.joints.hands import UNKNOWN, WEIGHTS
from training.joints.train import Budget, joint_logits, train_joints, with_joint_labels


def silent(_text: str) -> None:
    pass


def test_a_run_that_was_broken_off_ends_with_the_same_weights(tmp_path: Path) -> None:
    hands, recipe = joint_hands(6), joint_recipe()
    assert train_joints(recipe, hands, tmp_path / "whole", silent)
    assert not train_joints(recipe, hands, tmp_path / "broken", silent, Budget(0))
    assert train_joints(recipe, hands, tmp_path / "broken", silent)
    whole, broken = ((tmp_path / name / WEIGHTS).read_bytes() for name in ("whole", "broken"))
    assert whole == broken


def test_stages_are_learnt_and_a_finished_run_is_left_alone(tmp_path: Path) -> None:
    """Brightness is the stage here: a few epochs put most joints within one stage."""
    hands, others = joint_hands(12, joints=2), joint_hands(12, seed=5, joints=2)
    recipe = joint_recipe(epochs=16, learning_rate=1e-2, batch=2)
    train_joints(recipe, hands, tmp_path, silent)
    network = load_joint_network(tmp_path / WEIGHTS, torch.device("cpu"))
    called = joint_logits(network, others).argmax(axis=2)
    assert np.mean(np.abs(called - others.joint_stages)[others.seen] <= 1) > 0.75
    said: list[str] = []
    train_joints(recipe, hands, tmp_path, said.append)
    assert "already trained" in said[0]


def test_hands_without_joints_or_stages_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="expected training hands whose joints were found, found none among 0"):
        train_joints(joint_recipe(), joint_hands(6, "held-out"), tmp_path, silent)
    some = joint_hands(12).where(joint_hands(12).stages != 5)
    with pytest.raises(Fatal, match=r"of every stage, found none of \[5\]"):
        train_joints(joint_recipe(), some, tmp_path, silent)


def test_a_share_of_the_patients_keeps_its_joint_labels() -> None:
    hands = joint_hands(12)
    some = with_joint_labels(hands, joint_recipe(joint_labels=0.25))
    known = (some.joint_stages != UNKNOWN).all(axis=1)
    assert known.sum() == 3
    assert (some.joint_stages[~known] == UNKNOWN).all()
    assert np.array_equal(some.stages, hands.stages)
