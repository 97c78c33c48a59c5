"""A conformance statement as numbered sections of text and tables, rendered as Markdown or HTML.

The HTML page is self-contained, so that it can be mailed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class TableBlock:
    """A table with a header; all rows have its width."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part with its text, its tables and the parts within it."""

    title: str
    text: tuple[str, ...] = ()
    tables: tuple[TableBlock, ...] = ()
    parts: tuple[Section, ...] = ()


@dataclass(frozen=True, slots=True)
class Statement:
    """The whole document; its sections are numbered from 1."""

    title: str
    about: str
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class Numbered:
    """A section with its number ("4.2.1") and its depth (1 for a chapter)."""

    number: str
    depth: int
    section: Section


def prose(key: str, **values: object) -> tuple[str, ...]:
    """The paragraphs of a section, with its {placeholders} filled in."""
    return tuple(text.format(**values) for text in _prose()[key])


@cache
def _prose() -> dict[str, list[str]]:
    return tomllib.loads((TEMPLATES / "conformance.toml").read_text(encoding="utf-8"))


def numbered(sections: Sequence[Section], before: str = "") -> Iterator[Numbered]:
    """Go through all sections in the order of the document."""
    for place, section in enumerate(sections, start=1):
        number = f"{before}{place}"
        yield Numbered(number, number.count(".") + 1, section)
        yield from numbered(section.parts, f"{number}.")


def as_markdown(statement: Statement) -> str:
    """Write the statement as Markdown."""
    blocks = [f"# {statement.title}", statement.about]
    for entry in numbered(statement.sections):
        blocks.append(f"{'#' * (entry.depth + 1)} {entry.number} {entry.section.title}")
        blocks.extend(entry.section.text)
        blocks.extend(_markdown_table(table) for table in entry.section.tables)
    return "\n\n".join(blocks) + "\n"


def as_html(statement: Statement) -> str:
    """Write the statement as one page of HTML; names are escaped."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["code"] = _with_code
    page = templates.get_template("conformance.html")
    return page.render(statement=statement, entries=list(numbered(statement.sections)))


def _with_code(text: str) -> Markup:
    """Escaped text whose `backticks` are code."""
    code = Markup("<code>{}</code>")
    return Markup("").join(code.format(part) if n % 2 else part for n, part in enumerate(text.split("`")))


def _markdown_table(table: TableBlock) -> str:
    rows = [table.head, tuple("---" for _ in table.head), *table.rows]
    return "\n".join("| " + " | ".join(_cell(text) for text in row) + " |" for row in rows)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
