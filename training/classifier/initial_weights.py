"""Initial weights of a training: random, a state file, torchvision's hub, a bundle, or an earlier run."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ra_node.errors import Fatal
from ra_node.inference.bundles.bundle import load_bundle
from ra_node.inference.bundles.manifest import Head
from ra_node.inference.networks.architectures import build
from ra_node.inference.networks.heads import last_layer, new_head, replace_last_layer, width_of
from training.classifier.start import Start
from training.classifier.torchvision_hub import HUB, HUB_ORIGIN, hub_file
from training.data.dataset import split_key
from training.data.weights_origin import Origin, read_origin
from training.evaluation.evaluate import weights_path
from training.io.shipped import shipped
from training.recipes.classifier import Recipe

SUFFIXES = (".safetensors", ".pth", ".pt")
SIDE_HEADS = ("aux1.", "aux2.", "AuxLogits.")
"""Prefixes of tensors in state files that are used in their own training only."""


def find_start(recipe: Recipe, given: Path | None) -> Start:
    """Resolve `given`, or else the recipe's own start, to a file.

    "demo" is the demonstration bundle that comes with this package. Raises Fatal where there is none for the
    network, or the earlier run has another split.
    """
    place = given if given is not None else (None if recipe.start == "none" else Path(recipe.start))
    if place is None:
        return Start(None)
    if place == Path("demo") and not place.exists():
        place = shipped("bundles") / "demo"
    if str(place) == HUB:
        return Start(hub_file(recipe.architecture), origin=HUB_ORIGIN)
    if (place / "recipe.json").exists():
        path = _of_run(place, recipe)
        return Start(path, from_run=True, origin=read_origin(path))
    if (place / "manifest.json").exists():
        return _of_bundle(place, recipe)
    if place.is_dir():
        place = _of_folder(place, recipe.architecture)
    if not place.is_file() or place.suffix not in SUFFIXES:
        raise Fatal(f"expected a run, or a state file ({', '.join(SUFFIXES)}), found {place}")
    return Start(place, origin=read_origin(place))


def begun(recipe: Recipe, classes: int, start: Start, head: Head = "softmax") -> nn.Module:
    """Build the recipe's network with the weights of `start`.

    The last layer of a state file is dropped, that of a run or a bundle only where it differs.
    """
    network = build(recipe.architecture, classes)
    path, last = last_layer(network)
    if head != "softmax":
        replace_last_layer(network, new_head(head, width_of(last), classes))
    if start.path is None:
        return network
    state = {key: t for key, t in _tensors(start.path).items() if not key.startswith(SIDE_HEADS)}
    state = {key: t.float() if t.is_floating_point() else t for key, t in state.items()}
    if not (start.from_run or start.bundle) or _shapes(state, path) != _shapes(network.state_dict(), path):
        state = {key: t for key, t in state.items() if not key.startswith(f"{path}.")}
    try:
        missing, unexpected = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise Fatal(f"expected weights of {recipe.architecture} in {start.path}, found: {error}") from error
    missing = [key for key in missing if not key.startswith(f"{path}.") and "num_batches" not in key]
    if set(missing) <= _fully_connected(network) and not _fully_connected(network) & state.keys():
        missing = []  # a file of convolution layers only: the others keep their random weights
    if missing or unexpected:
        raise Fatal(
            f"expected weights of {recipe.architecture} in {start.path}, found "
            f"{len(missing)} missing (as {missing[:1]}), {len(unexpected)} unknown (as {unexpected[:1]})"
        )
    return network


def replace_head(network: nn.Module, classes: int) -> None:
    """Give a network a new, random last layer for another task."""
    replace_last_layer(network, nn.Linear(width_of(last_layer(network)[1]), classes))


def _shapes(state: Mapping[str, Tensor], path: str) -> dict[str, torch.Size]:
    """Of the tensors of one layer."""
    return {key: t.shape for key, t in state.items() if key.startswith(f"{path}.")}


def _of_run(run: Path, recipe: Recipe) -> Path:
    """The staging weights of an earlier run; another split would leak held-out hands."""
    known = Recipe.model_validate_json((run / "recipe.json").read_bytes())
    if split_key(known) != split_key(recipe):
        raise Fatal(f"expected a run with the split {split_key(recipe)}, found {split_key(known)}")
    if known.architecture != recipe.architecture:
        raise Fatal(f"expected a run of {recipe.architecture}, found one of {known.architecture}")
    return weights_path(run, "staging")


def _of_bundle(folder: Path, recipe: Recipe) -> Start:
    """The staging weights of a bundle; its manifest is used for weights without metadata."""
    bundle = load_bundle(folder)
    manifest, task = bundle.manifest, bundle.manifest.tasks.staging
    if task.architecture != recipe.architecture:
        raise Fatal(
            f"expected a bundle of {recipe.architecture} in {folder}, found one of {task.architecture}"
        )
    path = bundle.weights_path(task)
    origin = read_origin(path)
    if not origin.learnt_from:
        source, terms = (str(manifest.provenance.get(key, "not stated")) for key in ("source", "terms"))
        origin = Origin((), (source,), (terms,), complete=False)
    return Start(path, bundle=f"{manifest.name} {manifest.version}", origin=origin)


def _fully_connected(network: nn.Module) -> set[str]:
    """Keys of all fully connected layers."""
    layers = (name for name, part in network.named_modules() if isinstance(part, nn.Linear))
    return {f"{name}.{kind}" for name in layers for kind in ("weight", "bias")}


def _of_folder(folder: Path, architecture: str) -> Path:
    """The one state file whose name begins with the architecture's."""
    found = [p for p in sorted(folder.iterdir()) if p.name.startswith(architecture) and p.suffix in SUFFIXES]
    if len(found) != 1:
        names = [path.name for path in found]
        raise Fatal(f"expected one state file {architecture}*.pth or .safetensors in {folder}, found {names}")
    return found[0]


def _tensors(path: Path) -> Mapping[str, Tensor]:
    """Read tensors and nothing else: safetensors, or a .pth without any object of another kind."""
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, SafetensorError) as error:
        reason = str(error).partition("\n")[0]
        raise Fatal(f"expected a state file of tensors only in {path}, found: {reason}") from error
    if not isinstance(state, Mapping) or not all(isinstance(t, Tensor) for t in state.values()):
        raise Fatal(f"expected a state file of tensors only in {path}, found something else")
    return state
