"""Output of the commands of `python -m training`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.evaluation.evaluate import Result


def say(text: str) -> None:
    """Write a line and flush, so that `tail -f` shows it at once."""
    sys.stdout.write(text + os.linesep)
    sys.stdout.flush()


def say_nothing(text: str) -> None:
    """Output of processes other than the first: none."""


def say_figures(result: Result) -> None:
    """A line for every figure of both tasks, with its interval."""
    from training.evaluation.metrics import in_words

    tasks = {"recognition": result.held_out.recognition, "staging": result.held_out.staging}
    for task, figures in tasks.items():
        for key, found in figures.items():
            say(f"{task} {key} {found[0]:.3f} ({in_words(found)})")
