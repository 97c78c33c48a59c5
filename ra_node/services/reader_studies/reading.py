"""What a reader sees: his studies, the next hand, its picture; and the end of his reading.

Hands come in the reader's own random order under opaque task ids; a hidden repeat is a task like any other.
Nothing returned here holds another reader's marks, the model's output, a hand's id or a patient attribute.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from ra_node.domain.reader_study.labels import hand_label
from ra_node.domain.reader_study.roles import Account, AccountRole, Phase, ReaderDuty, TaskKind
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.events import note
from ra_node.ledger.reader_studies.studies import (
    StudyRecord,
    readers_of,
    studies_read_by,
    update_reader,
)
from ra_node.ledger.reader_studies.tasks import (
    count_tasks,
    next_task,
    task_at,
    tasks_of,
)
from ra_node.ledger.storage.durable_files import Files
from ra_node.services.reader_studies.access import (
    Access,
    HandsOpen,
    NotFound,
    expect_open,
    own_task,
    reader_access,
)
from ra_node.services.reader_studies.phases import advance
from ra_node.services.reader_studies.views import Picture, ReadingTask, hand_of, picture_of, task_view


@dataclass(frozen=True, slots=True)
class StudyEntry:
    """A reader study in the list of one reader; `done` of `total` are his own hands."""

    study: str
    name: str
    by_joint: bool
    phase: Phase
    duty: ReaderDuty
    done: int
    total: int
    reading_closed: bool
    revision_closed: bool
    waiting_for: str
    """What this reader waits for, "" where he has something to do."""
    reveal: bool
    """Whether he may see the model's answer after he has closed his reading."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A hand in the list of one reader."""

    task: str
    number: int
    complete: bool
    stage: int | None


def studies_of(ledger: Ledger, account: Account) -> list[StudyEntry]:
    """The reader studies of a reader; none for another role."""
    if account.role is not AccountRole.READER:
        return []
    with ledger.read() as connection:
        return [
            _entry(connection, reader_access(connection, study.id, account))
            for study, _ in studies_read_by(connection, account.name)
        ]


def study_entry(ledger: Ledger, study: str, account: Account) -> StudyEntry:
    """One reader study of a reader."""
    with ledger.read() as connection:
        return _entry(connection, reader_access(connection, study, account))


def list_hands(
    ledger: Ledger, study: str, account: Account, *, first: int = 0, limit: int = 200
) -> list[Listed]:
    """A page of the reader's own hands, in his order."""
    with ledger.read() as connection:
        access = reader_access(connection, study, account)
        found = tasks_of(
            connection, access.study.id, TaskKind.READING, account.name, first=first, limit=limit
        )
        return [
            Listed(task.task_id, task.place, task.complete, hand_label(task.state.marks.labels))
            for task in found
        ]


def next_hand(
    ledger: Ledger, files: Files, study: str, account: Account, *, after: int = 0
) -> ReadingTask | None:
    """The reader's next hand that is not complete, after place `after` if there is one; None: all are."""
    with ledger.read() as connection:
        access = reader_access(connection, study, account)
        expect_open(access, TaskKind.READING)
        task = next_task(connection, access.study.id, TaskKind.READING, account.name, after)
        return None if task is None else task_view(connection, files, access, task)


def hand_at(ledger: Ledger, files: Files, study: str, account: Account, number: int) -> ReadingTask:
    """The hand at a place of the reader's own order, to go back to it; NotFound outside."""
    with ledger.read() as connection:
        access = reader_access(connection, study, account)
        if access.study.phase is Phase.MAKING:
            expect_open(access, TaskKind.READING)
        task = task_at(connection, access.study.id, TaskKind.READING, account.name, number)
        if task is None:
            raise NotFound(f"expected a hand of this reader, found none at place {number}")
        return task_view(connection, files, access, task)


def one_task(ledger: Ledger, files: Files, study: str, account: Account, task_id: str) -> ReadingTask:
    """A task of any kind that this reader may see, by its id."""
    with ledger.read() as connection:
        access = reader_access(connection, study, account)
        return task_view(connection, files, access, own_task(connection, access, task_id))


def picture(ledger: Ledger, files: Files, study: str, account: Account, task_id: str) -> Picture:
    """The picture of a task that this reader may see; FileGone where its file is missing or damaged."""
    with ledger.read() as connection:
        access = reader_access(connection, study, account)
        hand = hand_of(connection, own_task(connection, access, task_id))
    return picture_of(files, hand)


def close_reading(ledger: Ledger, study: str, account: Account) -> StudyEntry:
    """Lock the reader's first reading for ever; WrongPhase, with their number, while hands are left."""
    with ledger.write() as connection:
        access = reader_access(connection, study, account)
        if access.reader.reading_closed_at is None:
            expect_open(access, TaskKind.READING)
            done, total = count_tasks(connection, access.study.id, TaskKind.READING, account.name)
            if done < total or not total:
                raise HandsOpen(
                    f"expected marks on all {total} hands, found {total - done} without", total - done
                )
            now = ledger.clock()
            update_reader(connection, access.study.id, account.name, reading_closed_at=now)
            note(connection, now, "reading_closed", None, reader_study=access.study.name, by=account.name)
            advance(connection, ledger, access.study.id)
        return _entry(connection, reader_access(connection, study, account))


def _entry(connection: Connection, access: Access) -> StudyEntry:
    study, reader = access.study, access.reader
    done, total = count_tasks(connection, study.id, TaskKind.READING, reader.account)
    return StudyEntry(
        study.id,
        study.name,
        study.plan.by_joint,
        study.phase,
        reader.duty,
        done,
        total,
        reader.reading_closed_at is not None,
        reader.revision_closed_at is not None,
        _waits_for(connection, study, access),
        study.plan.reveal,
    )


def _waits_for(connection: Connection, study: StudyRecord, access: Access) -> str:
    reader = access.reader
    whole = {Phase.MAKING: "The hands are still being cut.", Phase.SIGNED: "All is signed."}
    if study.phase in whole:
        return whole[study.phase]
    if access.is_adjudicator and study.phase is not Phase.CONSENSUS:
        return "The two readers have not finished."
    if study.phase is Phase.READING and reader.reading_closed_at is not None:
        readers = [one for one in readers_of(connection, study.id) if one.duty is ReaderDuty.READER]
        if len(readers) < 2:
            return "This reader study has one reader: a second one must be added before it can go on."
        return "The other reader has not finished."
    if study.phase is Phase.REVISION and reader.revision_closed_at is not None:
        return "The other reader has not finished his revision."
    return ""
