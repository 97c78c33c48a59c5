"""`python -m training ensemble`: several evaluated runs of one split, evaluated as one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.cli.options import People, Sensitivity
from training.cli.output import say, say_figures

Members = Annotated[
    list[Path], typer.Argument(exists=True, file_okay=False, help="Evaluated runs on the same hands.")
]
Out = Annotated[Path, typer.Option("--out", help="Folder of the ensemble, for versus and report.")]
Resamples = Annotated[int, typer.Option("--resamples", help="Of the patients, for the intervals.")]


def ensemble(
    runs: Members,
    out: Out,
    resamples: Resamples = 1000,
    sensitivity: Sensitivity = None,
    people: People = None,
) -> None:
    """Average the calibrated probabilities of several runs, and evaluate the mean as a run."""
    import torch

    from training.experiments.ensemble import assemble
    from training.experiments.evaluation_cache import Question, measure

    assemble(runs, out)
    say_figures(measure(out, torch.device("cpu"), say, Question(resamples, sensitivity, people)))


def register(app: typer.Typer) -> None:
    """Register this command."""
    app.command()(ensemble)
