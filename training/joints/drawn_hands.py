"""Drawn hands with the stages of their joints, so that the node's phantoms are classified correctly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ra_node.domain.laterality.evidence import Side
from ra_node.imaging.hand_detection import HandFinder
from training.data.dataset import Split
from training.joints.hands import JointRow, crops_of
from training.phantom.draw import draw_hands
from training.phantom.recipe import HandRecipe, PhantomRecipe
from training.recipes.classifier import Recipe

SIZE = (1000, 1200)
"""Rows and columns of the two-hand pictures."""

SEEDS: dict[Split, int] = {"tune": 20, "validation": 21, "held-out": 22}
"""The splits use disjoint seeds."""

HEALTHY_SHARE = 0.5
"""Share of healthy hands, on which the rate of false positives in phantoms depends."""


@dataclass(frozen=True, slots=True)
class PlannedPicture:
    """One two-hand picture: its split, its number in the split, and the seed of the run."""

    split: Split
    number: int
    seed: int


def planned_pictures(recipe: Recipe, more: int) -> list[PlannedPicture]:
    """The number of pictures of the hands' recipe for each split, and `more` for training."""
    tune = recipe.data.phantoms + more
    left = 1 - recipe.data.held_out
    share = tune / (left * (1 - recipe.data.validation))
    counts: dict[Split, int] = {
        "tune": tune,
        "validation": round(share * left * recipe.data.validation),
        "held-out": round(share * recipe.data.held_out),
    }
    return [
        PlannedPicture(split, number, recipe.seed)
        for split, count in counts.items()
        for number in range(count)
    ]


def drawn_hands(one: PlannedPicture, finder: HandFinder, side_px: int) -> Iterator[JointRow]:
    """Draw one picture and crop the joints of both hands as the node does."""
    rng = np.random.default_rng((one.seed, SEEDS[one.split], one.number))
    ill = rng.random(2) >= HEALTHY_SHARE
    stages = np.where(ill, rng.integers(1, 6, size=2), 0)
    pair = (HandRecipe(Side.RIGHT, int(stages[0])), HandRecipe(Side.LEFT, int(stages[1])))
    drawn = draw_hands(PhantomRecipe(pair, *SIZE, seed=int(rng.integers(2**31))))
    values = drawn.pixels.astype(np.float32)
    for hand in drawn.hands:
        crops = crops_of(values, finder, hand.joints, side_px)
        patient = f"phantom {one.split} {one.number}"
        yield JointRow(crops, hand.joint_stages, hand.stage, patient, one.split, "phantom")
