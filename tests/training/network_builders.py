"""A network without chance of its own, for tests of the loop around it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tests.training.recipe_builders import small_recipe
from training.recipes.classifier import Recipe


def small_network(seed: int = 0, classes: int = 2, dropout: float = 0.0) -> nn.Module:
    """Two convolutions for crops of any size; no batch normalisation, so processes need not share it."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=4),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(8, classes),
    )


def hands(count: int = 64) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Noise whose brightness is its stage."""
    rng = np.random.default_rng(0)
    stages = np.arange(count) % 2
    crops = rng.integers(0, 60, (count, 64, 64)) + 120 * stages[:, None, None]
    return crops.astype(np.uint8), stages.astype(np.int64)


def exact_recipe(epochs: float = 4, **changed: object) -> Recipe:
    """The small recipe in float32, for results that are compared to the bit."""
    recipe = small_recipe()
    task = recipe.staging.model_copy(update={"epochs": epochs, **changed})
    return recipe.model_copy(update={"amp": "off", "staging": task, "recognition": task})
