"""`python -m training ensemble`: several evaluated runs of one split, measured as one."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import torch
import typer

from training.cli.options import People, Sensitivity
from training.evaluation.metrics import in_words
from training.experiments.ensemble import assemble
from training.experiments.evaluation_cache import Question, measure

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
    """Take the mean of the calibrated probabilities of several runs, and measure it as a run."""
    assemble(runs, out)
    result = measure(out, torch.device("cpu"), _say, Question(resamples, sensitivity, people))
    for task in (result.held_out.recognition, result.held_out.staging):
        for key, found in task.items():
            _say(f"{key} {found[0]:.3f} ({in_words(found)})")


def register(app: typer.Typer) -> None:
    """Add this command to the training side's."""
    app.command()(ensemble)


def _say(text: str) -> None:
    sys.stdout.write(text + os.linesep)
    sys.stdout.flush()
