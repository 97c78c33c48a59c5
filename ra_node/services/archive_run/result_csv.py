"""The table of a run as CSV: appended after every study, renamed when it is complete."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from ra_node.filesystem.durable_write import fsync_stream, move_durably
from ra_node.services.archive_run.journal import Journal, SeenFile
from ra_node.services.archive_run.result_rows import (
    SKIPPED_FILE,
    UNREADABLE_FILE,
    Cells,
    ResultRow,
    RowOutcome,
    as_cells,
)

NAME, GROWING, NEW = "hands.csv", "hands.partial.csv", "hands.csv.new"
TOLD = 5
"""Most failures in the summary; the table has them all."""


@dataclass
class ResultTable:
    """The files of the table in `folder`, with these columns.

    During the run `hands.partial.csv` has the rows of all finished studies.
    `hands.csv` is replaced at the end. `counts` are of its rows: by
    outcome, call and code of refusal. `failures` are the first few rows without a result, as text.
    """

    folder: Path
    columns: tuple[str, ...]
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _growing: IO[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._growing is not None:
            self._growing.close()
            self._growing = None

    def begin(self, studies: Iterable[list[Cells]]) -> None:
        """Rewrite the partial file with the rows of studies that were finished before."""
        self._growing = (self.folder / GROWING).open("w", encoding="utf-8", newline="")
        writer = self._writer(self._growing)
        writer.writeheader()
        for rows in studies:
            writer.writerows(rows)
        fsync_stream(self._growing)

    def append(self, rows: Iterable[Cells]) -> None:
        """Add the rows of one study; they are on the disk when this returns."""
        assert self._growing is not None
        self._writer(self._growing).writerows(rows)
        fsync_stream(self._growing)

    def finish(self, journal: Journal) -> None:
        """Write the whole table, studies in the order of the archive and then the files that were skipped."""
        self.counts.clear()
        self.failures.clear()
        new = self.folder / NEW
        with new.open("w", encoding="utf-8", newline="") as stream:
            writer = self._writer(stream)
            writer.writeheader()
            for row in _all(journal):
                self.counts.update({row["outcome"], row["call"], row["refusal"]} - {""})
                self._note(row)
                writer.writerow(row)
        move_durably(new, self.folder / NAME)
        self.__exit__()
        (self.folder / GROWING).unlink(missing_ok=True)

    def _note(self, row: Cells) -> None:
        if row["outcome"] == RowOutcome.FAILED and len(self.failures) < TOLD:
            self.failures.append(f"{row['file'] or row['study_uid']}: {row['refusal_text']}")

    def _writer(self, stream: IO[str]) -> csv.DictWriter[str]:
        return csv.DictWriter(stream, self.columns, extrasaction="ignore", lineterminator="\n")


def path_text(path: Path) -> str:
    """A path as text; a byte of a name that is not UTF-8 is written as its number."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _all(journal: Journal) -> Iterator[Cells]:
    for rows in journal.rows():
        yield from rows
    for one in journal.skipped():
        yield as_cells(_of_file(one))


def _of_file(one: SeenFile) -> ResultRow:
    outcome, code = (RowOutcome.FAILED, UNREADABLE_FILE) if one.broken else (RowOutcome.SKIPPED, SKIPPED_FILE)
    return ResultRow(outcome, refusal=code, refusal_text=one.reason, file=path_text(one.path))
