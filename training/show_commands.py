"""The commands of `python -m training` that show evaluated runs: figures and the report."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from training.whole import write_whole

Runs = Annotated[list[Path], typer.Option("--run", exists=True, file_okay=False, help="Folders of runs.")]
Folder = Annotated[Path, typer.Option("--out", help="Folder of the figures.")]
Page = Annotated[Path, typer.Option("--out", help="The report, one HTML file.")]
Resamples = Annotated[int, typer.Option("--resamples", help="Of the patients, for the bands.")]


def figures(run: Runs, out: Folder, resamples: Resamples = 300) -> None:
    """Draw the paper's figures 2 to 6 and a reliability diagram of evaluated runs, SVG and PNG."""
    from training.figures import all_figures  # noqa: PLC0415  # matplotlib and scikit-learn load slowly
    from training.house_style import save  # noqa: PLC0415
    from training.shown import read_shown  # noqa: PLC0415

    for drawn in all_figures(read_shown(run), resamples):
        for path in save(drawn, out):
            sys.stdout.write(f"{path}{os.linesep}")


def write_report(run: Runs, out: Page, resamples: Resamples = 300) -> None:
    """Set evaluated runs beside the paper's tables in one self-contained page, with their figures."""
    from training.figures import all_figures  # noqa: PLC0415  # matplotlib and scikit-learn load slowly
    from training.report import report  # noqa: PLC0415
    from training.shown import read_shown  # noqa: PLC0415

    shown = read_shown(run)
    page = report(shown, all_figures(shown, resamples)).encode()
    write_whole(out, lambda file: file.write(page))
    sys.stdout.write(f"{out}{os.linesep}")


def register(app: typer.Typer) -> None:
    """Add these commands to the training side's."""
    app.command()(figures)
    app.command(name="report")(write_report)
