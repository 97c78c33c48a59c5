"""Parses single cells of a label table; None for an invalid cell.

Unambiguous spellings are accepted ("1.0", "r", "Rechts"), ambiguous ones are not: a Roman numeral may be a
stage of another scale, and a single "D" is a side in some languages only.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path, PureWindowsPath
from typing import TypeVar

from ra_node.domain.joints import JOINTS
from ra_node.domain.laterality.evidence import Side
from ra_node.domain.laterality.side_words import side_in_text
from ra_node.domain.reader_study.labels import NOT_GRADABLE

_SIDES = {
    **dict.fromkeys(("r", "re", "rt", "der", "dcha", "dch", "dx"), Side.RIGHT),
    **dict.fromkeys(("l", "li", "lt", "izq", "izda", "sx"), Side.LEFT),
}
_NOT_GRADABLE = frozenset(
    ("notgradable", "ungradable", "ng", "notreadable", "nichtbeurteilbar", "nb", "novalorable", "noevaluable")
)

_Text = TypeVar("_Text", bound=str)


def stage_in(cell: str) -> int | None:
    """A stage 0 to 5, as 1, 01, 1.0 or 1,0; or NOT_GRADABLE."""
    number = re.fullmatch(r"0*([0-5])([.,]0*)?", cell, re.ASCII)
    if number:
        return int(number[1])
    return NOT_GRADABLE if re.sub(r"[\W_]+", "", cell.casefold()) in _NOT_GRADABLE else None


def side_in(cell: str) -> Side | None:
    """R or L by letter, abbreviation or word in the languages of `side_in_text`."""
    return _SIDES.get(cell.casefold().rstrip(".")) or side_in_text(cell)


def joint_in(cell: str) -> str | None:
    """A joint as mcp_2, MCP2, "MCP 2" or MCP-2."""
    name = re.sub(r"[\s_-]*([0-9])$", r"_\1", cell.casefold())
    return name if name in JOINTS else None


def age_in(cell: str) -> int | None:
    """Whole years 0 to 130, as 72, 72.0 or 72,0."""
    years = re.fullmatch(r"([0-9]{1,3})([.,]0*)?", cell, re.ASCII)
    return int(years[1]) if years and int(years[1]) <= 130 else None


def one_of(values: Sequence[_Text]) -> Callable[[str], _Text | None]:
    """One of some words, in any case."""
    return lambda cell: next((value for value in values if value.casefold() == cell.casefold()), None)


class FilesIn:
    """Looks up files of a folder by path, also as written on Windows and macOS."""

    def __init__(self, folder: Path) -> None:
        self._root = folder.resolve()
        self._by_fold: dict[str, list[str]] | None = None

    def __call__(self, cell: str) -> str | None:
        """The path within the folder, with forward slashes; None where no file or several match."""
        if not cell or "\0" in cell:
            return None
        return self._exact(cell) or self._folded(PureWindowsPath(cell))

    def _exact(self, cell: str) -> str | None:
        path = (self._root / cell).resolve()
        inside = path.is_relative_to(self._root) and path.is_file()
        return path.relative_to(self._root).as_posix() if inside else None

    def _folded(self, path: PureWindowsPath) -> str | None:
        """The only file that matches without regard to slashes, case and Unicode composition."""
        if path.drive or path.root or ".." in path.parts:
            return None
        if self._by_fold is None:
            self._by_fold = {}
            for file in self._root.rglob("*"):
                if file.is_file():
                    name = file.relative_to(self._root).as_posix()
                    self._by_fold.setdefault(_fold(name), []).append(name)
        found = self._by_fold.get(_fold(path.as_posix()), [])
        return found[0] if len(found) == 1 else None


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def shown(column: str, cell: str) -> str:
    """An invalid value for a message, without text that may identify a patient (such as a file name)."""
    if column == "file":
        absolute = bool(PureWindowsPath(cell).drive or PureWindowsPath(cell).root)
        return "an absolute path; give it relative to --images" if absolute else "no such file"
    if re.fullmatch(
        r"[-+]?[0-9]{1,3}([.,][0-9]{1,2})?\s?%?|[A-Za-z]{1,3}|[A-Za-z]{2,5}[ _-]?[0-9]{1,2}", cell, re.ASCII
    ):
        return f'"{cell}"'
    return "something else"
