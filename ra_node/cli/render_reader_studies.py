"""Reader studies as tables or JSON, and the progress of making one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ra_node.cli.console import console, print_json, say, table
from ra_node.services.reader_studies.lead_view import LeadEntry, LeadView, ReaderProgress

_LINES = 20
"""Lines of progress where there is no terminal."""


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Progress on standard error: a bar, or some plain lines."""
    out = console(stderr=True)
    if not out.is_terminal:
        yield lambda done, total: _line(what, done, total)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=out, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_studies(studies: Sequence[LeadEntry], *, as_json: bool) -> None:
    """Print the list of reader studies."""
    if as_json:
        print_json([dataclasses.asdict(one) for one in studies])
        return
    if not studies:
        say("No reader study. ra-node reader-study create NAME FOLDER makes one.")
        return
    shown = table("Name", "Phase", "Hands", "Read", "Readers", "Exported", "Problem")
    for one in studies:
        shown.add_row(
            one.name,
            str(one.phase),
            str(one.hands),
            f"{one.done} of {one.total}",
            ", ".join(one.readers),
            "yes" if one.exported_at else "no",
            one.problem,
        )
    console().print(shown)


def print_view(view: LeadView, *, as_json: bool) -> None:
    """Print progress and agreement of one reader study."""
    if as_json:
        print_json(dataclasses.asdict(view))
        return
    say(f"{view.study.name}: {view.study.phase}, {view.hands} hands")
    shown = table("Reader", "Done", "Seconds a hand", "normal", "with lesions", "Revised", "Drift")
    for one in view.readers:
        shown.add_row(
            f"{one.account}" + ("" if one.duty == "reader" else f" ({one.duty})"),
            f"{one.done} of {one.total}" + (", closed" if one.reading_closed else ""),
            _seconds(one.seconds),
            _seconds(one.seconds_normal),
            _seconds(one.seconds_lesions),
            str(one.revised),
            _drift(one),
        )
    console().print(shown)
    for one in view.readers:
        if one.repeats is not None:
            say(f"{one.account} with himself on hidden repeats: {one.repeats}")
    for when, found in (("Before the revision", view.before), ("After it", view.after)):
        for agreement in found:
            say(f"{when}: {agreement}")
    say(f"{view.discrepant} hands differ, {view.undecided} are not decided.")
    matrix = table("Reader 1 \\ 2", *(str(stage) for stage in range(len(view.matrix))))
    for stage, row in enumerate(view.matrix):
        matrix.add_row(str(stage), *(str(count) for count in row))
    console().print(matrix)


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _drift(one: ReaderProgress) -> str:
    if one.drift is None:
        return ""
    value, low, high = one.drift
    return f"{value:+.2f} ({low:+.2f} to {high:+.2f})" + (" drifts" if one.drifts else "")


def _line(what: str, done: int, total: int) -> None:
    every = max(1, total // _LINES)
    if done in (0, total) or done % every == 0:
        say(f"{done} of {total} {what}", err=True)
