"""The command that repeats the study of the paper: five networks, two tasks, one report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer

from ra_node.errors import Fatal
from training.cli.options import BundleOption, Device, People, Sensitivity, Threads, bundle_folder
from training.cli.output import say, say_nothing
from training.cli.show import Experiments, write_page
from training.experiments import paper_numbers as paper

REPORT = "report.html"

T = TypeVar("T")

Config = Annotated[Path, typer.Option("--config", help="The recipe, TOML; its architecture is ignored.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of the comparison; a run for each network in it.")]
Radiographs = Annotated[
    Path | None,
    typer.Option("--radiographs", envvar="RA_NODE_RADIOGRAPHS", help="Folder with joints.csv and rsna/."),
]
Dataset = Annotated[
    Path | None,
    typer.Option("--dataset", exists=True, file_okay=False, help="What prepare made, instead of simulation."),
]
SplitFile = Annotated[
    Path | None, typer.Option("--split", exists=True, dir_okay=False, help="The split of the dataset.")
]
FoldName = Annotated[str, typer.Option("--fold", help="Which fold of the split, where it has several.")]
Starts = Annotated[
    list[str] | None,
    typer.Option(
        "--start",
        help="Folder of state files, one file or run, or torchvision (its hub); vgg16=PATH for one network. "
        "May be given several times; without it the recipe's own.",
    ),
]
Architectures = Annotated[
    list[str] | None,
    typer.Option("--architectures", help="Networks, separated by commas; all five by default."),
]
Epochs = Annotated[
    list[str] | None,
    typer.Option("--epochs", help="vgg16=2 for one network, 6 for all others; the recipe's without it."),
]
Amp = Annotated[
    Literal["off", "auto", "bf16", "fp16"] | None, typer.Option("--amp", help="Overrides the recipe.")
]
OwnBase = Annotated[
    str | None,
    typer.Option("--base", help="Network of this comparison, or a run, that experiments are set against."),
]
Resamples = Annotated[int, typer.Option("--resamples", help="Of the patients, for the tables' intervals.")]
Bands = Annotated[int, typer.Option("--bands", help="Resamples for the bands of the figures.")]


def compare_command(
    config: Config,
    out: Out,
    radiographs: Radiographs = None,
    bundle: BundleOption = None,
    dataset: Dataset = None,
    split: SplitFile = None,
    fold: FoldName = "",
    start: Starts = None,
    architectures: Architectures = None,
    epochs: Epochs = None,
    amp: Amp = None,
    device: Device = "auto",
    threads: Threads = 0,
    resamples: Resamples = 1000,
    bands: Bands = 300,
    sensitivity: Sensitivity = None,
    people: People = None,
    base: OwnBase = None,
    experiment: Experiments = None,
) -> None:
    """Train and evaluate the paper's networks on the same hands, and compare them with its tables.

    After a kill the same command continues. Under torchrun all processes train together.
    """
    import torch

    from ra_node.inference.networks.loaded_network import chosen_device
    from training.classifier.distributed import joined_ranks
    from training.classifier.run_folder import HandsFrom
    from training.classifier.train import Place
    from training.experiments.compare import compare, entries
    from training.experiments.evaluation_cache import Question
    from training.recipes.classifier import read_recipe

    if threads:
        torch.set_num_threads(threads)
    names = [name for part in architectures or paper.NAMES for name in part.split(",")]
    chosen = entries(read_recipe(config), names, by_network(epochs, _epochs), by_network(start, Path), amp)
    with joined_ranks(chosen_device(device)) as (ranks, where):
        speak = say if ranks.first else say_nothing
        question = Question(resamples, sensitivity, people)
        cut = None if dataset else bundle_folder(bundle)
        source = HandsFrom(radiographs, cut, dataset, split, fold)
        folders = compare(chosen, Place(out, where, ranks), source, question, speak)
    if ranks.first:
        _show(folders, out / REPORT, bands, _base(base, out), experiment or ())


def by_network(given: Sequence[str] | None, read: Callable[[str], T]) -> Mapping[str, T]:
    """Read NAME=VALUE by name, and VALUE alone as "", the value of all others."""
    found = {}
    for word in given or ():
        name, equals, value = word.partition("=")
        if not equals or name not in paper.NAMES:
            name, value = "", word
        found[name] = read(value)
    return found


def _epochs(word: str) -> float:
    try:
        epochs = float(word)
    except ValueError:
        epochs = 0.0
    if not 0 < epochs < float("inf"):
        raise Fatal(f"expected epochs above 0, alone or as NETWORK=EPOCHS, found {word!r}")
    return epochs


def _base(given: str | None, out: Path) -> Path | None:
    return None if given is None else out / given if given in paper.NAMES else Path(given)


def _show(
    folders: Sequence[Path], page: Path, bands: int, base: Path | None, experiments: Sequence[Path]
) -> None:
    """Print both tables and write the report."""
    from training.report.tables import recognition_table, staging_table, text_of

    shown = write_page(folders, page, bands, base, experiments)
    for table in (recognition_table(shown), staging_table(shown)):
        say(text_of(table))
    say(f"{page}")


def register(app: typer.Typer) -> None:
    """Register this command."""
    app.command(name="compare")(compare_command)
