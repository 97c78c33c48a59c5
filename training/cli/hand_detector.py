"""`python -m training finder`: trains the hand detector of a bundle on composed radiographs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ra_node.errors import Fatal
from training.cli.output import say
from training.io.atomic_file import write_whole

if TYPE_CHECKING:
    from training.hand_detector.picture_pool import Picture
    from training.hand_detector.scene_sampler import Studio
    from training.recipes.hand_detector import FinderRecipe

RECIPE = "recipe.json"

Config = Annotated[Path, typer.Option("--config", help="The recipe, TOML.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of the run.")]
Radiographs = Annotated[
    Path,
    typer.Option("--radiographs", envvar="RA_NODE_RADIOGRAPHS", help="Folder with joints.csv and rsna/."),
]
Start = Annotated[Path | None, typer.Option("--start", help="A finished run whose weights to begin with.")]
Network = Annotated[str, typer.Option("--network", help="seeker, reader, or both one after the other.")]
Run = Annotated[Path, typer.Option("--run", exists=True, help="Folder of a finished run.")]
BundleFolder = Annotated[
    Path, typer.Option("--bundle", exists=True, file_okay=False, help="The bundle to change.")
]
Seed = Annotated[int, typer.Option("--seed")]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Threads of torch.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `python -m training`."""
    app.command()(finder)
    app.command(name="finder-views")(finder_views)
    app.command(name="finder-export")(finder_export)


def finder(
    config: Config,
    out: Out,
    radiographs: Radiographs,
    start: Start = None,
    network: Network = "both",
    threads: Threads = 1,
) -> None:
    """Train the hand detector; missing pictures are created, and an interrupted run is resumed."""
    import cv2
    import torch

    from training.hand_detector.stock import stock_of
    from training.hand_detector.train import NAMES, train_network, weights_file
    from training.recipes.hand_detector import read_finder_recipe

    if network not in (*NAMES, "both"):
        raise Fatal(f"expected seeker, reader or both for --network, found {network!r}")
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    recipe = read_finder_recipe(config)
    content = recipe.model_dump_json(indent=2).encode()
    write_whole(out / RECIPE, lambda file: file.write(content))
    wanted = [name for name in NAMES if network in (name, "both") and not weights_file(out, name).exists()]
    if wanted:
        studio = _studio(stock_of(recipe, out, radiographs, start, _say_pictures))
        for name in wanted:
            train_network(name, studio, recipe, out, say, start)
    if all(weights_file(out, name).exists() for name in NAMES):
        _measure(recipe, out, radiographs)


def finder_views(run: Run, radiographs: Radiographs, seed: Seed = 1) -> None:
    """Train the view head on the reader of a run, and choose its threshold."""
    import cv2
    import torch

    from training.hand_detector.view_run import write_view_head

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    write_view_head(run, radiographs, seed, say)


def finder_export(run: Run, bundle: BundleFolder) -> None:
    """Export the hand detector of a run to a bundle; this changes the bundle's hash."""
    from training.hand_detector.export import add_finder

    say(f"bundle {bundle.name} sha256 {add_finder(run, bundle)}")
    say(
        "its networks were trained on hands of another detector: train on hands of this one, and export again"
    )


def _measure(recipe: FinderRecipe, out: Path, radiographs: Path) -> None:
    from ra_node.inference.hand_detector.detector import Finder
    from training.hand_detector.evaluate import measure_finder
    from training.hand_detector.export import write_figures
    from training.hand_detector.train import NAMES, weights_file

    seeker, reader = (weights_file(out, name) for name in NAMES)
    figures = measure_finder(Finder(seeker, reader), radiographs, recipe.seed, say)
    write_figures(out, figures)
    for name, (value, low, high) in figures.items():
        say(f"{name} {value:.3f} ({low:.3f} to {high:.3f})")


def _studio(pictures: list[Picture]) -> Studio:
    from training.hand_detector.scene_sampler import Studio
    from training.hand_detector.scenes import layers_of

    stock = [layers_of(picture) for picture in pictures]
    by_hands = {count: [one for one in stock if len(one.picture.joints) == count] for count in (0, 1, 2)}
    return Studio(by_hands[1], by_hands[2], by_hands[0])


def _say_pictures(done: int, total: int) -> None:
    if done % 25 == 0 or done == total:
        say(f"made {done} of {total} images")
