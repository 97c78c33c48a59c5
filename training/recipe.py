"""A run is one complete value, read from TOML: the same file and seed give the same run."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ra_node.errors import Fatal


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataRecipe(_Part):
    """Which hands, how split, how changed."""

    held_out: float
    """Share of the patients that no training sees."""
    validation: float
    """Share of the remaining patients, for temperature and operating points."""
    stages: tuple[int, ...]
    """Hand stages simulated on every real hand in one round."""
    rounds: int
    """Times that the stages are drawn anew on every hand of the tune split."""
    phalanx_px: float
    """Hands are simulated at the size where the middle proximal phalanx is this long."""
    box_jitter: float
    """Standard deviation of the box's edges, as a share of its longer side (tune split only)."""
    phantoms: int
    """Drawn two-hand pictures in the tune split; validation and held-out get a proportional number."""
    phantom_cuts: int
    """Times that a drawn hand of the tune split is cut out, each with its own jitter."""


class AugmentRecipe(_Part):
    """Random changes of each crop, drawn anew in every epoch."""

    rotation_deg: float
    translation: float
    zoom: float
    flip_horizontal: float
    flip_vertical: float
    gamma: float
    gain: float
    noise: float


class TaskRecipe(_Part):
    """How one network learns."""

    epochs: float
    batch: int
    learning_rate: float
    weight_decay: float
    neighbour_smoothing: float
    """Share of the label that goes to the neighbouring stages."""


class Recipe(_Part):
    """Everything that decides a run, apart from the images themselves."""

    name: str
    version: str
    seed: int
    architecture: str
    side_px: int
    mean: float
    std: float
    data: DataRecipe
    augment: AugmentRecipe
    staging: TaskRecipe
    recognition: TaskRecipe


def read_recipe(path: Path) -> Recipe:
    """Read a recipe; raises Fatal that names each unknown, missing or wrong key."""
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text()))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Fatal(f"expected a recipe in {path}, found: {error}") from error
    except ValidationError as error:
        found = "; ".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors())
        raise Fatal(f"recipe {path}: {found}") from error
