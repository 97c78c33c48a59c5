"""The log of a run: a CSV with a row for every epoch of every task."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from training.io.atomic_file import write_whole


@dataclass(frozen=True, slots=True)
class EpochRow:
    """Results of an epoch."""

    task: str
    epoch: int
    """From 1."""
    loss: float
    """Mean over the steps of the epoch."""
    learning_rate: float
    """Of the epoch's last step."""
    seconds: float
    """Training only, without the validation."""
    validation_auc: float | None
    """One-vs-rest AUC of the validation hands, mean over the classes; None without such hands."""


class Log:
    """Log file, written after each epoch; rows of a repeated epoch are replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[EpochRow] = []

    def resume(self, done: dict[str, int]) -> None:
        """Keep the rows that an earlier process left, up to the epochs `done` of each task."""
        if self._path.exists():
            self._rows = [row for row in read_log(self._path) if row.epoch <= done.get(row.task, 0)]

    def add(self, row: EpochRow) -> None:
        """Write the row of an epoch."""
        self._rows = [kept for kept in self._rows if (kept.task, kept.epoch) != (row.task, row.epoch)]
        self._rows.append(row)
        text = _text(self._rows)
        write_whole(self._path, lambda file: file.write(text.encode()))


def read_log(path: Path) -> list[EpochRow]:
    """Read the rows of `log.csv`."""
    with path.open(newline="") as lines:
        return [
            EpochRow(
                row["task"],
                int(row["epoch"]),
                float(row["loss"]),
                float(row["learning_rate"]),
                float(row["seconds"]),
                float(row["validation_auc"]) if row["validation_auc"] else None,
            )
            for row in csv.DictReader(lines)
        ]


def _text(rows: Sequence[EpochRow]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(EpochRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue()
