"""Reads a table of labels by two readers, and accepts it as a whole or lists the errors by row.

A CSV or TSV file whose first row names the columns. One row is one hand or, with a name in the column
`joint`, one joint of a hand; a hand without a row of its own has the highest stage of its joints.

    file        image, relative to the folder of images; with / or backslash between folders
    side        R or L, or a word for right or left
    joint       only for labels of joints: ip_1, pip_2 to pip_5, mcp_1 to mcp_5, wrist_1 to wrist_3
    reader_1    stage 0 to 5 by the first reader, or "not gradable"
    reader_2    the same by the second reader, independently
    consensus   label agreed on afterwards; has priority where given
    patient     any key of the patient; in every row or in none (then the DICOM header's Patient ID)
    site, sex (M, F, O), age_years, split (train, test), note
                optional; site, sex, age and split are the same in all rows of a hand; a consensus beyond
                what the readers said needs a note
    hand, view, x, y
                written by the export of a reader study: the hand's id, its view, the joint's place in the
                upright picture (the geometry that counts is in the hand's file)

A message has row and column (the first row is 1) and never a file name, which may contain a patient name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from ra_node.domain.joints import JOINTS
from ra_node.domain.laterality.evidence import Side
from ra_node.domain.reader_study.labels import NOT_GRADABLE
from ra_node.errors import Refused
from training.data.consensus import HandAttributes, LabelledHand, Reading, SplitName, in_words
from training.data.label_table.cell_values import FilesIn, age_in, joint_in, one_of, shown, side_in, stage_in
from training.data.label_table.table_text import ABSENT, column_name, table_rows

READERS = ("reader_1", "reader_2")
COLUMNS = (
    "file", "side", "joint", *READERS, "consensus", "patient", "site", "sex", "age_years", "split", "note",
    "hand", "view", "x", "y",
)  # fmt: skip
MOST_PROBLEMS = 20
"""Most problems listed in a message; the rest is counted."""

_SPLITS: tuple[SplitName, ...] = ("train", "test")

_Value = TypeVar("_Value")


class TableRefused(Refused):
    """An invalid label table; `problems` state rows and columns."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        more = len(problems) - MOST_PROBLEMS
        rest = [f"and {more} more"] if more > 0 else []
        super().__init__("the label table cannot be used:\n" + "\n".join([*problems[:MOST_PROBLEMS], *rest]))


def read_labels(table: Path, images: Path) -> tuple[LabelledHand, ...]:
    """Read a label table whose files are in `images`; raises TableRefused with all problems."""
    try:
        rows = table_rows(table)
    except Refused as error:
        raise TableRefused([str(error)]) from error
    problems: list[str] = []
    header = [column_name(cell) for cell in rows[0][1]] if rows else []
    while header and not header[-1]:
        header.pop()
    _check_columns(header, problems)
    if problems:
        raise TableRefused(problems)
    files, readings = FilesIn(images), []
    for number, cells in rows[1:]:
        if len(cells) < len(header) or any(cells[len(header) :]):
            hint = "; a cell with a comma in it needs quotes" if len(cells) > len(header) else ""
            problems.append(f"row {number}: expected {len(header)} cells, found {len(cells)}{hint}")
            continue
        known = {
            name: "" if cell.casefold() in ABSENT else cell for name, cell in zip(header, cells, strict=False)
        }
        reading = _Row(number, known, files, problems).reading()
        if reading is not None:
            readings.append(reading)
    hands = _by_hand(readings, problems)
    if not problems and not hands:
        problems.append("row 2: expected a label, found the end of the table")
    if problems:
        raise TableRefused(problems)
    return hands


def _check_columns(header: Sequence[str], problems: list[str]) -> None:
    for place, name in enumerate(header, start=1):
        if name not in COLUMNS:
            near = get_close_matches(name, COLUMNS, 1)
            hint = f"; do you mean {near[0]}?" if near else f"; known are {', '.join(COLUMNS)}"
            found = "another" if name else "none"
            problems.append(f"row 1, column {place}: expected a known column name, found {found}{hint}")
        elif header.count(name) > 1:
            problems.append(f"row 1, column {name}: expected it once, found {header.count(name)}")
    problems += [
        f"row 1: expected the column {name}, found none" for name in ("file", "side") if name not in header
    ]
    if "consensus" not in header and not set(READERS) <= set(header):
        problems.append("row 1: expected the columns reader_1 and reader_2, or consensus, found neither")


@dataclass(frozen=True, slots=True)
class _Row:
    """Parser of one row; appends errors to `problems`."""

    number: int
    cells: Mapping[str, str]
    files: FilesIn
    problems: list[str]

    def reading(self) -> Reading | None:
        before = len(self.problems)
        first, second, consensus = (self._label(name) for name in (*READERS, "consensus"))
        if first is None and second is None and consensus is None and len(self.problems) == before:
            self._wrong("consensus" if "consensus" in self.cells else "reader_1", "a stage", "none")
        file = self._read("file", self.files, "a file in the folder of images")
        side = self._read("side", side_in, "R or L")
        joint = self._optional("joint", joint_in, f"one of {', '.join(JOINTS)}, or none for the whole hand")
        facts = self._facts()
        self._check_note(first, second, consensus)
        if len(self.problems) > before or file is None or side is None:
            return None
        return Reading(self.number, file, Side(side), joint or "", first, second, consensus, facts)

    def _label(self, column: str) -> int | None:
        return self._optional(column, stage_in, 'a stage 0 to 5 or "not gradable"')

    def _facts(self) -> HandAttributes:
        cells = self.cells
        if "patient" in cells and not cells["patient"]:
            self._wrong("patient", "a key in every row, or no such column", "none")
        age = self._optional("age_years", age_in, "whole years 0 to 130")
        sex = self._optional("sex", one_of(("M", "F", "O")), "M, F or O")
        split: SplitName = self._optional("split", one_of(_SPLITS), "train or test") or ""
        return HandAttributes(cells.get("patient", ""), cells.get("site", ""), sex or "", age, split)

    def _check_note(self, first: int | None, second: int | None, consensus: int | None) -> None:
        """Require a note for a consensus outside the readers' range, which may be a typing error."""
        said = [label for label in (first, second) if label is not None]
        if consensus is None or not said or consensus in said or self.cells.get("note"):
            return
        stages = [label for label in said if label != NOT_GRADABLE]
        if not stages or not min(stages) <= consensus <= max(stages):
            found = f"none beside the consensus {in_words(consensus)} of {' and '.join(map(in_words, said))}"
            self._wrong("note", "a reason for a consensus beyond what the readers said", found)

    def _optional(self, column: str, take: Callable[[str], _Value | None], expected: str) -> _Value | None:
        return self._read(column, take, expected) if self.cells.get(column) else None

    def _read(self, column: str, take: Callable[[str], _Value | None], expected: str) -> _Value | None:
        cell = self.cells[column]
        value = take(cell) if cell else None
        if value is None:
            self._wrong(column, expected, shown(column, cell) if cell else "none")
        return value

    def _wrong(self, column: str, expected: str, found: str) -> None:
        self.problems.append(f"row {self.number}, column {column}: expected {expected}, found {found}")


def _by_hand(readings: Sequence[Reading], problems: list[str]) -> tuple[LabelledHand, ...]:
    """Group the rows of a hand; reports duplicate labels and contradictory attributes."""
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
    hands = tuple(LabelledHand(tuple(group)) for group in groups.values())
    for hand in hands:
        _check_whole(hand, problems)
    return hands


def _check_whole(hand: LabelledHand, problems: list[str]) -> None:
    """Check that the stage of a hand is not below its highest labelled joint; others may be higher."""
    whole, joints = hand.whole, hand.joints
    if whole is None or whole.label is None or whole.label == NOT_GRADABLE or not joints:
        return
    most = max(joints.values())
    if whole.label < most or (whole.label > most and set(joints) == set(JOINTS)):
        problems.append(
            f"row {whole.row}: expected the stage of the hand to be the highest of its joints, {most},"
            f" found {whole.label}"
        )
