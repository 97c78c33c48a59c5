"""`python -m training joints`: trains, measures, compares and exports the joint task of a bundle."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ra_node.errors import Fatal
from training.cli.options import BundleOption, Threads, bundle_folder

if TYPE_CHECKING:
    from training.evaluation.evaluate import Hands

Config = Annotated[Path, typer.Option("--config", help="The recipe, TOML.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of the run.")]
BundleFolder = Annotated[
    Path,
    typer.Option(
        "--bundle", exists=True, file_okay=False, help="The bundle whose hand detector finds joints."
    ),
]
Radiographs = Annotated[
    Path | None,
    typer.Option("--radiographs", envvar="RA_NODE_RADIOGRAPHS", help="Folder with joints.csv and rsna/."),
]
Dataset = Annotated[Path | None, typer.Option("--dataset", exists=True, help="A dataset with labels.")]
Split = Annotated[Path | None, typer.Option("--split", exists=True, help="The split of the dataset.")]
Fold = Annotated[str, typer.Option("--fold", help="The fold of the split.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Instead of the recipe's own.")]
Side = Annotated[int | None, typer.Option("--side-px", help="Of the crops, instead of the recipe's own.")]
WeightsOf = Annotated[
    Path | None,
    typer.Option("--weights-of", exists=True, help="A finished run: measure its weights with this detector."),
]
Start = Annotated[
    Path | None, typer.Option("--start", exists=True, help="A finished run whose weights to begin with.")
]
Minutes = Annotated[
    float, typer.Option("--minutes", min=0, help="Stop after so long; the same command goes on. 0: no limit.")
]
Run = Annotated[Path, typer.Option("--run", exists=True, help="Folder of a finished run.")]
Base = Annotated[Path, typer.Option("--base", exists=True, help="The run that others are set against.")]
Others = Annotated[list[Path], typer.Argument(exists=True, help="Runs measured on the same hands.")]
HandCount = Annotated[int, typer.Option("--hands", min=10, help="Real hands to measure on.")]
Version = Annotated[str, typer.Option("--version", help="The next version of the bundle.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `python -m training`."""
    app.command()(joints)
    app.command(name="joints-compare")(joints_compare)
    app.command(name="joints-export")(joints_export)
    app.command(name="joints-sham")(joints_sham)


def joints(
    config: Config,
    out: Out,
    bundle: BundleOption = None,
    radiographs: Radiographs = None,
    dataset: Dataset = None,
    split: Split = None,
    fold: Fold = "",
    seed: Seed = None,
    side_px: Side = None,
    weights_of: WeightsOf = None,
    start: Start = None,
    minutes: Minutes = 0.0,
    threads: Threads = 0,
) -> None:
    """Crop joints, train the joint network, calibrate and evaluate it; an interrupted run is resumed."""
    import torch

    from training.joints.evaluate import calibrated_rows, calibration_of, keep_figures, measured, predictions
    from training.joints.run import JointSource, prepared
    from training.joints.train import Budget, train_joints
    from training.recipes.joints import read_joint_recipe

    if threads:
        torch.set_num_threads(threads)
    begun = time.monotonic()
    whole = 60 * minutes if minutes else float("inf")
    recipe = read_joint_recipe(config, seed, side_px)
    source = JointSource(bundle_folder(bundle), radiographs, dataset, split, fold)
    hands = prepared(recipe, out, source, _say, whole, weights_of, start)
    left = whole - (time.monotonic() - begun)
    trained = weights_of is not None
    if hands is None or not (trained or train_joints(recipe, hands, out, _say, Budget(left), start)):
        _say(f"stopped after {minutes:g} minutes; the same command goes on")
        return
    made = predictions(out, hands)
    calibration = calibration_of(made)
    figures = measured(made, calibrated_rows(made))
    keep_figures(out, calibration, figures)
    for origin, found in figures.items():
        for name, (value, low, high) in found.items():
            _say(f"held-out, {origin}: {name.replace('_', ' ')} {value:.3f} ({low:.3f} to {high:.3f})")


def joints_compare(base: Base, runs: Others, origin: str = "simulated") -> None:
    """Compare runs with a base on the same held-out hands, staged by the maximum of their joints."""
    from training.evaluation.paired import differences, refuse_other_hands

    left = _held_out(base, origin)
    for run in runs:
        right = _held_out(run, origin)
        refuse_other_hands(left, right, (str(base), str(run)))
        for one in differences(left, right):
            value, low, high = one.difference
            _say(
                f"{run.name} against {base.name}: {one.figure} {one.base:.3f} to {one.other:.3f}, "
                f"difference {value:+.3f} ({low:+.3f} to {high:+.3f}); {one.verdict}"
            )


def joints_export(run: Run, bundle: BundleFolder, version: Version) -> None:
    """Export the joint task of an evaluated run to a bundle, as its next version in format 2."""
    from ra_node.inference.bundles.bundle import read_bundle
    from training.joints.export import add_joints

    sha256 = add_joints(run, bundle, version)
    identity = read_bundle(bundle).identity
    _say(f"bundle {identity.name} {identity.version} sha256 {sha256}")


def joints_sham(
    config: Config, radiographs: Radiographs, bundle: BundleOption = None, hands: HandCount = 60
) -> None:
    """Measure whether sham edits are distinguished from unedited joints, and lesions for comparison."""
    from training.joints.run import JointSource
    from training.joints.sham import joint_pairs, joints_told_apart
    from training.recipes.joints import read_joint_recipe

    recipe = read_joint_recipe(config)
    if radiographs is None:
        raise Fatal("expected the folder of radiographs in --radiographs, found none")
    for stage, name in ((0, "sham edits"), (2, "lesions of stage 2")):
        pairs = joint_pairs(recipe, JointSource(bundle_folder(bundle), radiographs), stage, hands)
        found = joints_told_apart(*pairs, recipe.seed)
        for kind, (value, low, high) in found.items():
            _say(f"{name} against untouched, {kind}: AUC {value:.3f} ({low:.3f} to {high:.3f})")


def _held_out(run: Path, origin: str) -> Hands:
    from training.joints.evaluate import highest_joint, load_predictions

    made = load_predictions(run)
    chosen = made.rows("held-out", origin)
    if not chosen.any():
        raise Fatal(f"expected held-out hands of the origin {origin} in {run}, found none")
    return highest_joint(made, chosen)


def _say(text: str) -> None:
    sys.stdout.write(text + os.linesep)
    sys.stdout.flush()
