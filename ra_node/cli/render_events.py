"""Prints the event log: one line an entry, as text, JSON or CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from datetime import UTC, datetime

import typer

from ra_node.cli.console import print_json, say
from ra_node.domain.texts.printable import csv_cell, printable
from ra_node.ledger.event_query import Entry

COLUMNS = ("at", "what", "who", "address", "study_uid", "detail")


def moment(since: str) -> float:
    """Parse a date or time in ISO 8601, UTC by default; a usage error for anything else."""
    if not since:
        return 0.0
    try:
        when = datetime.fromisoformat(since)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        expected = "a date or time such as 2026-11-01 or 2026-11-01T08:00"
        raise typer.BadParameter(f"expected {expected}, found {since}", param_hint="'--since'") from error


def print_trail(entries: Iterable[Entry], *, as_json: bool, as_csv: bool) -> None:
    """One line an entry, oldest first; JSON is one object a line, written as it is read."""
    if as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(COLUMNS)
        for entry in entries:
            writer.writerow(printable(csv_cell(cell)) for cell in _row(entry))
        return
    for entry in entries:
        row = _row(entry)
        if as_json:
            told = dict(zip(COLUMNS, row, strict=True)) | {"detail": dict(entry.event.detail)}
            print_json(told)
        else:
            say(printable("  ".join(cell for cell in row if cell)))


def _row(entry: Entry) -> tuple[str, ...]:
    event = entry.event
    when = datetime.fromtimestamp(event.at, UTC).isoformat(timespec="milliseconds")
    shown = {key: value for key, value in event.detail.items() if value not in (None, "")}
    words = " ".join(f"{key}={value}" for key, value in sorted(shown.items()))
    return when, event.what, entry.who, entry.address, event.study_uid or "", words
