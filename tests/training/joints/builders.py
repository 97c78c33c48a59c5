"""Small joint datasets: crops whose brightness is their stage."""

from __future__ import annotations

import numpy as np

from ra_node.domain.joints import JOINTS
from tests.training.recipe_builders import small_recipe
from training.joints.hands import JointHands
from training.recipes.classifier import AugmentRecipe
from training.recipes.joints import JointRecipe

NO_CHANGE = AugmentRecipe(
    rotation_deg=0, translation=0, zoom=0, flip_horizontal=0, flip_vertical=0, gamma=0, gain=0, noise=0.01
)


def joint_recipe(**changed: object) -> JointRecipe:
    given: dict[str, object] = {
        "hands": small_recipe(),
        "seed": 1,
        "side_px": 48,
        "epochs": 2,
        "batch": 3,
        "learning_rate": 3e-3,
        "weight_decay": 0.0,
        "amp": False,
        "augment": NO_CHANGE,
        **changed,
    }
    return JointRecipe.model_validate(given)


def joint_hands(count: int = 12, split: str = "tune", seed: int = 0, joints: int = 13) -> JointHands:
    """Hands of which so many joints were seen, the first one with the stage of the hand."""
    rng = np.random.default_rng(seed)
    stages = np.arange(count) % 6
    labels = rng.integers(0, stages[:, None] + 1, (count, len(JOINTS)))
    labels[:, 0] = stages
    images = (40 * labels[:, :, None, None] + rng.integers(0, 30, (count, 13, 48, 48))).astype(np.uint8)
    people = np.array([f"{split} {k}" for k in range(count)])
    return JointHands(
        images,
        np.broadcast_to(np.arange(13) < joints, labels.shape).copy(),
        labels,
        stages,
        people,
        np.full(count, split),
        np.full(count, "simulated"),
    )
