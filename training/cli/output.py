"""Output of the commands of `python -m training`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.evaluation.evaluate import Result
    from training.evaluation.metrics import Interval


def say(text: str) -> None:
    """Write a line and flush, so that `tail -f` shows it at once."""
    sys.stdout.write(text + os.linesep)
    sys.stdout.flush()


def say_nothing(text: str) -> None:
    """Output of processes other than the first: none."""


def say_figures(result: Result) -> None:
    """A line for every figure of both tasks, with its interval."""
    for task in (result.held_out.recognition, result.held_out.staging):
        _say_intervals(task)


def _say_intervals(figures: Mapping[str, Interval]) -> None:
    from training.evaluation.metrics import in_words

    for key, found in figures.items():
        say(f"{key} {found[0]:.3f} ({in_words(found)})")
