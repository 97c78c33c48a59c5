"""`python -m training cross-validate`: out-of-fold figures of one or several networks, and a final fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.cli.compare import Architectures, Starts, by_network
from training.cli.options import Device, Sensitivity, Threads
from training.cli.output import say, say_figures

Config = Annotated[Path, typer.Option("--config", help="The recipe: a TOML file, or site.")]
Dataset = Annotated[Path, typer.Option("--dataset", exists=True, file_okay=False, help="What prepare made.")]
SplitFile = Annotated[
    Path | None,
    typer.Option(
        "--split",
        exists=True,
        dir_okay=False,
        help="A split whose held-out side is kept for the end, or one with folds; all hands without it.",
    ),
]
Out = Annotated[Path, typer.Option("--out", help="Folder of the runs; the one to export is in final.")]
Folds = Annotated[int, typer.Option("--folds", min=2, help="How many, where the split has none.")]
Resamples = Annotated[int, typer.Option("--resamples", help="Of the patients, for the intervals.")]


def cross_validate_command(
    config: Config,
    dataset: Dataset,
    out: Out,
    split: SplitFile = None,
    folds: Folds = 5,
    architectures: Architectures = None,
    start: Starts = None,
    device: Device = "auto",
    threads: Threads = 0,
    resamples: Resamples = 1000,
    sensitivity: Sensitivity = None,
) -> None:
    """Rate every hand by networks not trained on its patient, then fit on all; continues after a kill.

    Of several networks the one with the highest pooled kappa is fitted; the held-out side of a split, if
    there is one, is not used for that choice.
    """
    import torch

    from ra_node.inference.networks.loaded_network import chosen_device
    from training.classifier.train import Place
    from training.experiments.compare import entries
    from training.experiments.cross_validation import FINAL, choice_lines, cross_validate, planned_folds
    from training.experiments.evaluation_cache import Question
    from training.recipes.classifier import read_recipe

    if threads:
        torch.set_num_threads(threads)
    recipe = read_recipe(config)
    names = [name for part in architectures or [recipe.architecture] for name in part.split(",")]
    chosen = entries(recipe, names, {}, by_network(start, Path), None)
    plan = planned_folds(dataset, split, folds, recipe.seed)
    place = Place(out, chosen_device(device))
    pooled, result = cross_validate(chosen, plan, place, Question(resamples, sensitivity), say)
    for line in choice_lines(pooled):
        say(line)
    say(f"figures of {out / FINAL}: {result.measured_on}")
    say_figures(result)
    for agreement in result.readers:
        say(f"readers: {agreement}")


def register(app: typer.Typer) -> None:
    """Register this command."""
    app.command(name="cross-validate")(cross_validate_command)
