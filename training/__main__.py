"""`python -m training`: simulate, train, evaluate, export; each step writes its files to the run's folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated
from zipfile import BadZipFile

import typer
from pydantic import ValidationError

from ra_node.errors import Fatal, Refused
from training.cli import (
    compare,
    cross_validate,
    data,
    ensemble,
    hand_detector,
    joints,
    marker_reader,
    pretrain,
    show,
)
from training.cli.compare import Dataset, FoldName, SplitFile
from training.cli.options import BundleOption, Device, People, Sensitivity, Threads, bundle_folder
from training.cli.output import say, say_figures, say_nothing

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Train and export bundles for ra-node.")
for group in (data, show, hand_detector, joints, marker_reader, ensemble, pretrain, compare, cross_validate):
    group.register(app)

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
        help="A run with the same split, a .safetensors or .pth state file, a folder of such files, or "
        "torchvision (ImageNet weights of its hub); overrides the recipe.",
    ),
]
Architecture = Annotated[
    str | None, typer.Option("--architecture", help="One of the five networks; overrides the recipe.")
]
HandsOf = Annotated[
    Path | None,
    typer.Option("--hands", exists=True, file_okay=False, help="A run whose crops are shared."),
]
BundleName = Annotated[str, typer.Option("--name", help="Name of the bundle; the recipe's without it.")]
BundleVersion = Annotated[
    str, typer.Option("--version", help="Its version, to which a hash of the weights is added.")
]
Hands = Annotated[int, typer.Option("--hands", min=10, help="Real hands to measure on.")]
Resamples = Annotated[int, typer.Option("--resamples", help="Of the patients, for the intervals.")]


@app.command()
def simulate(config: Config, out: Out, radiographs: Radiographs = None, bundle: BundleOption = None) -> None:
    """Simulate the lesions of a recipe and keep the crops in the run's folder."""
    from training.classifier.run_folder import HandsFrom, prepared
    from training.data.paper_cohort import class_counts
    from training.recipes.classifier import read_recipe

    recipe = read_recipe(config)
    crops = prepared(recipe, out, HandsFrom(radiographs, bundle_folder(bundle)), say)
    if recipe.data.preset == "paper":
        for side, counts in class_counts(crops).items():
            say(f"{side}: {sum(counts)} simulated hands, by stage 0 to 5: {'/'.join(map(str, counts))}")


@app.command()
def sham(
    config: Config,
    radiographs: Radiographs,
    hands: Hands = 60,
    resamples: Resamples = 1000,
    bundle: BundleOption = None,
) -> None:
    """Measure whether a sham edit can be distinguished from an untouched hand, with a lesion as contrast."""
    from training.classifier.run_folder import picture_counter, sources_in
    from training.data.detector import bundle_detector
    from training.evaluation.sham_test import pairs, told_apart
    from training.recipes.classifier import read_recipe

    recipe = read_recipe(config)
    sources = sources_in(radiographs)[:hands]
    finder = bundle_detector(bundle_folder(bundle)).opened()
    for stage, name in ((0, "sham edits"), (2, "lesions of stage 2")):
        found = told_apart(
            *pairs(sources, recipe, stage, finder, picture_counter(say)), recipe.seed, resamples
        )
        value, low, high = found.auc
        say(
            f"{name} against untouched, {found.patients} simulated hands: "
            f"AUC {value:.3f} ({low:.3f} to {high:.3f}); chance is 0.5"
        )


@app.command()
def train(
    config: Config,
    out: Out,
    radiographs: Radiographs = None,
    bundle: BundleOption = None,
    dataset: Dataset = None,
    split: SplitFile = None,
    fold: FoldName = "",
    hands: HandsOf = None,
    start: StartPath = None,
    architecture: Architecture = None,
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Train both tasks, on simulated lesions or on your own dataset; continues a killed run.

    Under torchrun all processes train together; hosts need a common folder for --out.
    """
    import torch

    from ra_node.inference.networks.loaded_network import chosen_device
    from training.classifier.distributed import joined_ranks
    from training.classifier.initial_weights import find_start
    from training.classifier.labelled_dataset import refuse_other_split
    from training.classifier.run_folder import HandsFrom, kept_crops, prepared
    from training.classifier.start import note_start
    from training.classifier.train import Place, train_run
    from training.recipes.classifier import read_recipe

    if threads:
        torch.set_num_threads(threads)
    recipe = read_recipe(config, architecture)
    with joined_ranks(chosen_device(device)) as (ranks, where):
        found = find_start(recipe, start)
        if ranks.first:
            cut = None if dataset or hands else bundle_folder(bundle)
            prepared(recipe, out, HandsFrom(radiographs, cut, dataset, split, fold, hands), say)
            refuse_other_split(found, out)
            note_start(out, found)
        ranks.gathered(None)
        speak = say if ranks.first else say_nothing
        train_run(recipe, kept_crops(out), found, Place(out, where, ranks), speak)


@app.command()
def evaluate(
    run: Run,
    device: Device = "auto",
    resamples: Resamples = 1000,
    sensitivity: Sensitivity = None,
    people: People = None,
) -> None:
    """Calibrate on the training side, evaluate on held-out hands, write both to the run's folder."""
    from ra_node.inference.networks.loaded_network import chosen_device
    from training.experiments.evaluation_cache import Question, measure

    say_figures(measure(run, chosen_device(device), say, Question(resamples, sensitivity, people)))


@app.command(name="export")
def export_bundle(run: Run, out: Out, name: BundleName = "", version: BundleVersion = "") -> None:
    """Write the bundle of an evaluated run with its hand detector, and load it once as the node would."""
    from ra_node.inference.bundles.bundle import load_bundle
    from training.classifier.run_folder import kept_recipe
    from training.classifier.start import noted_start
    from training.data.detector import kept_detector
    from training.experiments.ensemble import read_members
    from training.experiments.evaluation_cache import read_calibration, read_result
    from training.export.bundle import export
    from training.io.shipped import shipped
    from training.marker_reader.export import carry_marker_reader

    if read_members(run):
        raise Fatal(f"expected a run of one network for each task, found the ensemble {run}")
    export(
        run,
        kept_recipe(run),
        read_calibration(run),
        read_result(run),
        out,
        detector=kept_detector(run),
        started=noted_start(run),
        name=name,
        version=version,
    )
    if carry_marker_reader(shipped("bundles") / "demo", out):
        say("the marker reader of the demonstration bundle goes with it")
    identity = load_bundle(out).identity
    say(f"bundle {identity.name} {identity.version} sha256 {identity.sha256}")


def main() -> None:
    """Run a command; what it refuses, and a file or folder that cannot be used, end it with one sentence."""
    try:
        app()
    except (Fatal, Refused) as error:
        sys.exit(str(error))
    except OSError as error:
        what = ": ".join(str(part) for part in (error.strerror, error.filename) if part) or str(error)
        sys.exit(f"expected a file or folder that can be used, found: {what}")
    except ValidationError as error:
        places = "; ".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors()[:3])
        sys.exit(f"expected a file as these commands write it, found {error.title} with {places}")
    except BadZipFile as error:
        sys.exit(f"expected arrays (.npz) as these commands write them, found another file: {error}")


if __name__ == "__main__":
    main()
