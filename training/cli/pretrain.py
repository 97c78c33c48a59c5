"""`python -m training pretrain`: weights that have seen hands, for `--start`."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import torch
import typer
from safetensors.torch import save
from torch import nn

from ra_node.inference.networks.loaded_network import chosen_device
from training.data.leakage import held_back, learnt_from
from training.evaluation.metrics import Interval
from training.io.atomic_file import write_whole
from training.recipes.pretraining import read_pretrain_recipe

Config = Annotated[Path, typer.Option("--config", help="The recipe of the pre-training, TOML.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of the weights, for --start of a training.")]
Architecture = Annotated[str, typer.Option("--architecture", help="One of the five networks.")]
Radiographs = Annotated[
    Path,
    typer.Option(
        "--radiographs", envvar="RA_NODE_RADIOGRAPHS", help="Folder with hands.csv, joints.csv and rsna/."
    ),
]
Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="Overrides the recipe.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
Threads = Annotated[int, typer.Option("--threads", help="Threads of torch; 0 leaves its choice.")]


def pretrain(
    config: Config,
    architecture: Architecture,
    out: Out,
    radiographs: Radiographs,
    epochs: Epochs = None,
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Pre-train a network on healthy hands, none of them held out; a killed pre-training goes on."""
    from training.classifier.pretrain import figures, pretrained  # noqa: PLC0415  # torchvision loads slowly
    from training.data.pretrain_dataset import known_hands  # noqa: PLC0415

    if threads:
        torch.set_num_threads(threads)
    recipe, respected = read_pretrain_recipe(config)
    recipe = recipe.with_epochs(architecture, epochs)
    without = {name: held_back(other, _patients(radiographs)) for name, other in respected.items()}
    apart = set().union(*without.values())
    hands = known_hands(radiographs, apart, recipe.side_px, out / "hands.npz", _say_hands)
    learnt, others = hands.split(recipe.validation, recipe.seed)
    _say(f"{len(learnt)} hands for training, {len(others)} for validation; {len(apart)} patients excluded")
    checkpoint = out / f"{architecture}.checkpoint"
    start_s = time.monotonic()
    network, ages = pretrained(recipe, architecture, learnt, checkpoint, chosen_device(device), _say)
    seconds = time.monotonic() - start_s
    found = figures(network, recipe, architecture, learnt, others, ages)
    _write(network, [str(patient) for patient in hands.patients], out / f"{architecture}.safetensors")
    about = {
        "respects": {name: len(patients) for name, patients in without.items()},
        "hands": {"training": len(learnt), "validation": len(others)},
        "seconds": round(seconds),
        "figures": found,
        "recipe": recipe.model_dump(mode="json"),
    }
    content = json.dumps(about, indent=2).encode()
    write_whole(out / f"{architecture}.json", lambda file: file.write(content))
    checkpoint.unlink(missing_ok=True)
    _say_figures(found)


def register(app: typer.Typer) -> None:
    """Add this command to the training side's."""
    app.command()(pretrain)


def _patients(radiographs: Path) -> list[str]:
    from training.data.dataset import read_source  # noqa: PLC0415  # OpenCV loads slowly

    return [hand.patient for hand in read_source(radiographs)]


def _write(network: nn.Module, patients: list[str], path: Path) -> None:
    """Half precision, with the patients that it has seen in the metadata, so that they cannot part."""
    state = network.state_dict()
    half = {k: (t.half() if t.is_floating_point() else t).contiguous().cpu() for k, t in state.items()}
    content = save(half, dict(learnt_from(patients)))
    write_whole(path, lambda file: file.write(content))


def _say_figures(found: Mapping[str, Interval]) -> None:
    for name, (value, low, high) in found.items():
        _say(f"{name}: {value:.2f} ({low:.2f} to {high:.2f})")


def _say_hands(done: int, total: int) -> None:
    if done % 50 == 0 or done == total:
        _say(f"cut {done} of {total} hands")


def _say(text: str) -> None:
    sys.stdout.write(text + os.linesep)
    sys.stdout.flush()
