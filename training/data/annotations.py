"""Reads a table of labels by two readers, and accepts it whole or says what is wrong with which row.

A CSV or TSV file in UTF-8 whose first row names the columns. One row is one hand or, with a column
`joint`, one joint of a hand; the stage of such a hand is the highest of its joints.

    file        image, relative to the folder of images
    side        R or L
    joint       only for labels by joint: ip_1, pip_2 to pip_5, mcp_1 to mcp_5, wrist_1 to wrist_3
    reader_1    stage 0 to 5 by the first reader
    reader_2    stage 0 to 5 by the second reader, apart from the first
    consensus   stage 0 to 5 that both agreed on afterwards; decides wherever it is given
    patient     any key of the patient; in every row or in none (then the DICOM header's Patient ID)
    site, sex (M, F, O), age_years, split (train, test), note
                optional; site, sex, age and split are the same in all rows of a hand

A message names row and column (the first row is 1) and never repeats a file name, which may hold a
patient's.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from ra_node.domain.joints import JOINTS
from ra_node.domain.laterality.evidence import Side
from ra_node.domain.report import STAGES
from ra_node.errors import Refused
from training.data.consensus import Facts, LabelledHand, Reading, SplitName

READERS = ("reader_1", "reader_2")
COLUMNS = (
    "file", "side", "joint", *READERS, "consensus", "patient", "site", "sex", "age_years", "split", "note",
)  # fmt: skip
MOST_PROBLEMS = 20
"""A message lists no more; the rest is counted."""

_SPLITS: tuple[SplitName, ...] = ("train", "test")

_Value = TypeVar("_Value")
_Text = TypeVar("_Text", bound=str)


class TableRefused(Refused):
    """A label table that cannot be used; `problems` name their rows and columns."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        more = len(problems) - MOST_PROBLEMS
        rest = [f"and {more} more"] if more > 0 else []
        super().__init__("the label table cannot be used:\n" + "\n".join([*problems[:MOST_PROBLEMS], *rest]))


def read_labels(table: Path, images: Path) -> tuple[LabelledHand, ...]:
    """Read a label table whose files lie in `images`; raises TableRefused with all that is wrong."""
    rows = _cells(table)
    problems: list[str] = []
    header = rows[0][1] if rows else []
    _check_columns(header, problems)
    if problems:
        raise TableRefused(problems)
    readings = []
    for number, cells in rows[1:]:
        if len(cells) != len(header):
            problems.append(f"row {number}: expected {len(header)} cells, found {len(cells)}")
            continue
        reading = _Row(number, dict(zip(header, cells, strict=True)), images, problems).reading()
        if reading is not None:
            readings.append(reading)
    hands = _by_hand(readings, problems)
    if not problems and not hands:
        problems.append("row 2: expected a label, found the end of the table")
    if problems:
        raise TableRefused(problems)
    return hands


def _cells(table: Path) -> list[tuple[int, list[str]]]:
    """The rows that hold anything, numbered as a spreadsheet does, cells stripped."""
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TableRefused([f"expected a readable table in UTF-8, found {type(error).__name__}"]) from error
    first = text.split("\n", 1)[0]
    delimiter = max("\t;,", key=first.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise TableRefused([f"expected a CSV or TSV table, found a broken one: {error}"]) from error
    stripped = ((number, [cell.strip() for cell in cells]) for number, cells in enumerate(rows, start=1))
    return [(number, cells) for number, cells in stripped if any(cells)]


def _check_columns(header: Sequence[str], problems: list[str]) -> None:
    for place, name in enumerate(header, start=1):
        if name not in COLUMNS:
            near = get_close_matches(name, COLUMNS, 1)
            hint = f"; do you mean {near[0]}?" if near else f"; known are {', '.join(COLUMNS)}"
            problems.append(f"row 1, column {place}: expected a known column name, found another{hint}")
        elif header.count(name) > 1:
            problems.append(f"row 1, column {name}: expected it once, found {header.count(name)}")
    problems += [
        f"row 1: expected the column {name}, found none" for name in ("file", "side") if name not in header
    ]
    if "consensus" not in header and not set(READERS) <= set(header):
        problems.append("row 1: expected the columns reader_1 and reader_2, or consensus, found neither")


@dataclass(frozen=True, slots=True)
class _Row:
    """One row while it is checked; what is wrong goes to `problems`."""

    number: int
    cells: Mapping[str, str]
    images: Path
    problems: list[str]

    def reading(self) -> Reading | None:
        before = len(self.problems)
        first, second = (self._stage(name) for name in READERS)
        consensus = self._stage("consensus")
        if first is None and second is None and consensus is None and len(self.problems) == before:
            self._wrong("consensus" if "consensus" in self.cells else "reader_1", "a stage", "none")
        file = self._read("file", _one_file(self.images), "a file in the folder of images")
        side = self._read("side", _one_of(("R", "L")), "R or L")
        joint = self._joint()
        facts = self._facts()
        if len(self.problems) > before or file is None or side is None:
            return None
        return Reading(self.number, file, Side(side), joint, first, second, consensus, facts)

    def _stage(self, column: str) -> int | None:
        text = self._optional(column, _one_of(tuple(map(str, STAGES))), "a stage 0 to 5")
        return None if text is None else int(text)

    def _joint(self) -> str:
        if "joint" not in self.cells:
            return ""
        return self._read("joint", _one_of(JOINTS), f"one of {', '.join(JOINTS)}") or ""

    def _facts(self) -> Facts:
        cells = self.cells
        if "patient" in cells and not cells["patient"]:
            self._wrong("patient", "a key in every row, or no such column", "none")
        age = self._optional("age_years", _age, "whole years 0 to 130")
        sex = self._optional("sex", _one_of(("M", "F", "O")), "M, F or O")
        split: SplitName = self._optional("split", _one_of(_SPLITS), "train or test") or ""
        return Facts(cells.get("patient", ""), cells.get("site", ""), sex or "", age, split)

    def _optional(self, column: str, take: Callable[[str], _Value | None], expected: str) -> _Value | None:
        return self._read(column, take, expected) if self.cells.get(column) else None

    def _read(self, column: str, take: Callable[[str], _Value | None], expected: str) -> _Value | None:
        cell = self.cells[column]
        value = take(cell)
        if value is None:
            self._wrong(column, expected, "none" if not cell else _shown(column, cell))
        return value

    def _wrong(self, column: str, expected: str, found: str) -> None:
        self.problems.append(f"row {self.number}, column {column}: expected {expected}, found {found}")


def _one_of(values: Sequence[_Text]) -> Callable[[str], _Text | None]:
    return lambda cell: next((value for value in values if value == cell), None)


def _one_file(images: Path) -> Callable[[str], str | None]:
    """Take a path that stays within the folder and names a file in it."""
    root = images.resolve()

    def take(cell: str) -> str | None:
        path = (root / cell).resolve() if cell and "\0" not in cell else root
        return path.relative_to(root).as_posix() if path.is_relative_to(root) and path.is_file() else None

    return take


def _age(cell: str) -> int | None:
    return int(cell) if re.fullmatch(r"[0-9]{1,3}", cell) and int(cell) <= 130 else None


def _shown(column: str, cell: str) -> str:
    """A wrong value as far as it cannot name anybody: cells slip into wrong columns."""
    if column != "file" and re.fullmatch(
        r"-?[0-9]{1,3}(\.[0-9]{1,2})?|[A-Za-z]{1,3}|[a-z]{2,5}_[0-9]{1,2}", cell
    ):
        return f'"{cell}"'
    return "no such file" if column == "file" else "something else"


def _by_hand(readings: Sequence[Reading], problems: list[str]) -> tuple[LabelledHand, ...]:
    """Group the rows of a hand; one place is labelled once, and facts do not contradict each other."""
    groups: dict[tuple[str, Side], list[Reading]] = {}
    patients: dict[str, Reading] = {}
    for reading in readings:
        group = groups.setdefault((reading.file, reading.side), [])
        earlier = next((other for other in group if other.joint == reading.joint), None)
        if earlier is not None:
            what = f"{reading.joint} of this hand" if reading.joint else "this hand"
            problems.append(
                f"row {reading.row}, column side: expected one label for {what}, "
                f"found another in row {earlier.row}"
            )
        elif group and group[0].facts != reading.facts:
            problems.append(
                f"row {reading.row}: expected patient, site, sex, age_years and split as in"
                f" row {group[0].row}, found others"
            )
        seen = patients.setdefault(reading.file, reading)
        if seen.facts.patient != reading.facts.patient:
            problems.append(
                f"row {reading.row}, column patient: expected the patient of row {seen.row}, which names"
                " the same file, found another"
            )
        group.append(reading)
    return tuple(LabelledHand(tuple(group)) for group in groups.values())
