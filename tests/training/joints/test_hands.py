"""Hands of the joint task: the same split as the whole hand, each hand to train on in several draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.training.recipe_builders import small_recipe
from training.data.dataset import SourceHand
from training.data.paper_cohort import TEST, TRAINING
from training.joints.hands import PlannedHand, planned_hands

SOURCES = [SourceHand(f"{k:03}", Path("none.png"), {}) for k in range(344)]


def counts(hands: list[PlannedHand], draw: int) -> tuple[int, ...]:
    return tuple(np.bincount([hand.stages[draw] for hand in hands], minlength=6).tolist())


def test_each_draw_of_the_paper_s_hands_has_the_classes_of_table_1() -> None:
    """Held-out hands are drawn once, and the first draw is the same however many follow."""
    demo = small_recipe()
    data = demo.data.model_copy(update={"preset": "paper", "validation": 0.0})
    recipe = demo.model_copy(update={"data": data})
    once, planned = planned_hands(SOURCES, recipe), planned_hands(SOURCES, recipe, draws=4)
    learnt = [hand for hand in planned if hand.split == "tune"]
    assert all(len(hand.stages) == 4 for hand in learnt)
    assert [counts(learnt, draw) for draw in range(4)] == [TRAINING] * 4
    assert len({hand.stages for hand in learnt}) > 100
    held_out = [hand for hand in planned if hand.split == "held-out"]
    assert counts(held_out, 0) == TEST
    assert {len(hand.stages) for hand in held_out} == {1}
    assert [hand.stages[0] for hand in planned] == [hand.stages[0] for hand in once]


def test_other_hands_repeat_the_stages_of_the_recipe_on_the_training_side_only() -> None:
    recipe = small_recipe()
    once, twice = (planned_hands(SOURCES[:12], recipe, draws) for draws in (1, 2))
    for one, two in zip(once, twice, strict=True):
        assert two.stages == one.stages * (2 if one.split == "tune" else 1)
