"""A run is one complete value, read from TOML: the same file and seed give the same run."""

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
"""What the preset `paper` decides by itself (training.data.paper_cohort has its counts)."""


class DataRecipe(_Part):
    """Which hands, how split, how changed."""

    preset: Literal["none", "paper"] = "none"
    """paper: the 344 hands of Table 1 of Peng et al. 2024, each simulated once; see PAPER_DATA."""
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
    reader_noise: float = 0.0
    """Share of the hands that are drawn one stage beside their label, as readers overlap."""
    untouched: int = 0
    """Times that each hand is also learnt from as it came, unedited, as stage 0; once for validation."""

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, given: object) -> object:
        """Fill in what the preset decides; a recipe that says otherwise is wrong."""
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
    schedule: Literal["one-cycle", "constant"] = "one-cycle"
    class_weighting: bool = True
    """Every class weighs the same whatever its number of hands; False: every hand does."""
    rest: Literal["drop", "keep"] = "drop"
    """The hands of an epoch that fill no batch: left out of that epoch, or a smaller batch."""
    head: Head = "softmax"
    """One number a class, or for ordered classes one score with cut points between them."""


class Recipe(_Part):
    """Everything that decides a run, apart from the images themselves."""

    name: str
    version: str
    seed: int
    chance: int = 0
    """Another draw of all that learning leaves to chance, on the very same hands: for ensembles."""
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
        """Of first weights, order, augmentation and dropout; `seed` alone decides the hands."""
        return self.seed + self.chance


def read_recipe(path: Path, architecture: str | None = None) -> Recipe:
    """Read a recipe, with another network if wanted; raises Fatal that names each wrong key.

    A bare name such as "site" is a recipe that comes with this package. A recipe may name another one beside
    it as its `base` and say only what differs.
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
    bare = given.suffix == "" and len(given.parts) == 1 and not given.exists()
    return named if bare and named.exists() else given


LATER_KEYS: Mapping[str, object] = {
    "chance": 0,
    "trunk": "own",
    "data": {"untouched": 0},
    "staging": {"head": "softmax"},
    "recognition": {"head": "softmax"},
}
"""Keys that were added to recipes, with what they do where they are absent."""


def deciding_json(recipe: Recipe) -> str:
    """All of a recipe that decides the weights, but its start.

    The text stays the same for as long as the training does: a run begun before a key was added goes on.
    """
    unsaid = _where_equal(recipe.model_dump(), LATER_KEYS)
    return recipe.model_dump_json(exclude={"name": True, "version": True, "start": True, **unsaid})


def _where_equal(held: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """The keys, as pydantic excludes them, whose values are those of `known`."""
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
    """Both, key by key; the tables of both meet."""
    met = dict(below)
    for key, value in above.items():
        met[key] = (
            _over(met[key], value) if isinstance(met.get(key), dict) and isinstance(value, dict) else value
        )
    return met
