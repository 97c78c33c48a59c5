"""The recipe of the joint task, read from TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ra_node.errors import Fatal
from training.recipes.classifier import AugmentRecipe, Recipe, read_recipe, recipe_path

Share = Annotated[float, Field(ge=0, le=1)]


class JointRecipe(BaseModel):
    """Everything that decides the weights of the joint task, apart from the images and their labels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hands: Recipe
    """Which hands, how split and changed: the recipe of the networks of the whole hand."""
    seed: int
    """Of first weights, order, augmentation and dropout; the hands have a seed of their own."""
    side_px: Annotated[int, Field(ge=48, le=256)] = 96
    epochs: Annotated[int, Field(gt=0)]
    batch: Annotated[int, Field(gt=0)]
    """Hands, of up to 13 joints each."""
    learning_rate: float
    weight_decay: float
    hand_weight: float = 1.0
    """Weight of the hand's label, by the likelihood of the highest joint, beside those of its joints."""
    joint_labels: Share = 1.0
    """Share of the training patients whose joint labels are used; of the others the hand's alone."""
    phantoms: int = 0
    """Drawn two-hand pictures to train on, besides those of the recipe of the hands."""
    draws: Annotated[int, Field(gt=0)] = 1
    """Simulations of each hand to train on, besides the rounds of the recipe of the hands."""
    amp: bool = True
    """bfloat16 in the forward pass."""
    augment: AugmentRecipe


def read_joint_recipe(path: Path, seed: int | None = None, side_px: int | None = None) -> JointRecipe:
    """Read a recipe, with another seed or size if wanted; raises Fatal that names each wrong key.

    A bare name such as "joints" is a recipe that comes with this package. `hands` names the recipe of the
    whole hand beside it.
    """
    path = recipe_path(path)
    try:
        given = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Fatal(f"expected a recipe in {path}, found: {error}") from error
    name = given.get("hands")
    if not isinstance(name, str):
        raise Fatal(f'recipe {path}: expected in "hands" the recipe of the whole hand, found {name!r}')
    own = {"seed": seed, "side_px": side_px}
    changed = {key: value for key, value in own.items() if value is not None}
    try:
        return JointRecipe.model_validate({**given, **changed, "hands": read_recipe(path.parent / name)})
    except ValidationError as error:
        found = "; ".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors())
        raise Fatal(f"recipe {path}: {found}") from error
