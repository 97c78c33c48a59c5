"""`python -m training`: simulate, train, evaluate, export; each step leaves its files in the run's folder."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from pydantic import TypeAdapter

from ra_node.errors import Fatal, Refused
from ra_node.inference.bundle import load_bundle
from ra_node.inference.network import chosen_device
from training import show_commands
from training.data_commands import register
from training.dataset import (
    Crops,
    Origin,
    SourceHand,
    joined,
    load_crops,
    read_source,
    save_crops,
    simulated_rows,
    stacked,
)
from training.evaluate import (
    Calibration,
    Evaluation,
    Result,
    calibrated,
    deciding_split,
    evaluated,
    unedited_figures,
)
from training.export import export
from training.phantoms import phantom_rows
from training.predictions import predictions
from training.ranks import joined_ranks
from training.recipe import Recipe, read_recipe
from training.run import Place, train_run
from training.start import find_start, note_start, noted_start
from training.subgroups import read_groups
from training.table_one import class_counts, paper_rows
from training.whole import write_whole

REAL, DRAWN = "real.npz", "phantoms.npz"
"""Crops of simulated lesions on real hands, and of phantoms, in the folder of a run."""

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Train and export bundles for ra-node.")
register(app)
show_commands.register(app)

Out = Annotated[Path, typer.Option("--out", help="Folder of the run.")]
Config = Annotated[Path, typer.Option("--config", help="The recipe, TOML.")]
Run = Annotated[Path, typer.Option("--run", help="Folder of the run.")]
Radiographs = Annotated[
    Path | None,
    typer.Option("--radiographs", envvar="RA_NODE_RADIOGRAPHS", help="Folder with joints.csv and rsna/."),
]
StartPath = Annotated[
    Path | None,
    typer.Option(
        "--start",
        help="A run with the same split, a .safetensors or .pth state file, or a folder of such files; "
        "instead of the recipe's own.",
    ),
]
Architecture = Annotated[
    str | None, typer.Option("--architecture", help="One of the five networks, instead of the recipe's own.")
]
Hands = Annotated[int, typer.Option("--hands", min=10, help="Real hands to measure on.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
Resamples = Annotated[int, typer.Option("--resamples", help="Of the patients, for the intervals.")]
Sensitivity = Annotated[
    float | None,
    typer.Option(
        "--sensitivity",
        min=0.01,
        max=1.0,
        help="Share of the diseased training-side hands to find; Youden's J without it.",
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
    crops = _prepared(recipe, out, radiographs)
    if recipe.data.preset == "paper":
        for side, counts in class_counts(crops).items():
            _say(f"{side}: {sum(counts)} simulated hands, by stage 0 to 5: {'/'.join(map(str, counts))}")


@app.command()
def sham(config: Config, radiographs: Radiographs, hands: Hands = 60, resamples: Resamples = 1000) -> None:
    """Measure whether a sham edit can be told from an untouched hand, and a lesion as the contrast."""
    from training.sham import pairs, told_apart  # noqa: PLC0415  # the only need for scikit-learn here

    recipe = read_recipe(config)
    sources = _sources(radiographs)[:hands]
    for stage, name in ((0, "sham edits"), (2, "lesions of stage 2")):
        found = told_apart(*pairs(sources, recipe, stage, _say_pictures), recipe.seed, resamples)
        value, low, high = found.auc
        _say(
            f"{name} against untouched, {found.patients} simulated hands: "
            f"AUC {value:.3f} ({low:.3f} to {high:.3f}); chance is 0.5"
        )


@app.command()
def train(
    config: Config,
    out: Out,
    radiographs: Radiographs = None,
    start: StartPath = None,
    architecture: Architecture = None,
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Train both tasks; crops are made where the run has none, and a killed run goes on.

    Under torchrun all processes train together; hosts need a common folder for --out.
    """
    if threads:
        torch.set_num_threads(threads)
    recipe = read_recipe(config, architecture)
    with joined_ranks(chosen_device(device)) as (ranks, where):
        found = find_start(recipe, start)
        if ranks.first:
            _prepared(recipe, out, radiographs)
            note_start(out, found)
        ranks.gathered(None)
        say = _say if ranks.first else _say_nothing
        train_run(recipe, _kept_crops(out), found, Place(out, where, ranks), say)


@app.command()
def evaluate(
    run: Run,
    device: Device = "auto",
    resamples: Resamples = 1000,
    sensitivity: Sensitivity = None,
    people: People = None,
) -> None:
    """Calibrate on the training side, measure on held-out hands, keep both in the run's folder."""
    recipe = _kept_recipe(run)
    crops = _kept_crops(run)
    told = predictions(run, recipe, crops, chosen_device(device), _say_hands)
    side = deciding_split(told.stages, told.splits)
    decided = told.rows(side)
    calibration = calibrated(told.logits(decided), told.stages[decided], sensitivity, side)

    def figures(origin: Origin) -> Evaluation:
        part = crops.part("held-out", origin)
        groups = read_groups(people, part.patients) if people else None
        logits = told.logits(told.rows("held-out", origin))
        return evaluated(logits, part, calibration, recipe.seed, resamples, groups)

    unedited = told.rows("held-out", "unedited")
    result = Result(
        counts=_counts(crops),
        simulated=figures("simulated"),
        phantom=figures("phantom") if told.rows("held-out", "phantom").any() else None,
        unedited=unedited_figures(told.logits(unedited), crops.where(unedited), calibration)
        if unedited.any()
        else {},
    )
    chosen = TypeAdapter(Calibration).dump_json(calibration, indent=2)
    found = TypeAdapter(Result).dump_json(result, indent=2)
    write_whole(run / "calibration.json", lambda file: file.write(chosen))
    write_whole(run / "evaluation.json", lambda file: file.write(found))
    for task in (result.simulated.recognition, result.simulated.staging):
        for key, (value, low, high) in task.items():
            _say(f"{key} {value:.3f} ({low:.3f} to {high:.3f})")


@app.command(name="export")
def export_bundle(run: Run, out: Out) -> None:
    """Write the bundle of an evaluated run and load it once as the node would."""
    calibration = TypeAdapter(Calibration).validate_json((run / "calibration.json").read_bytes())
    result = TypeAdapter(Result).validate_json((run / "evaluation.json").read_bytes())
    started = noted_start(run)
    export(run, _kept_recipe(run), calibration, result, out, started=started)
    identity = load_bundle(out).identity
    _say(f"bundle {identity.name} {identity.version} sha256 {identity.sha256}")


def _prepared(recipe: Recipe, out: Path, radiographs: Path | None) -> Crops:
    """Load the crops of a run, or make them; a run with another recipe is an error."""
    kept = out / "recipe.json"
    if kept.exists() and _kept_recipe(out).data != recipe.data:
        raise Fatal(f"expected the data recipe of {kept}, found another; use a new --out")
    out.mkdir(parents=True, exist_ok=True)
    content = recipe.model_dump_json(indent=2).encode()
    write_whole(kept, lambda file: file.write(content))
    if not (out / REAL).exists():
        rows = paper_rows if recipe.data.preset == "paper" else simulated_rows
        sources = _sources(radiographs)
        save_crops(stacked(list(rows(sources, recipe, _say_pictures))), out / REAL)
    if recipe.data.phantoms and not (out / DRAWN).exists():
        save_crops(stacked(list(phantom_rows(recipe, _say_pictures))), out / DRAWN)
    return _kept_crops(out)


def _sources(radiographs: Path | None) -> list[SourceHand]:
    if radiographs is None:
        raise Fatal("expected the folder of radiographs in --radiographs, found none")
    return read_source(radiographs)


def _kept_crops(run: Path) -> Crops:
    real = load_crops(run / REAL)
    return joined(real, load_crops(run / DRAWN)) if (run / DRAWN).exists() else real


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


def _say_nothing(text: str) -> None:  # what a process beside the first one says
    pass


def _say(text: str) -> None:
    sys.stdout.write(text + os.linesep)
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        app()
    except (Fatal, Refused) as error:
        sys.exit(str(error))
