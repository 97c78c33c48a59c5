"""The commands of `python -m training` that show evaluated runs: figures, report, comparison."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ra_node.errors import Fatal
from training.io.atomic_file import write_whole

if TYPE_CHECKING:
    from training.experiments.run_summary import Shown

Runs = Annotated[list[Path], typer.Option("--run", exists=True, file_okay=False, help="Folders of runs.")]
Folder = Annotated[Path, typer.Option("--out", help="Folder of the figures.")]
Page = Annotated[Path, typer.Option("--out", help="The report, one HTML file.")]
PICTURES = 24
Pictures = Annotated[int, typer.Option("--pictures", min=0, help="Misread hands to show for each run.")]
Resamples = Annotated[int, typer.Option("--resamples", help="Of the patients, for the bands.")]
PairedResamples = Annotated[int, typer.Option("--resamples", help="Of the patients, for the intervals.")]
Base = Annotated[
    Path | None,
    typer.Option("--base", exists=True, file_okay=False, help="The run that experiments are set against."),
]
Experiments = Annotated[
    list[Path] | None,
    typer.Option("--experiment", exists=True, file_okay=False, help="Runs on the base's held-out hands."),
]
BaseRun = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The run to be better than.")]
OtherRuns = Annotated[list[Path], typer.Argument(exists=True, file_okay=False, help="The other runs.")]


def figures(run: Runs, out: Folder, resamples: Resamples = 300) -> None:
    """Draw the paper's figures 2 to 6 and a reliability diagram of evaluated runs, SVG and PNG."""
    from training.experiments.run_summary import read_shown
    from training.report.figures import all_figures
    from training.report.plot_style import save

    for drawn in all_figures(read_shown(run), resamples):
        for path in save(drawn, out):
            sys.stdout.write(f"{path}{os.linesep}")


def write_report(
    run: Runs,
    out: Page,
    base: Base = None,
    experiment: Experiments = None,
    resamples: Resamples = 300,
    pictures: Pictures = PICTURES,
) -> None:
    """Set evaluated runs beside the paper's tables in one self-contained page, with their figures."""
    write_page(run, out, resamples, base, experiment or (), pictures)
    sys.stdout.write(f"{out}{os.linesep}")


def versus_command(base: BaseRun, runs: OtherRuns, resamples: PairedResamples = 1000) -> None:
    """Say how much better or worse runs are than a base on the same held-out hands, with paired intervals."""
    from training.experiments.run_summary import read_shown
    from training.experiments.verdicts import lines_of, versus

    shown = read_shown([base, *runs])
    for line in lines_of(versus(shown[0], shown[1:], resamples=resamples)):
        sys.stdout.write(line + os.linesep)


def write_page(
    runs: Sequence[Path],
    out: Path,
    resamples: int,
    base: Path | None,
    experiments: Sequence[Path],
    pictures: int = PICTURES,
) -> list[Shown]:
    """Write the report of some runs, with what experiments gained over a base; returns the runs."""
    from training.experiments.run_summary import read_shown
    from training.experiments.verdicts import versus
    from training.report.figures import all_figures
    from training.report.misread import misread
    from training.report.page import report

    if (base is None) != (not experiments):
        raise Fatal("expected both --base and --experiment, or neither, found one of them")
    shown = read_shown(runs)
    tried = read_shown([base, *experiments]) if base else []
    better = versus(tried[0], tried[1:]) if tried else None
    wrong = [misread(run, one, pictures) for run, one in zip(runs, shown, strict=True)]
    page = report(shown, all_figures(shown, resamples), better, wrong).encode()
    write_whole(out, lambda file: file.write(page))
    return shown


def register(app: typer.Typer) -> None:
    """Add these commands to the training side's."""
    app.command()(figures)
    app.command(name="report")(write_report)
    app.command(name="versus")(versus_command)
