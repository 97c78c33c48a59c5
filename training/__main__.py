"""`python -m training`: simulate, train, evaluate, export; each step leaves its files in the run's folder."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from pydantic import TypeAdapter
from safetensors.torch import load_file
from torch import nn

from ra_node.domain.report import STAGES
from ra_node.errors import Fatal
from ra_node.inference.architectures import build
from ra_node.inference.bundle import load_bundle
from ra_node.inference.network import chosen_device
from training.dataset import (
    Crops,
    Origin,
    joined,
    load_crops,
    read_source,
    save_crops,
    simulated_rows,
    split_key,
    stacked,
)
from training.evaluate import (
    Calibration,
    Evaluation,
    Result,
    calibrated,
    evaluated,
    unedited_figures,
    weights_path,
)
from training.export import export
from training.loop import Progress, save_half, tune
from training.phantoms import phantom_rows
from training.predictions import predictions
from training.recipe import Recipe, read_recipe
from training.subgroups import read_groups

REAL, DRAWN = "real.npz", "phantoms.npz"
"""Crops of simulated lesions on real hands, and of phantoms, in the folder of a run."""

START = "start.sha256"
"""Hash of the weights that a run started from, absent for random ones."""

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Train and export bundles for ra-node.")

Out = Annotated[Path, typer.Option("--out", help="Folder of the run.")]
Config = Annotated[Path, typer.Option("--config", help="The recipe, TOML.")]
Run = Annotated[Path, typer.Option("--run", help="Folder of the run.")]
Radiographs = Annotated[
    Path | None,
    typer.Option("--radiographs", envvar="RA_NODE_RADIOGRAPHS", help="Folder with joints.csv and rsna/."),
]
Start = Annotated[
    Path | None,
    typer.Option("--start", help="Run whose staging weights are the start; it must have the same split."),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
Resamples = Annotated[int, typer.Option("--resamples", help="Of the patients, for the intervals.")]
Sensitivity = Annotated[
    float | None,
    typer.Option(
        "--sensitivity",
        min=0.01,
        max=1.0,
        help="Share of the diseased validation hands that recognition must find; Youden's J without it.",
    ),
]
People = Annotated[
    Path | None,
    typer.Option("--people", exists=True, help="CSV: patient and any of side, sex, age_years, site."),
]
Threads = Annotated[int, typer.Option("--threads", help="Threads of torch; 0 leaves its choice.")]


@app.command()
def simulate(config: Config, out: Out, radiographs: Radiographs = None) -> None:
    """Simulate the lesions of a recipe and keep the crops in the run's folder."""
    recipe = read_recipe(config)
    _prepared(recipe, out, radiographs)


@app.command()
def train(
    config: Config,
    out: Out,
    radiographs: Radiographs = None,
    start: Start = None,
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Train staging, then recognition from its trunk; crops are made where the run has none."""
    if threads:
        torch.set_num_threads(threads)
    recipe = read_recipe(config)
    crops = _prepared(recipe, out, radiographs).part("tune")
    torch.manual_seed(recipe.seed)
    with (out / "log.jsonl").open("w") as log:

        def report(progress: Progress) -> None:
            log.write(json.dumps(asdict(progress)) + "\n")
            log.flush()
            left = f"{progress.seconds_left / 60:.1f} min left"
            _say(f"{progress.task} {progress.step}/{progress.steps} loss {progress.loss:.3f}, {left}")

        where = chosen_device(device)
        network = build(recipe.architecture, len(STAGES))
        if start is not None:
            _started(network, recipe, start, out)
        tune(network, crops.images, crops.stages, recipe, "staging", report, where)
        save_half(network, weights_path(out, "staging"))
        replace_head(network, 2)
        diseased = (crops.stages > 0).astype(np.int64)
        tune(network, crops.images, diseased, recipe, "recognition", report, where)
        save_half(network, weights_path(out, "recognition"))


@app.command()
def evaluate(
    run: Run,
    device: Device = "auto",
    resamples: Resamples = 1000,
    sensitivity: Sensitivity = None,
    people: People = None,
) -> None:
    """Calibrate on validation hands, measure on held-out hands, keep both in the run's folder."""
    recipe = _kept_recipe(run)
    crops = _kept_crops(run)
    told = predictions(run, recipe, crops, chosen_device(device), _say_hands)
    validation = told.rows("validation")
    calibration = calibrated(told.logits(validation), told.stages[validation], sensitivity)

    def figures(origin: Origin) -> Evaluation:
        part = crops.part("held-out", origin)
        groups = read_groups(people, part.patients) if people else None
        logits = told.logits(told.rows("held-out", origin))
        return evaluated(logits, part, calibration, recipe.seed, resamples, groups)

    unedited = told.logits(told.rows("held-out", "unedited"))
    result = Result(
        counts=_counts(crops),
        simulated=figures("simulated"),
        phantom=figures("phantom") if told.rows("held-out", "phantom").any() else None,
        unedited=unedited_figures(unedited, crops.part("held-out", "unedited"), calibration),
    )
    (run / "calibration.json").write_bytes(TypeAdapter(Calibration).dump_json(calibration, indent=2))
    (run / "evaluation.json").write_bytes(TypeAdapter(Result).dump_json(result, indent=2))
    for task in (result.simulated.recognition, result.simulated.staging):
        for key, (value, low, high) in task.items():
            _say(f"{key} {value:.3f} ({low:.3f} to {high:.3f})")


@app.command(name="export")
def export_bundle(run: Run, out: Out) -> None:
    """Write the bundle of an evaluated run and load it once as the node would."""
    calibration = TypeAdapter(Calibration).validate_json((run / "calibration.json").read_bytes())
    result = TypeAdapter(Result).validate_json((run / "evaluation.json").read_bytes())
    started = (run / START).read_text().strip() if (run / START).exists() else None
    export(run, _kept_recipe(run), calibration, result, out, started=started)
    identity = load_bundle(out).identity
    _say(f"bundle {identity.name} {identity.version} sha256 {identity.sha256}")


def replace_head(network: nn.Module, classes: int) -> None:
    """Give a network a new, random last layer for another task."""
    name, last = [(n, m) for n, m in network.named_modules() if isinstance(m, nn.Linear)][-1]
    parent, _, attribute = name.rpartition(".")
    setattr(network.get_submodule(parent), attribute, nn.Linear(last.in_features, classes))


def _started(network: nn.Module, recipe: Recipe, earlier: Path, out: Path) -> None:
    """Take the staging weights of an earlier run, and note it; another split would leak held-out hands."""
    known = _kept_recipe(earlier)
    if split_key(known) != split_key(recipe):
        raise Fatal(f"expected a run with the split {split_key(recipe)}, found {split_key(known)}")
    network.load_state_dict(load_file(weights_path(earlier, "staging")))
    digest = hashlib.sha256(weights_path(earlier, "staging").read_bytes()).hexdigest()
    (out / START).write_text(f"{digest}\n")


def _prepared(recipe: Recipe, out: Path, radiographs: Path | None) -> Crops:
    """Load the crops of a run, or make them; a run with another recipe is an error."""
    kept = out / "recipe.json"
    if kept.exists() and _kept_recipe(out).data != recipe.data:
        raise Fatal(f"expected the data recipe of {kept}, found another; use a new --out")
    out.mkdir(parents=True, exist_ok=True)
    kept.write_text(recipe.model_dump_json(indent=2))
    if not (out / REAL).exists():
        if radiographs is None:
            raise Fatal("expected the folder of radiographs in --radiographs, found none")
        save_crops(stacked(list(simulated_rows(read_source(radiographs), recipe, _say_pictures))), out / REAL)
    if not (out / DRAWN).exists():
        save_crops(stacked(list(phantom_rows(recipe, _say_pictures))), out / DRAWN)
    return _kept_crops(out)


def _kept_crops(run: Path) -> Crops:
    return joined(load_crops(run / REAL), load_crops(run / DRAWN))


def _kept_recipe(run: Path) -> Recipe:
    return Recipe.model_validate_json((run / "recipe.json").read_bytes())


def _counts(crops: Crops) -> dict[str, int]:
    """Hands and patients by split and origin, and how many boxes came from the finder."""
    groups = Counter(zip(map(str, crops.splits), map(str, crops.origins), strict=True))
    counts = {f"{split} hands, {origin}": count for (split, origin), count in sorted(groups.items())}
    real = crops.where(crops.origins != "phantom")
    for split in sorted(set(map(str, real.splits))):
        counts[f"{split} patients"] = len(np.unique(real.patients[real.splits == split]))
    counts["patients whose hand the finder found"] = len(np.unique(real.patients[real.found]))
    return counts


def _say_pictures(done: int, total: int) -> None:
    if done % 25 == 0 or done == total:
        _say(f"made {done} of {total} pictures")


def _say_hands(done: int, total: int) -> None:
    if done % 640 == 0 or done == total:
        _say(f"judged {done} of {total} hands")


def _say(text: str) -> None:
    sys.stdout.write(text + os.linesep)
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        app()
    except Fatal as error:
        sys.exit(str(error))
