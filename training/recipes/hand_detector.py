"""The recipe of a hand detector as one value, read from TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ra_node.errors import Fatal
from training.recipes.classifier import recipe_path


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DetectorNetworkRecipe(_Part):
    """Training settings of one network: AdamW with one cycle of the learning rate."""

    steps: Annotated[int, Field(gt=0)]
    batch: Annotated[int, Field(gt=1)]
    learning_rate: float
    weight_decay: float


class FinderRecipe(_Part):
    """All settings of a training of the hand detector."""

    seed: int
    amp: bool
    """Arithmetic in bfloat16 where that is safe; the weights stay float32."""
    phantoms: int
    """Drawn radiographs, every third with two hands."""
    others: int
    """Drawn images of other objects."""
    adults: bool = False
    """Also train on the tuning part of the folder `adults`, with joints by the initial detector."""
    deformed: Annotated[int, Field(ge=0)] = 0
    """Copies with warped fingers of each hand of an adult; a child's hand gets one where there are any."""
    seeker: DetectorNetworkRecipe
    reader: DetectorNetworkRecipe


def read_finder_recipe(path: Path) -> FinderRecipe:
    """Read a recipe, a file or one of the package by its name; raises Fatal that names each wrong key."""
    path = recipe_path(path)
    try:
        return FinderRecipe.model_validate(tomllib.loads(path.read_text()))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Fatal(f"expected a recipe in {path}, found: {error}") from error
    except ValidationError as error:
        found = "; ".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors())
        raise Fatal(f"recipe {path}: {found}") from error
