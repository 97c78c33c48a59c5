"""Progress of an archive run: a bar with pace and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from ra_node.cli.console import console as terminal
from ra_node.cli.console import print_json
from ra_node.domain.texts.printable import printable
from ra_node.services.archive_run.journal import QueuedStudies, RunStudyState
from ra_node.services.archive_run.run import Watcher
from ra_node.services.archive_run.summary import Summary

LINE_EVERY_S = 10.0


@dataclass
class Pace:
    """Counts the studies of one start and computes the pace. `clock` gives seconds."""

    clock: Callable[[], float] = time.monotonic
    studies: int = 0
    before: int = 0
    answered: int = 0
    failed: int = 0
    began: float = 0.0

    def begin(self, lined_up: QueuedStudies) -> None:
        self.studies, self.before, self.began = lined_up.studies, lined_up.done, self.clock()

    def count(self, state: RunStudyState) -> None:
        if state is RunStudyState.FAILED:
            self.failed += 1
        else:
            self.answered += 1

    @property
    def done(self) -> int:
        return self.before + self.answered + self.failed

    @property
    def per_minute(self) -> float:
        """Studies a minute since this start, without those that were finished before."""
        took = self.clock() - self.began
        return 60 * (self.answered + self.failed) / took if took > 0 else 0.0

    def words(self) -> str:
        """Pace, time left and failures as text."""
        pace, failed = self.per_minute, f"{self.failed} failed" if self.failed else ""
        if not pace:
            return failed
        left = f"{_span(60 * (self.studies - self.done) / pace)} left"
        return ", ".join(filter(None, (f"{pace:.1f} studies a minute", left, failed)))


@contextmanager
def watching(console: Console | None = None, pace: Pace | None = None) -> Iterator[Watcher]:
    """Show progress on standard error, as a bar or as plain lines."""
    out, pace = console or terminal(stderr=True), pace or Pace()
    if not out.is_terminal:
        yield _lines(out, pace)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, TextColumn("{task.fields[words]}", markup=False), console=out) as bar:
        yield _bar(bar, pace)


def print_summary(summary: Summary, *, as_json: bool) -> None:
    """Summary of the run; for a single study preceded by its report as text."""
    if as_json:
        print_json(dataclasses.asdict(summary))
        return
    out = terminal()
    if summary.studies == 1:
        for path in sorted(Path(summary.out).glob("*/report.txt")):
            out.print(Text(path.read_text(encoding="utf-8")))
    for line in summary.lines():
        out.print(Text(line))


def _bar(bar: Progress, pace: Pace) -> Watcher:
    task: TaskID = bar.add_task("Reading headers", total=None, words="")

    def show(**changes: object) -> None:
        bar.update(task, completed=pace.done, words=pace.words(), **changes)  # type: ignore[arg-type]

    def begun(lined_up: QueuedStudies) -> None:
        pace.begin(lined_up)
        show(description="Analysing studies", total=lined_up.studies)

    def finished(state: RunStudyState) -> None:
        pace.count(state)
        show(description="Analysing studies")

    def waiting(why: str) -> None:
        bar.update(task, description=f"Waiting: {printable(why)}" if why else "Analysing studies")

    return Watcher(lambda files: bar.update(task, completed=files), begun, finished, waiting)


def _lines(out: Console, pace: Pace) -> Watcher:
    said = [-LINE_EVERY_S]

    def say(line: str) -> None:
        said[0] = pace.clock()
        out.print(line, highlight=False, markup=False, soft_wrap=True)

    def begun(lined_up: QueuedStudies) -> None:
        pace.begin(lined_up)
        say(f"{lined_up.studies} studies, {lined_up.done} of them done before")

    def finished(state: RunStudyState) -> None:
        pace.count(state)
        if pace.done == pace.studies or pace.clock() - said[0] >= LINE_EVERY_S:
            say(f"{pace.done} of {pace.studies} studies, {pace.words()}")

    def waiting(why: str) -> None:
        if why and pace.clock() - said[0] >= LINE_EVERY_S:
            say(f"waiting: {why}")

    return Watcher(begun=begun, finished=finished, waiting=waiting)


def _span(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if hours < 2 else f"{hours:.1f} h"
