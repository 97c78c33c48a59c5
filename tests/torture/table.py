"""Prints what a run of the proof found, as a table for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Row = tuple[str, str, bool]
"""What was looked at, what was found, and whether that is the promise kept."""


def lines(title: str, rows: Iterable[Row]) -> list[str]:
    """A title and a line a row; what broke the promise is marked."""
    listed = list(rows)
    width = max((len(name) for name, _, _ in listed), default=0)
    return [
        "",
        title,
        "-" * len(title),
        *(f"  {'  ' if kept else '!!'} {name:<{width}}  {found}" for name, found, kept in listed),
    ]


def all_kept(parts: Iterable[Sequence[Row]]) -> bool:
    """Tell whether every row of every part kept the promise."""
    return all(kept for rows in parts for _, _, kept in rows)
