"""What every answer in a terminal is made of: the console, a table, a line of JSON."""

from __future__ import annotations

import json

import typer
from rich import box
from rich.console import Console
from rich.table import Table

PLAIN_COLUMNS = 132
"""Width of tables that go to a file or a mail."""


def console() -> Console:
    """The terminal; a file or a pipe gets a fixed width."""
    made = Console(soft_wrap=True)
    return made if made.is_terminal else Console(width=PLAIN_COLUMNS, soft_wrap=True)


def table(*names: str) -> Table:
    """An empty table with these columns, whose long cells are folded."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        made.add_column(name, overflow="fold")
    return made


def print_json(value: object) -> None:
    """One line of JSON; times and other values as text."""
    typer.echo(json.dumps(value, default=str))
