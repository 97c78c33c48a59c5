"""Rows of the table: what was measured, beside what, whether it is as it should be; saved and compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path


class Verdict(StrEnum):
    """Whether a row reaches its target."""

    MET = "met"
    SHORT = "short"
    TOLD = ""
    """A figure without a target."""


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement. `ratio` is what `target` speaks of, `at_least` tells in which direction."""

    name: str
    ours: str
    beside: str = ""
    ratio: float | None = None
    target: float | None = None
    at_least: bool = True

    @property
    def verdict(self) -> Verdict:
        """Whether the ratio reaches its target."""
        if self.ratio is None or self.target is None:
            return Verdict.TOLD
        reached = self.ratio >= self.target if self.at_least else self.ratio <= self.target
        return Verdict.MET if reached else Verdict.SHORT


HEADS = ("what", "ra-node", "beside", "ratio", "target", "", "before")


def lines(rows: Iterable[Row], before: dict[str, Row]) -> list[str]:
    """The table as text; `before` holds the rows of a saved run by their names."""
    cells = [HEADS, *(_cells(row, before.get(row.name)) for row in rows)]
    shown = cells if before else [row[:-1] for row in cells]
    widths = [max(len(row[at]) for row in shown) for at in range(len(shown[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    ]


def save(rows: Sequence[Row], path: Path) -> None:
    """Keep the rows, a line each, for a later run to be held against."""
    lines = (json.dumps({**asdict(row), "ratio": _short(row.ratio)}) for row in rows)
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def saved(path: Path) -> dict[str, Row]:
    """The rows of an earlier run by their names."""
    return {fields["name"]: Row(**fields) for fields in json.loads(path.read_text(encoding="utf-8"))}


def _short(ratio: float | None) -> float | None:
    return None if ratio is None else float(f"{ratio:.4g}")


def _cells(row: Row, before: Row | None) -> tuple[str, ...]:
    sign = ">=" if row.at_least else "<="
    return (
        row.name,
        row.ours,
        row.beside,
        "" if row.ratio is None else f"{row.ratio:.2f}",
        "" if row.target is None else f"{sign} {row.target:g}",
        row.verdict.value,
        _earlier(row, before),
    )


def _earlier(row: Row, before: Row | None) -> str:
    if before is None:
        return "-"
    if row.ratio is None or before.ratio is None:
        return before.ours
    change = row.ratio / before.ratio - 1 if before.ratio else 0.0
    return f"{before.ratio:.2f} ({change:+.0%})"
