"""A recipe small enough for a test."""

from __future__ import annotations

from pathlib import Path

from training.recipes.classifier import Recipe, TaskRecipe, read_recipe

DEMO = Path(__file__).resolve().parents[2] / "config" / "training" / "demo.toml"


def small_recipe() -> Recipe:
    """The demonstration's recipe on few, small hands."""
    demo = read_recipe(DEMO)
    task = TaskRecipe(epochs=4, batch=16, learning_rate=3e-3, weight_decay=1e-2, neighbour_smoothing=0.0)
    few = {"phantoms": 2, "phantom_cuts": 2, "stages": (0, 4), "rounds": 1, "untouched": 0, "adults": 0}
    data = demo.data.model_copy(update=few)
    return demo.model_copy(
        update={"frozen": (), "side_px": 64, "data": data, "staging": task, "recognition": task}
    )
