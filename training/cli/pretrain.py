"""`python -m training pretrain`: weights pre-trained on hands, for `--start`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.cli.options import BundleOption, bundle_folder
from training.cli.output import say
from training.io.atomic_file import write_whole

if TYPE_CHECKING:
    from torch import nn

    from training.evaluation.metrics import Interval

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
    bundle: BundleOption = None,
    epochs: Epochs = None,
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Pre-train a network on healthy hands that are not held out; continues a killed pre-training."""
    import torch

    from ra_node.inference.networks.loaded_network import chosen_device
    from training.classifier.pretrain import figures, pretrained
    from training.data.detector import bundle_detector
    from training.data.leakage import held_back
    from training.data.pretrain_dataset import known_hands
    from training.recipes.pretraining import read_pretrain_recipe

    if threads:
        torch.set_num_threads(threads)
    recipe, respected = read_pretrain_recipe(config)
    recipe = recipe.with_epochs(architecture, epochs)
    without = {name: held_back(other, _patients(radiographs)) for name, other in respected.items()}
    apart = set().union(*without.values())
    detector = bundle_detector(bundle_folder(bundle))
    hands = known_hands(radiographs, apart, recipe.side_px, detector, out / "hands.npz", _say_hands)
    learnt, others = hands.split(recipe.validation, recipe.seed)
    say(f"{len(learnt)} hands for training, {len(others)} for validation; {len(apart)} patients excluded")
    checkpoint = out / f"{architecture}.checkpoint"
    start_s = time.monotonic()
    network, ages = pretrained(recipe, architecture, learnt, checkpoint, chosen_device(device), say)
    seconds = time.monotonic() - start_s
    found = figures(network, recipe, architecture, learnt, others, ages)
    _write(network, [str(patient) for patient in hands.patients], out / f"{architecture}.safetensors")
    about = {
        "respects": {name: len(patients) for name, patients in without.items()},
        "hands": {"training": len(learnt), "validation": len(others)},
        "detector": detector.sha256,
        "seconds": round(seconds),
        "figures": found,
        "recipe": recipe.model_dump(mode="json"),
    }
    content = json.dumps(about, indent=2).encode()
    write_whole(out / f"{architecture}.json", lambda file: file.write(content))
    checkpoint.unlink(missing_ok=True)
    _say_figures(found)


def register(app: typer.Typer) -> None:
    """Register this command."""
    app.command()(pretrain)


def _patients(radiographs: Path) -> list[str]:
    from training.data.dataset import read_source

    return [hand.patient for hand in read_source(radiographs)]


def _write(network: nn.Module, patients: list[str], path: Path) -> None:
    """Write in half precision, with patients and terms of use in the metadata."""
    from training.classifier.loop import save_half
    from training.data.data_kind import WORDS
    from training.data.weights_origin import Origin, metadata_of

    words = WORDS["simulated"]  # same radiographs, before the simulation
    origin = Origin(tuple(sorted(set(patients))), (words.source,), (words.terms,))
    save_half(network, path, metadata_of(origin))


def _say_figures(found: Mapping[str, Interval]) -> None:
    from training.evaluation.metrics import in_words

    for name, one in found.items():
        say(f"{name}: {one[0]:.2f} ({in_words(one, 2)})")


def _say_hands(done: int, total: int) -> None:
    if done % 50 == 0 or done == total:
        say(f"cut {done} of {total} hands")
