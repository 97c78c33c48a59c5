"""The recipe of a pre-training as one value, read from TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ra_node.errors import Fatal
from training.recipes.classifier import AugmentRecipe, Recipe, read_recipe, recipe_path


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PretrainNetworkRecipe(_Part):
    """Training settings of one of the five networks."""

    side_px: Annotated[int, Field(ge=64)]
    epochs: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=2)]
    learning_rate: float
    weight_decay: float = 1e-2
    schedule: Literal["one-cycle", "constant"] = "one-cycle"
    amp: Literal["off", "auto", "bf16", "fp16"] = "bf16"


class PretrainRecipe(_Part):
    """All settings of a pre-training."""

    seed: int
    respects: Annotated[tuple[Path, ...], Field(min_length=1)]
    """Recipes in the same folder whose held-out and validation patients are excluded."""
    validation: Annotated[float, Field(gt=0, lt=1)]
    """Share of validation hands."""
    side_px: int
    """Size of the crops; reduced for a network with a smaller input."""
    mean: float
    std: float
    augment: AugmentRecipe
    networks: dict[str, PretrainNetworkRecipe]

    def with_epochs(self, architecture: str, epochs: int | None) -> PretrainRecipe:
        """The recipe with other epochs of one network, or as it is; raises Fatal for an unknown network."""
        if architecture not in self.networks:
            found = ", ".join(self.networks)
            raise Fatal(f"expected a network of the recipe ({found}), found {architecture!r}")
        changed = {"epochs": epochs} if epochs else {}
        network = self.networks[architecture].model_copy(update=changed)
        return self.model_copy(update={"networks": {**self.networks, architecture: network}})


def read_pretrain_recipe(path: Path) -> tuple[PretrainRecipe, dict[str, Recipe]]:
    """Read a recipe, a file or one of the package by its name, and those that it respects, by their names.

    Raises Fatal with each invalid key.
    """
    path = recipe_path(path)
    try:
        recipe = PretrainRecipe.model_validate(tomllib.loads(path.read_text()))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Fatal(f"expected a recipe in {path}, found: {error}") from error
    except ValidationError as error:
        found = "; ".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors())
        raise Fatal(f"recipe {path}: {found}") from error
    respected = [read_recipe(path.parent / other) for other in recipe.respects]
    return recipe, {other.name: other for other in respected}
