"""`python -m training markers`: trains the reader of lead markers of a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ra_node.errors import Fatal
from training.cli.output import say

Out = Annotated[Path, typer.Option("--out", help="Folder of the run.")]
Radiographs = Annotated[
    Path,
    typer.Option(
        "--radiographs", envvar="RA_NODE_RADIOGRAPHS", help="Folder with rsna/ and perhaps adults/."
    ),
]
Detector = Annotated[
    Path,
    typer.Option("--bundle", exists=True, file_okay=False, help="The bundle whose detector finds hands."),
]
Changed = Annotated[
    Path, typer.Option("--bundle", exists=True, file_okay=False, help="The bundle to change.")
]
Fonts = Annotated[
    list[Path] | None, typer.Option("--fonts", help="A folder with more fonts; may be given several times.")
]
Scenes = Annotated[int, typer.Option("--scenes", min=10, help="Rendered scenes.")]
Rounds = Annotated[
    str, typer.Option("--rounds", help="Epochs of each round, by commas; real pieces from the second one on.")
]
Seed = Annotated[int, typer.Option("--seed", help="Of scenes, order and weights.")]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Threads of torch.")]
Run = Annotated[Path, typer.Option("--run", exists=True, help="Folder of a finished run.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `python -m training`."""
    app.command()(markers)
    app.command(name="markers-export")(markers_export)


def markers(
    out: Out,
    radiographs: Radiographs,
    bundle: Detector = Path("config/bundles/demo"),
    fonts: Fonts = None,
    scenes: Scenes = 30000,
    rounds: Rounds = "5,6,7,5",
    seed: Seed = 1,
    threads: Threads = 1,
) -> None:
    """Train the marker reader on rendered letters, then with real ones; a finished step is kept."""
    import cv2
    import torch

    from training.marker_reader.run import MarkerTraining, train_markers

    words = rounds.split(",")
    epochs = tuple(int(word) for word in words if word.strip().isdecimal() and int(word) > 0)
    if len(epochs) != len(words):
        raise Fatal(f"expected epochs above 0, by commas, found {rounds!r}")
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    out.mkdir(parents=True, exist_ok=True)
    train_markers(MarkerTraining(scenes, epochs, seed), out, radiographs, bundle, fonts or [], say)


def markers_export(run: Run, bundle: Changed) -> None:
    """Export the marker reader of a run to a bundle; this changes the bundle's hash."""
    from training.marker_reader.export import add_marker_reader

    say(f"bundle {bundle.name} sha256 {add_marker_reader(run, bundle)}")
