"""Reads the cells of a table as exported by spreadsheets, with the row numbers of a spreadsheet.

CSV or TSV by comma, semicolon or tab; UTF-8 and UTF-16 with or without byte order mark, otherwise
Windows-1252 (of which Latin-1 is a part), in which Western European Excel saves "CSV".
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from ra_node.errors import Refused

ABSENT = frozenset(
    ("", "nan", "na", "n/a", "n.a.", "none", "null", "<na>", "#n/a", "#nv", "-", "--", "\u2013", "\u2014")
)
"""Missing values as written by pandas, R and Excel."""

_WORKBOOK = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""Signatures of .xlsx and .xls."""

_INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff]")


def table_rows(table: Path) -> list[tuple[int, list[str]]]:
    """The non-empty rows, numbered from 1, with stripped cells.

    Raises Refused for a workbook, bytes that are not text, and unbalanced quotes.
    """
    try:
        content = table.read_bytes()
    except OSError as error:
        raise Refused(f"expected a readable table, found {type(error).__name__}") from error
    lines = _decoded(content).splitlines(keepends=True)
    stated = re.fullmatch(r"sep=([,;\t])\s*", lines[0]) if lines else None
    if stated:
        lines[0] = "\n"
    head = next((line for line in lines if line.strip()), "")
    delimiter = stated[1] if stated else max("\t;,", key=head.count)
    try:
        rows = list(_numbered("".join(lines), delimiter))
    except csv.Error as error:
        raise Refused(f"expected a CSV or TSV table, found a broken one: {error}") from error
    return [(number, cells) for number, cells in rows if any(cells)]


def column_name(cell: str) -> str:
    """Normalise a column name: "Reader 1" becomes reader_1."""
    return re.sub(r"[\s_.-]+", "_", cell.casefold()).strip("_")


def _numbered(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    for number, cells in enumerate(reader, start=1):
        yield number, [_clean(cell) for cell in cells]


def _clean(cell: str) -> str:
    """Strip a cell and Excel's ="text", compose accents (NFC), and remove invisible characters."""
    text = _INVISIBLE.sub("", unicodedata.normalize("NFC", cell)).strip()
    formula = re.fullmatch(r'="([^"]*)"', text)
    return formula[1].strip() if formula else text


def _decoded(content: bytes) -> str:
    if content.startswith(_WORKBOOK):
        raise Refused("expected a CSV or TSV table, found an Excel workbook; save it as CSV UTF-8")
    try:
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return content.decode("utf-16")
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252")
    except UnicodeDecodeError as error:
        byte = f"byte {error.object[error.start]:#04x} at {error.start}"
        raise Refused(f"expected text in UTF-8 or Windows-1252, found {byte}") from error
    if "\0" in text:
        raise Refused("expected text in UTF-8 or Windows-1252, found zero bytes; save the table as CSV UTF-8")
    return text
