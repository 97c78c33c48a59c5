"""What peers and file names bring is text in a terminal: no markup, no control sequence, no formula."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.text import Text

from ra_node.cli.console import console, say, table
from ra_node.domain.texts.printable import csv_cell, printable

HOSTILE = (
    "1.2[/red]",
    "\x1b[2J\x1b]0;owned\x07",
    "\x9b31m",
    "a\u202eb",
    "name\udcff.dcm",
    "one\rtwo",
    "\x00\x7f",
)
COMMANDS = sorted(Path("ra_node").glob("*.py"))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_printed_as_text(text: str, capfdbinary: pytest.CaptureFixture[bytes]):
    """`1.2[/red]` as a Study UID ended `ra-node studies` for all; ESC of an AE title reached the terminal."""
    rows = table("study", "error")
    rows.add_row(text, Text(text, "red"))
    for terminal in (False, True):
        out = console()
        out.file, out._force_terminal = io.StringIO(), terminal
        out.print(text)
        out.print(Text.assemble((text, "bold"), f" {text}"))
        out.print(rows)
        shown = out.file.getvalue()
        assert "[/red]" in shown or "[/red]" not in text
        assert not set(shown.replace("\x1b[1m", "").replace("\x1b[31m", "").replace("\x1b[0m", "")) & set(
            "\x1b\x9b\x07\x7f\x00\r\u202e\udcff"
        )
    say(text)
    said = capfdbinary.readouterr().out.decode()
    assert said == f"{printable(text)}\n"
    assert printable(text).isprintable()


def test_lines_stay_where_they_are_wanted():
    assert printable("a\n\tb\x1b", lines=True) == "a\n\tb\\x1b"
    assert printable("a\nb") == "a\\nb"
    assert printable("\u624b \xa0\xe9") == "\u624b \xa0\xe9"


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "\uff1dcmd()"])
def test_no_cell_is_a_formula(text: str):
    assert csv_cell(text) == f"'{text}"


def test_every_command_prints_in_one_way():
    """A `typer.echo` or a rich console of its own would let foreign text through."""
    for path in COMMANDS:
        source = path.read_text(encoding="utf-8")
        if path.name != "tabular.py":
            assert "typer.echo(" not in source, path
            assert "Console(" not in source.replace("Console(stderr", ""), path
            assert not any(line.lstrip().startswith("print(") for line in source.splitlines()), path
