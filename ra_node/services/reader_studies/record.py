"""Records what a reader says: each action is on disk when the call returns, once, or nothing is.

Two tabs of one reader: the second one to write gets a Conflict with the state that the first one left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from ra_node.domain.reader_study.labels import NOT_GRADABLE, is_complete, is_within
from ra_node.domain.reader_study.marks import Action, HandMarks, Mark, MarkKind, checked
from ra_node.domain.reader_study.roles import Account, TaskKind
from ra_node.errors import Refused
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.reader_studies.tasks import (
    TaskRecord,
    action_task,
    append_action,
    append_time,
    refold,
    task_of_hand,
    update_task,
)
from ra_node.ledger.storage.durable_files import Files
from ra_node.services.reader_studies.access import WEB, Access, expect_open, own_task, reader_access
from ra_node.services.reader_studies.outcome import said_of
from ra_node.services.reader_studies.phases import start_of
from ra_node.services.reader_studies.views import ReadingTask, task_view

LONGEST_SPENT_MS = 30 * 60_000
"""Time of one action that counts at most: a reader who went away does not read for an hour."""


@dataclass(frozen=True, slots=True)
class Saved:
    """The action is on disk; `task` is the state after it."""

    task: ReadingTask


@dataclass(frozen=True, slots=True)
class Conflict:
    """Nothing was recorded: another tab wrote first. `task` is the state that it left."""

    task: ReadingTask


def record(
    ledger: Ledger,
    files: Files,
    study: str,
    account: Account,
    task_id: str,
    action_id: str,
    marks: Sequence[Mark],
    expected_sequence: int,
    *,
    spent_ms: int = 0,
) -> Saved | Conflict:
    """Append an action to a task; it is on disk when this returns Saved.

    `action_id` is made by the page (e.g. a random UUID): sent again after a lost answer it is Saved once.
    `expected_sequence` is the one after the last state that the page has. `spent_ms` is the time that the
    hand was visible since the previous action.
    """
    with ledger.write() as connection:
        access, task, earlier = _begun(connection, files, study, account, task_id, action_id)
        if earlier is not None:
            return earlier
        expect_open(access, task.kind)
        action = Action(action_id, checked(marks, by_joint=access.study.plan.by_joint))
        _expect_asked(task, action.marks)
        if task.kind is TaskKind.CONSENSUS:
            _expect_note(connection, access, task, action)
        return _append(connection, ledger.clock(), files, access, task, action, expected_sequence, spent_ms)


def undo(
    ledger: Ledger,
    files: Files,
    study: str,
    account: Account,
    task_id: str,
    action_id: str,
    expected_sequence: int,
    *,
    spent_ms: int = 0,
) -> Saved | Conflict:
    """Take back the last action of a task that is in force, by an action of its own."""
    with ledger.write() as connection:
        access, task, earlier = _begun(connection, files, study, account, task_id, action_id)
        if earlier is not None:
            return earlier
        expect_open(access, task.kind)
        last = task.state.marks.last_action
        if not last:
            raise Refused("expected a mark to undo, found none")
        action = Action(action_id, undoes=last)
        return _append(connection, ledger.clock(), files, access, task, action, expected_sequence, spent_ms)


def record_time(
    ledger: Ledger, files: Files, study: str, account: Account, task_id: str, action_id: str, spent_ms: int
) -> Saved:
    """Add the time at a hand between its last mark and the next hand; sent again it counts once."""
    with ledger.write() as connection:
        access, task, earlier = _begun(connection, files, study, account, task_id, action_id)
        if earlier is not None:
            return earlier
        expect_open(access, task.kind)
        spent = max(0, min(spent_ms, LONGEST_SPENT_MS))
        append_time(
            connection,
            task,
            action_id,
            at=ledger.clock(),
            person=access.reader.account,
            source=WEB,
            model_seen=_has_seen_model(connection, access, task),
            spent_ms=spent,
        )
        task = replace(task, spent_ms=task.spent_ms + spent)
        update_task(connection, task)
        return Saved(task_view(connection, files, access, task))


def _begun(
    connection: Connection, files: Files, study: str, account: Account, task_id: str, action_id: str
) -> tuple[Access, TaskRecord, Saved | None]:
    """The reader's own task, locked, and the present state where the action was recorded before."""
    access = reader_access(connection, study, account)
    task = own_task(connection, access, task_id, for_update=True)
    return access, task, _earlier(connection, files, access, task, action_id)


def _earlier(
    connection: Connection, files: Files, access: Access, task: TaskRecord, action_id: str
) -> Saved | None:
    """The present state where an action was recorded before; Refused where it was for another hand."""
    if not 8 <= len(action_id) <= 64:
        raise Refused(f"expected an action id of 8 to 64 characters, found {len(action_id)}")
    recorded = action_task(connection, action_id)
    if recorded is None:
        return None
    if recorded != task.task_id:
        raise Refused("expected a new action id, found one of another hand")
    return Saved(task_view(connection, files, access, task))


def _append(
    connection: Connection,
    now: float,
    files: Files,
    access: Access,
    task: TaskRecord,
    action: Action,
    expected_sequence: int,
    spent_ms: int,
) -> Saved | Conflict:
    if expected_sequence != task.sequence + 1:
        return Conflict(task_view(connection, files, access, task))
    spent = max(0, min(spent_ms, LONGEST_SPENT_MS))
    sequence = append_action(
        connection,
        task,
        action,
        at=now,
        person=access.reader.account,
        source=WEB,
        model_seen=_has_seen_model(connection, access, task),
        spent_ms=spent,
    )
    task = replace(task, sequence=sequence, spent_ms=task.spent_ms + spent, updated_at=now)
    state = refold(connection, task, start_of(connection, task))
    task = replace(task, state=state, complete=_is_complete(task.kind, state.marks, state.asked, access))
    update_task(connection, task)
    return Saved(task_view(connection, files, access, task))


def _is_complete(kind: TaskKind, marks: HandMarks, asked: tuple[str, ...], access: Access) -> bool:
    if kind in (TaskKind.READING, TaskKind.SECOND_OPINION):
        return is_complete(marks.labels, by_joint=access.study.plan.by_joint)
    if kind is TaskKind.REVISION:
        return marks.kept or bool(marks.last_action)
    return all(name in marks.labels for name in asked)


def _expect_asked(task: TaskRecord, marks: Sequence[Mark]) -> None:
    """In a revision and a consensus only the discrepant joints are open."""
    asked = task.state.asked
    if asked and any(mark.joint not in asked for mark in marks if mark.stage is not None or mark.reason):
        raise Refused("expected a mark on a joint at which the readers differ, found another")


def _has_seen_model(connection: Connection, access: Access, task: TaskRecord) -> bool:
    if task.kind is TaskKind.SECOND_OPINION:
        return True
    kind, account = TaskKind.SECOND_OPINION, access.reader.account
    return task_of_hand(connection, task.study_id, kind, account, task.hand_id) is not None


def _expect_note(connection: Connection, access: Access, task: TaskRecord, action: Action) -> None:
    """Refused for a consensus outside the range of what both readers said, without a note."""
    both = said_of(connection, access.study, task)
    for mark in action.marks:
        label = NOT_GRADABLE if mark.kind is MarkKind.NOT_GRADABLE else mark.stage
        said = [marks.labels[mark.joint] for marks in both if mark.joint in marks.labels]
        if label is not None and said and not is_within(label, said) and not mark.note.strip():
            raise Refused("expected a note beside a consensus beyond what the readers said, found none")
