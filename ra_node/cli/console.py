"""Output of all commands: a line, the console, a table, a line of JSON.

All output passes through here, so that no text of a peer is markup or a control sequence.
"""

from __future__ import annotations

import json
from typing import Any

import typer
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from ra_node.domain.texts.printable import printable

PLAIN_COLUMNS = 132
"""Width of tables that go to a file or a mail."""


def say(text: str, *, err: bool = False, end: str = "\n") -> None:
    """Print plain text, which may have several lines."""
    typer.echo(printable(text, lines=True) + end, err=err, nl=False)


class _Console(Console):
    """A console without markup."""

    def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401 - as the library has it
        super().print(*map(_plain, objects), **options)


class _Table(Table):
    """A table without markup."""

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:  # noqa: ANN401 - as above
        super().add_row(*map(_plain, cells), **options)


def console(*, stderr: bool = False) -> Console:
    """The terminal; a file or a pipe gets a fixed width."""
    made = _Console(soft_wrap=True, stderr=stderr)
    return made if made.is_terminal else _Console(width=PLAIN_COLUMNS, soft_wrap=True, stderr=stderr)


def table(*names: str) -> Table:
    """An empty table with these columns, whose long cells are folded."""
    made = _Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        made.add_column(name, overflow="fold")
    return made


def print_json(value: object) -> None:
    """One line of JSON; times and other values as text."""
    typer.echo(json.dumps(value, default=str))


def _plain(shown: Any) -> Any:  # noqa: ANN401 - whatever the library can show
    """A string becomes one printable line; a Text keeps its lines and styles."""
    if isinstance(shown, str):
        return Text(printable(shown))
    if isinstance(shown, Text) and not shown.plain.isprintable():
        parts = [(printable(part.text, lines=True), part.style or "") for part in shown.render(Console())]
        return Text.assemble(*parts, end=shown.end)
    return shown
