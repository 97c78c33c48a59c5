"""Moves a reader study forward, and makes the tasks of its next phase in the same transaction."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from ra_node.domain.reader_study.marks import HandMarks
from ra_node.domain.reader_study.plan import reading_order
from ra_node.domain.reader_study.roles import Phase, ReaderDuty, TaskKind
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.events import note
from ra_node.ledger.reader_studies.studies import (
    StudyRecord,
    find_study,
    hands_of,
    readers_of,
    update_study,
)
from ra_node.ledger.reader_studies.tasks import (
    TaskRecord,
    TaskState,
    count_tasks,
    insert_tasks,
    task_of_hand,
)
from ra_node.services.reader_studies.outcome import HandOutcome, outcomes, two_readers

TOGETHER = ""
"""Account of the consensus tasks that both readers decide together."""


def start_of(connection: Connection, task: TaskRecord) -> HandMarks:
    """The marks on top of which a task's actions lie: a revision begins with the reader's own reading."""
    if task.kind is not TaskKind.REVISION:
        return HandMarks()
    reading = task_of_hand(connection, task.study_id, TaskKind.READING, task.account, task.hand_id)
    assert reading is not None
    return replace(reading.state.marks, kept=False, last_action="")


def begin_reading(connection: Connection, ledger: Ledger, study: StudyRecord, account: str) -> None:
    """Give a reader his tasks: every chosen hand in his own random order, with hidden repeats.

    Hands that he has already are left where they are; new ones (added by their box) follow at the end.
    """
    _, known = count_tasks(connection, study.id, TaskKind.READING, account)
    hands = [hand.hand_id for hand in hands_of(connection, study.id)]
    if known:
        order = [
            (hand, 0)
            for hand in hands
            if task_of_hand(connection, study.id, TaskKind.READING, account, hand) is None
        ]
    else:
        order = reading_order(hands, study.plan.repeats, ledger.new_id())
    insert_tasks(
        connection,
        [
            TaskRecord(ledger.new_id(), study.id, TaskKind.READING, account, place, hand, occasion)
            for place, (hand, occasion) in enumerate(order, start=known + 1)
        ],
    )


def advance(connection: Connection, ledger: Ledger, study_id: str) -> None:
    """Move to the next phase where both readers have closed this one."""
    study = find_study(connection, study_id)
    readers = two_readers(connection, study_id)
    if study is None or len(readers) < 2:
        return
    if study.phase is Phase.READING and all(one.reading_closed_at is not None for one in readers):
        found = _open(connection, study, revised=False)
        tasks = [
            TaskRecord(
                ledger.new_id(),
                study.id,
                TaskKind.REVISION,
                reader.account,
                place,
                one.hand_id,
                state=TaskState(replace(one.first[number] or HandMarks(), kept=False, last_action=""), names),
            )
            for place, (one, names) in enumerate(found, start=1)
            for number, reader in enumerate(readers)
        ]
        insert_tasks(connection, tasks)
        _enter(connection, ledger, study, Phase.REVISION if tasks else Phase.CONSENSUS)
    elif study.phase is Phase.REVISION and all(one.revision_closed_at is not None for one in readers):
        account = next(
            (one.account for one in readers_of(connection, study_id) if one.duty is ReaderDuty.ADJUDICATOR),
            TOGETHER,
        )
        insert_tasks(
            connection,
            [
                TaskRecord(
                    ledger.new_id(),
                    study.id,
                    TaskKind.CONSENSUS,
                    account,
                    place,
                    one.hand_id,
                    state=TaskState(HandMarks(), names),
                )
                for place, (one, names) in enumerate(_open(connection, study, revised=True), start=1)
            ],
        )
        _enter(connection, ledger, study, Phase.CONSENSUS)


def _open(
    connection: Connection, study: StudyRecord, *, revised: bool
) -> list[tuple[HandOutcome, tuple[str, ...]]]:
    """The hands on which the readers differ, each with the joints."""
    plan = study.plan
    found = [
        (one, one.open(by_joint=plan.by_joint, threshold=plan.threshold, revised=revised))
        for one in outcomes(connection, study)
    ]
    return [(one, names) for one, names in found if names]


def _enter(connection: Connection, ledger: Ledger, study: StudyRecord, phase: Phase) -> None:
    update_study(connection, study.id, phase=str(phase))
    note(connection, ledger.clock(), "reader_study_advanced", None, reader_study=study.name, phase=str(phase))
