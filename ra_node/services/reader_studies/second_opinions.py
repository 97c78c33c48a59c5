"""Second opinions of a reader study for its export: labels given after the model's result was seen.

They are a table of their own, second-opinions.csv, and never a label: `labels.csv` and every agreement come
from readings, revisions and consensus alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import Connection

from ra_node.domain.reader_study.labels import NOT_GRADABLE, WHOLE_HAND, compared
from ra_node.domain.reader_study.marks import HandMarks
from ra_node.domain.reader_study.roles import TaskKind
from ra_node.domain.texts.printable import csv_cell
from ra_node.ledger.reader_studies.studies import StudyRecord, hands_of
from ra_node.ledger.reader_studies.tasks import TaskRecord, task_of_hand, tasks_of
from ra_node.services.reader_studies.adjudication import model_answer
from ra_node.services.reader_studies.outcome import two_readers
from ra_node.services.reader_studies.provenance import reader_pseudonym

FILE = "second-opinions.csv"
COLUMNS = (
    "hand", "joint", "reader", "pseudonym", "first_reading", "second_opinion", "model", "model_seen",
    "reason", "note", "seconds", "at",
)  # fmt: skip


def second_opinion_rows(connection: Connection, study: StudyRecord, salt: bytes) -> list[dict[str, str]]:
    """A row for each label of a second opinion, beside the reader's first reading and the model's label.

    `reader` is 1 or 2 as in the columns reader_1 and reader_2 of labels.csv, `joint` "" is the hand,
    `model_seen` is "yes" in every row, `at` is UTC.
    """
    rows: list[dict[str, str]] = []
    models = {hand.hand_id: hand.model_json for hand in hands_of(connection, study.id)}
    for reader in two_readers(connection, study.id):
        common = {"reader": str(reader.place), "pseudonym": reader_pseudonym(salt, reader.account)}
        for task in tasks_of(connection, study.id, TaskKind.SECOND_OPINION, reader.account):
            first = task_of_hand(connection, study.id, TaskKind.READING, reader.account, task.hand_id)
            marks = first.state.marks if first else HandMarks()
            model = model_answer(models.get(task.hand_id))
            labels = {} if model is None or model.stage is None else {WHOLE_HAND: model.stage}
            labels |= model.joints if model is not None else {}
            rows += (common | row for row in _rows(study, task, marks, labels))
    return sorted(rows, key=lambda row: (row["hand"], row["reader"]))


def label_text(label: int | None) -> str:
    """A label in a table; "" where there is none."""
    if label is None:
        return ""
    return "not gradable" if label == NOT_GRADABLE else str(label)


def _rows(
    study: StudyRecord, task: TaskRecord, first: HandMarks, model: dict[str, int]
) -> Iterator[dict[str, str]]:
    by_joint, marks = study.plan.by_joint, task.state.marks
    before = compared(first.labels, by_joint=by_joint)
    at = (
        ""
        if task.updated_at is None
        else datetime.fromtimestamp(task.updated_at, UTC).isoformat("T", "seconds")
    )
    for name, label in compared(marks.labels, by_joint=by_joint).items():
        whole = name if name in marks.reasons else WHOLE_HAND
        yield {
            "hand": task.hand_id,
            "joint": name,
            "first_reading": label_text(before.get(name)),
            "second_opinion": label_text(label),
            "model": label_text(model.get(name)),
            "model_seen": "yes",
            "reason": marks.reasons.get(whole, "") if label == NOT_GRADABLE else "",
            "note": csv_cell(" ".join(marks.notes.get(name, "").split())),
            "seconds": f"{task.spent_ms / 1000:.1f}",
            "at": at,
        }
