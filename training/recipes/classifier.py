"""The recipe of a run as one value, read from TOML: the same file and seed give the same run."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from ra_node.errors import Fatal
from ra_node.inference.bundles.manifest import Head
from training.io.shipped import shipped


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


PAPER_DATA: Mapping[str, object] = {
    "held_out": 104 / 344,
    "stages": (0, 1, 2, 3, 4, 5),
    "rounds": 1,
    "phantoms": 0,
    "phantom_cuts": 1,
}
"""Values of the preset `paper` (counts are in training.data.paper_cohort)."""


class DataRecipe(_Part):
    """Data: hands, split, simulation."""

    preset: Literal["none", "paper"] = "none"
    """paper: the 344 hands of Table 1 of Peng et al. 2024, each simulated once; see PAPER_DATA."""
    held_out: float
    """Share of held-out patients."""
    validation: float
    """Share of the remaining patients, for temperature and operating points."""
    stages: tuple[int, ...]
    """Hand stages simulated on every real hand in one round."""
    rounds: int
    """Repetitions of the simulation on every hand of the tune split."""
    phalanx_px: float
    """Hands are simulated at the size where the middle proximal phalanx is this long."""
    box_jitter: float
    """Standard deviation of the box's edges, as a share of its longer side (tune split only)."""
    phantoms: int
    """Drawn two-hand images in the tune split; validation and held-out get a proportional number."""
    phantom_cuts: int
    """Crops of each drawn hand of the tune split, each with its own jitter."""
    reader_noise: float = 0.0
    """Share of the hands that are drawn one stage beside their label, as readers overlap."""
    untouched: int = 0
    """Copies of each unedited hand as stage 0 in the tune split; one in validation."""
    adults: int = 0
    """Repetitions of the simulation on every PA hand of the adults of the tune split; 0: children only."""

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, given: object) -> object:
        """Fill in the values of the preset; a recipe with other values is refused."""
        if not isinstance(given, dict) or given.get("preset") != "paper":
            return given
        for key, value in PAPER_DATA.items():
            found = given.get(key, value)
            if (tuple(found) if isinstance(found, list) else found) != value:
                raise ValueError(
                    f'the preset "paper" decides {key}: expected {value} or no key, found {found}'
                )
        return {**given, **PAPER_DATA}


class AugmentRecipe(_Part):
    """Augmentation of each crop, drawn anew in every epoch."""

    rotation_deg: float
    translation: float
    zoom: float
    flip_horizontal: float
    flip_vertical: float
    gamma: float
    gain: float
    noise: float


class TaskRecipe(_Part):
    """Training settings of one network."""

    epochs: float
    batch: int
    learning_rate: float
    weight_decay: float
    neighbour_smoothing: float
    """Share of the label that goes to the neighbouring stages."""
    schedule: Literal["one-cycle", "constant"] = "one-cycle"
    class_weighting: bool = True
    """Equal weight of every class; False: of every hand."""
    rest: Literal["drop", "keep"] = "drop"
    """Remainder of an epoch that fills no batch: dropped, or a smaller batch."""
    head: Head = "softmax"
    """One number a class, or for ordered classes one score with cut points between them."""


class Recipe(_Part):
    """All settings of a run."""

    name: str
    version: str
    seed: int
    chance: int = 0
    """Training seed for ensembles, on the same hands."""
    architecture: Literal["alexnet", "vgg16", "googlenet", "resnet50", "efficientnet_b2"]
    start: str = "none"
    """none, demo (the demonstration bundle), another bundle, a run with the same split, a state file
    (.safetensors, or .pth of torchvision), or a folder with one state file for each network, named alexnet*,
    vgg16* and so on."""
    recognition_from: Literal["staging", "start"] = "staging"
    """Recognition begins with the trunk of the trained staging network, or trains on its own."""
    trunk: Literal["own", "shared"] = "own"
    """A network for each task, or both tasks at once as two last layers of one; then staging's epochs and
    rates count, and the bundle has the trunk twice."""
    amp: Literal["off", "auto", "bf16", "fp16"] = "bf16"
    """Arithmetic of the forward pass; auto is bf16 on CUDA and off on a CPU. Weights stay float32."""
    frozen: tuple[str, ...] = ()
    """Layers that keep the weights of the start, by their names in torchvision. Where only the last blocks of
    GoogLeNet are trained, a step takes 0.4 times as long."""
    channels_last: bool = True
    """Memory layout of weights and activations: the same numbers, faster on most devices."""
    side_px: int
    mean: float
    std: float
    data: DataRecipe
    augment: AugmentRecipe
    staging: TaskRecipe
    recognition: TaskRecipe

    @property
    def learning_seed(self) -> int:
        """Seed of initial weights, order, augmentation and dropout; `seed` alone determines the hands."""
        return self.seed + self.chance


def read_recipe(path: Path, architecture: str | None = None) -> Recipe:
    """Read a recipe, with another network if wanted; raises Fatal that names each wrong key.

    A bare name such as "site" is a recipe that comes with this package. A recipe may name another one in its
    folder as `base` and list only differences.
    """
    path = recipe_path(path)
    try:
        given = _with_base(path)
        return Recipe.model_validate(given | ({"architecture": architecture} if architecture else {}))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Fatal(f"expected a recipe in {path}, found: {error}") from error
    except ValidationError as error:
        found = "; ".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors())
        raise Fatal(f"recipe {path}: {found}") from error


def recipe_path(given: Path) -> Path:
    """A file as it is named, or a recipe of the package by its name."""
    named = shipped("training") / f"{given}.toml"
    bare = given.suffix == "" and len(given.parts) == 1 and not given.is_file()
    return named if bare and named.exists() else given


LATER_KEYS: Mapping[str, object] = {
    "chance": 0,
    "trunk": "own",
    "frozen": (),
    "data": {"untouched": 0, "adults": 0},
    "staging": {"head": "softmax"},
    "recognition": {"head": "softmax"},
}
"""Keys that were added to recipes, with the values that mean their absence."""


def deciding_json(recipe: Recipe) -> str:
    """The part of a recipe that determines the weights, without the start.

    The text is stable, so that a run that began before a key was added can continue.
    """
    unsaid = _where_equal(recipe.model_dump(), LATER_KEYS)
    return recipe.model_dump_json(exclude={"name": True, "version": True, "start": True, **unsaid})


def _where_equal(held: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Keys with the values of `known`, in pydantic's format of exclusions."""
    found: dict[str, Any] = {}
    for key, value in known.items():
        if isinstance(value, Mapping):
            found[key] = _where_equal(held[key], value)
        elif held[key] == value:
            found[key] = True
    return found


def _with_base(path: Path) -> dict[str, Any]:
    """The keys of a recipe over those of its base."""
    given = tomllib.loads(path.read_text())
    base = given.pop("base", None)
    return _over(_with_base(path.parent / base), given) if base else given


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Deep merge of two tables."""
    met = dict(below)
    for key, value in above.items():
        met[key] = (
            _over(met[key], value) if isinstance(met.get(key), dict) and isinstance(value, dict) else value
        )
    return met
