"""Tasks of readers and the append-only judgements recorded for them.

An action is one row of `judgement` for each of its marks, all with the same sequence number, one more than
that of the action before. The number that the page expects is compared in the same transaction, so that two
tabs of one reader cannot both write after the same state.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, and_, func, select, update

from ra_node.domain.reader_study.marks import Action, HandMarks, Mark, MarkKind, folded
from ra_node.domain.reader_study.roles import TaskKind
from ra_node.ledger.database.engine import AnyRow
from ra_node.ledger.database.reader_study_schema import judgement, study_task


@dataclass(frozen=True, slots=True)
class TaskState:
    """The fold of a task's judgements; `asked` names the joints of a discrepancy ("" is the hand)."""

    marks: HandMarks = field(default_factory=HandMarks)
    asked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """One hand before one reader; `occasion` 1 is a hidden repeat, `sequence` that of the last action."""

    task_id: str
    study_id: str
    kind: TaskKind
    account: str
    place: int
    hand_id: str
    occasion: int = 0
    sequence: int = 0
    complete: bool = False
    spent_ms: int = 0
    updated_at: float | None = None
    state: TaskState = field(default_factory=TaskState)


_STATE = TypeAdapter(TaskState)
_NEW = _STATE.dump_json(TaskState()).decode()


def insert_tasks(connection: Connection, tasks: Sequence[TaskRecord]) -> None:
    """Insert new tasks."""
    rows = [_row(task) for task in tasks]
    for start in range(0, len(rows), 1000):
        connection.execute(study_task.insert(), rows[start : start + 1000])


def find_task(connection: Connection, task_id: str, *, for_update: bool = False) -> TaskRecord | None:
    """One task; `for_update` locks its row on PostgreSQL until the commit."""
    query = select(study_task).where(study_task.c.task_id == task_id)
    if for_update and connection.dialect.name == "postgresql":
        query = query.with_for_update()
    row = connection.execute(query).one_or_none()
    return None if row is None else _task(row)


def task_at(
    connection: Connection, study_id: str, kind: TaskKind, account: str, place: int
) -> TaskRecord | None:
    """The task at a place of a reader's own order."""
    of = _of(study_id, kind, account)
    row = connection.execute(select(study_task).where(of, study_task.c.place == place)).one_or_none()
    return None if row is None else _task(row)


def next_task(
    connection: Connection, study_id: str, kind: TaskKind, account: str, after: int = 0
) -> TaskRecord | None:
    """The first incomplete task after a place, else the first incomplete one; None: all are complete."""
    is_open = and_(_of(study_id, kind, account), study_task.c.complete.is_(False))
    query = select(study_task).where(is_open).order_by(study_task.c.place).limit(1)
    row = connection.execute(query.where(study_task.c.place > after)).one_or_none() if after else None
    row = row or connection.execute(query).one_or_none()
    return None if row is None else _task(row)


def count_tasks(connection: Connection, study_id: str, kind: TaskKind, account: str) -> tuple[int, int]:
    """The numbers of complete tasks and of all tasks."""
    query = (
        select(study_task.c.complete, func.count())
        .where(_of(study_id, kind, account))
        .group_by(study_task.c.complete)
    )
    found = {bool(row[0]): int(row[1]) for row in connection.execute(query)}
    return found.get(True, 0), sum(found.values())


def tasks_of(
    connection: Connection,
    study_id: str,
    kind: TaskKind,
    account: str | None = None,
    *,
    first: int = 0,
    limit: int | None = None,
) -> list[TaskRecord]:
    """The tasks of a kind by place, of one reader or of all; `first` and `limit` page through them."""
    query = select(study_task).where(study_task.c.study_id == study_id, study_task.c.kind == kind)
    if account is not None:
        query = query.where(study_task.c.account == account)
    query = query.order_by(study_task.c.place, study_task.c.account).offset(first)
    return [_task(row) for row in connection.execute(query.limit(limit) if limit else query)]


def task_of_hand(
    connection: Connection, study_id: str, kind: TaskKind, account: str, hand_id: str, occasion: int = 0
) -> TaskRecord | None:
    """The task of a hand before a reader."""
    where = (
        study_task.c.study_id == study_id,
        study_task.c.hand_id == hand_id,
        study_task.c.kind == kind,
        study_task.c.account == account,
        study_task.c.occasion == occasion,
    )
    row = connection.execute(select(study_task).where(*where)).one_or_none()
    return None if row is None else _task(row)


def action_task(connection: Connection, action_id: str) -> str | None:
    """The task for which an action was recorded; None: it was not; "" for one of no reader study."""
    query = select(judgement.c.task_id).where(judgement.c.action_id == action_id).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else str(row[0] or "")


def append_action(
    connection: Connection,
    task: TaskRecord,
    action: Action,
    *,
    at: float,
    person: str,
    source: str,
    model_seen: bool,
    spent_ms: int,
) -> int:
    """Append the rows of an action; return its sequence number."""
    sequence = task.sequence + 1
    marks: Iterable[Mark] = (Mark(MarkKind.UNDONE),) if action.undoes else action.marks
    common = _author(task, at, person, source, model_seen=model_seen) | {
        "action_id": action.action_id,
        "sequence": sequence,
        "undoes": action.undoes or None,
    }
    rows = [
        common
        | {
            "part": part,
            "what": str(mark.kind),
            "joint": mark.joint,
            "stage": mark.stage,
            "x": mark.x,
            "y": mark.y,
            "reason": mark.reason or None,
            "note": mark.note or None,
            "spent_ms": 0 if part else spent_ms,
        }
        for part, mark in enumerate(marks)
    ]
    connection.execute(judgement.insert(), rows)
    return sequence


def append_time(
    connection: Connection,
    task: TaskRecord,
    action_id: str,
    *,
    at: float,
    person: str,
    source: str,
    model_seen: bool,
    spent_ms: int,
) -> None:
    """Append the time at a hand after its last action, beside the rows of that action.

    It has no sequence number of its own, so that it collides with no mark of another tab.
    """
    parts = select(func.max(judgement.c.part)).where(
        judgement.c.task_id == task.task_id, judgement.c.sequence == task.sequence
    )
    last = connection.execute(parts).scalar()
    row = _author(task, at, person, source, model_seen=model_seen) | {
        "action_id": action_id,
        "part": 0 if last is None else last + 1,
        "sequence": task.sequence,
        "what": str(MarkKind.VIEWED),
        "spent_ms": spent_ms,
    }
    connection.execute(judgement.insert(), [row])


def _author(task: TaskRecord, at: float, person: str, source: str, *, model_seen: bool) -> dict[str, object]:
    """Who did it, when, to which hand: columns that all rows of an action share."""
    return {
        "kind": str(task.kind),
        "source": source,
        "at": at,
        "person": person,
        "model_seen": model_seen,
        "reader_study_id": task.study_id,
        "task_id": task.task_id,
        "hand_id": task.hand_id,
    }


def actions_of(connection: Connection, task_id: str) -> list[Action]:
    """The actions of a task, oldest first."""
    columns = judgement.c
    mine = and_(columns.task_id == task_id, columns.what != str(MarkKind.VIEWED))
    query = select(judgement).where(mine).order_by(columns.sequence, columns.part)
    actions: list[Action] = []
    for row in connection.execute(query):
        if actions and actions[-1].action_id == row.action_id:
            actions[-1] = replace(actions[-1], marks=(*actions[-1].marks, _mark(row)))
        else:
            undoes = str(row.undoes or "")
            actions.append(Action(row.action_id, () if undoes else (_mark(row),), undoes))
    return actions


def refold(connection: Connection, task: TaskRecord, start: HandMarks) -> TaskState:
    """The state of a task after all its actions, on top of `start`."""
    return replace(task.state, marks=folded(start, actions_of(connection, task.task_id)))


def update_task(connection: Connection, task: TaskRecord) -> None:
    """Write the state of a task."""
    values = _row(task)
    del values["task_id"]
    connection.execute(update(study_task).where(study_task.c.task_id == task.task_id).values(**values))


def _of(study_id: str, kind: TaskKind, account: str) -> Any:  # noqa: ANN401 - a clause of SQLAlchemy
    return and_(
        study_task.c.study_id == study_id, study_task.c.kind == str(kind), study_task.c.account == account
    )


def _row(task: TaskRecord) -> dict[str, Any]:
    fresh = task.state == TaskState()
    return {
        "task_id": task.task_id,
        "study_id": task.study_id,
        "kind": str(task.kind),
        "account": task.account,
        "place": task.place,
        "hand_id": task.hand_id,
        "occasion": task.occasion,
        "sequence": task.sequence,
        "complete": task.complete,
        "spent_ms": task.spent_ms,
        "updated_at": task.updated_at,
        "state_json": _NEW if fresh else _STATE.dump_json(task.state).decode(),
    }


def _task(row: AnyRow) -> TaskRecord:
    return TaskRecord(
        row.task_id,
        row.study_id,
        TaskKind(row.kind),
        row.account,
        row.place,
        row.hand_id,
        row.occasion,
        row.sequence,
        row.complete,
        row.spent_ms,
        row.updated_at,
        _STATE.validate_json(row.state_json),
    )


def _mark(row: AnyRow) -> Mark:
    return Mark(MarkKind(row.what), row.joint, row.stage, row.reason or "", row.note or "", row.x, row.y)
