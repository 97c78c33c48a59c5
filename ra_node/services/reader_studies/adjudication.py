"""Adjudication: each reader sees both marks and may revise; the rest goes to a consensus, and is signed.

Only hands on which the two differ come up, and of these only the joints in question, without names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter
from sqlalchemy import Connection, select

from ra_node.domain.reader_study.labels import NOT_GRADABLE
from ra_node.domain.reader_study.marks import HandMarks
from ra_node.domain.reader_study.roles import Account, Phase, ReaderDuty, TaskKind
from ra_node.errors import Refused
from ra_node.ledger.database.engine import Ledger, insert_new
from ra_node.ledger.database.events import note
from ra_node.ledger.database.reader_study_schema import study_signature
from ra_node.ledger.reader_studies.studies import find_hand, update_reader, update_study
from ra_node.ledger.reader_studies.tasks import (
    TaskRecord,
    count_tasks,
    insert_tasks,
    next_task,
    task_of_hand,
    tasks_of,
)
from ra_node.ledger.storage.durable_files import Files
from ra_node.services.reader_studies.access import (
    Access,
    HandsOpen,
    NotFound,
    WrongPhase,
    consensus_account,
    expect_open,
    own_task,
    reader_access,
)
from ra_node.services.reader_studies.outcome import digest_of, outcomes, said_of, two_readers
from ra_node.services.reader_studies.phases import TOGETHER, advance
from ra_node.services.reader_studies.reading import StudyEntry, study_entry
from ra_node.services.reader_studies.views import ReadingTask, task_view


@dataclass(frozen=True, slots=True)
class DiscrepancyEntry:
    """A discrepant hand in the list of a reader; `asked` names the joints, "" is the hand."""

    task: str
    kind: TaskKind
    number: int
    complete: bool
    asked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReaderMarks:
    """What one reader said at the joints in question, without his name."""

    labels: dict[str, int]
    reasons: dict[str, str]
    notes: dict[str, str]


@dataclass(frozen=True, slots=True)
class DiscrepancyView:
    """A discrepant hand with both marks.

    In a revision `one` are the reader's own and `other` the other reader's; in a consensus the order says
    nothing of the reader. `mine` is whether `one` are the reader's own.
    """

    task: ReadingTask
    asked: tuple[str, ...]
    one: ReaderMarks
    other: ReaderMarks
    mine: bool


@dataclass(frozen=True, slots=True)
class Signatures:
    """Who has signed the labels as they stand; `needed` signatures end the reader study."""

    digest: str
    signed: int
    needed: int
    mine: bool
    open_hands: int
    """Discrepant hands without a consensus: all must be decided before the first signature."""


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """The model's answer for a hand, shown after the reading was closed."""

    stage: int | None
    probability: float | None
    threshold: float | None
    joints: dict[str, int]

    @property
    def contradicts_itself(self) -> bool:
        """Whether recognition, staging and joints do not agree on disease."""
        if self.probability is None or self.threshold is None:
            return False
        positive = self.probability >= self.threshold
        staged = positive != bool(self.stage)
        return staged or (max(self.joints.values(), default=0) > 0 and not positive)


_ANSWER = TypeAdapter(ModelAnswer)


def discrepancies(ledger: Ledger, study: str, account: Account) -> list[DiscrepancyEntry]:
    """The discrepant hands before this reader: of his revision, or of the consensus that he takes part in."""
    with ledger.read() as connection:
        access = reader_access(connection, study, account)
        kind, owner = _present(access)
        if owner is None:
            return []
        tasks = tasks_of(connection, access.study.id, kind, owner)
        return [
            DiscrepancyEntry(one.task_id, kind, one.place, one.complete, one.state.asked) for one in tasks
        ]


def next_discrepancy(
    ledger: Ledger, files: Files, study: str, account: Account, *, after: int = 0
) -> DiscrepancyView | None:
    """The first discrepant hand that is not decided; None where all are."""
    with ledger.read() as connection:
        access = reader_access(connection, study, account)
        kind, owner = _present(access)
        task = None if owner is None else next_task(connection, access.study.id, kind, owner, after)
        return None if task is None else _view(connection, files, access, task)


def discrepancy(ledger: Ledger, files: Files, study: str, account: Account, task_id: str) -> DiscrepancyView:
    """One discrepant hand with both marks."""
    with ledger.read() as connection:
        access = reader_access(connection, study, account)
        task = own_task(connection, access, task_id)
        if task.kind not in (TaskKind.REVISION, TaskKind.CONSENSUS):
            raise NotFound("expected a discrepant hand, found another")
        return _view(connection, files, access, task)


def close_revision(ledger: Ledger, study: str, account: Account) -> StudyEntry:
    """End the reader's revision; WrongPhase while a discrepant hand is neither revised nor kept."""
    with ledger.write() as connection:
        access = reader_access(connection, study, account)
        if access.is_adjudicator:
            raise WrongPhase("expected one of the two readers, found the third one, who revises nothing")
        if access.reader.revision_closed_at is None:
            expect_open(access, TaskKind.REVISION)
            done, total = count_tasks(connection, access.study.id, TaskKind.REVISION, account.name)
            if done < total:
                found = f"{total - done} without"
                raise HandsOpen(
                    f"expected {total} discrepant hands revised or kept as they are, found {found}",
                    total - done,
                )
            now = ledger.clock()
            update_reader(connection, access.study.id, account.name, revision_closed_at=now)
            note(connection, now, "revision_closed", None, reader_study=access.study.name, by=account.name)
            advance(connection, ledger, access.study.id)
    return study_entry(ledger, study, account)


def signatures(ledger: Ledger, study: str, account: Account) -> Signatures:
    """Whether the labels as they stand are signed."""
    with ledger.read() as connection:
        access = reader_access(connection, study, account)
        if access.study.phase not in (Phase.CONSENSUS, Phase.SIGNED):
            raise WrongPhase(f"expected the phase consensus, found {access.study.phase}")
        return _signatures(connection, access)


def sign(ledger: Ledger, study: str, account: Account) -> Signatures:
    """Sign the labels as they stand; with the last signature the reader study is over.

    Both readers sign, and an adjudicator too. A consensus that changes later needs all signatures again.
    """
    with ledger.write() as connection:
        access = reader_access(connection, study, account)
        if access.study.phase is Phase.SIGNED:
            return _signatures(connection, access)
        expect_open(access, TaskKind.CONSENSUS)
        found = _signatures(connection, access)
        if found.open_hands:
            raise HandsOpen(
                f"expected a consensus on every hand, found {found.open_hands} without", found.open_hands
            )
        row = {"study_id": access.study.id, "account": account.name, "digest": found.digest}
        now = ledger.clock()
        insert_new(connection, study_signature, row | {"at": now})
        found = _signatures(connection, access)
        if found.signed == found.needed:
            update_study(connection, access.study.id, phase=str(Phase.SIGNED))
            note(connection, now, "reader_study_signed", None, reader_study=access.study.name)
        return found


def open_second_opinion(
    ledger: Ledger, files: Files, study: str, account: Account, task_id: str
) -> tuple[ModelAnswer, ReadingTask]:
    """Show the model's answer for a hand that this reader has read, and a task for his second opinion.

    WrongPhase before his reading is closed, or where the reader study does not reveal it. From then on every
    judgement of his on this hand says that the model's answer had been seen.
    """
    with ledger.write() as connection:
        access = reader_access(connection, study, account)
        reading = own_task(connection, access, task_id)
        if not access.study.plan.reveal:
            raise WrongPhase("expected a reader study that shows the model's result, found one that does not")
        expect_open(access, TaskKind.SECOND_OPINION)
        kind, hand_id = TaskKind.SECOND_OPINION, reading.hand_id
        task = task_of_hand(connection, access.study.id, kind, account.name, hand_id)
        if task is None:
            _, known = count_tasks(connection, access.study.id, kind, account.name)
            task = TaskRecord(
                ledger.new_id(), access.study.id, kind, account.name, known + 1, reading.hand_id
            )
            insert_tasks(connection, [task])
        hand = find_hand(connection, access.study.id, reading.hand_id)
        answer = model_answer(hand.model_json if hand else None)
        if answer is None:
            raise Refused("expected a result of the model for this hand, found none")
        return answer, task_view(connection, files, access, task)


def model_answer(text: str | None) -> ModelAnswer | None:
    """The model's answer as the reader study keeps it; None where it gave none."""
    return None if text is None else _ANSWER.validate_json(text)


def _present(access: Access) -> tuple[TaskKind, str | None]:
    """Kind and account of the discrepancies before a reader in the present phase."""
    if access.study.phase is Phase.REVISION and not access.is_adjudicator:
        return TaskKind.REVISION, access.reader.account
    if access.study.phase in (Phase.CONSENSUS, Phase.SIGNED):
        return TaskKind.CONSENSUS, consensus_account(access)
    raise WrongPhase(f"expected both readings closed, found the phase {access.study.phase}")


def _view(connection: Connection, files: Files, access: Access, task: TaskRecord) -> DiscrepancyView:
    one, other = said_of(connection, access.study, task)
    readers = two_readers(connection, access.study.id)
    revision = task.kind is TaskKind.REVISION
    second = revision and readers[1].account == access.reader.account
    if not revision:
        second = hashlib.sha256(task.task_id.encode()).digest()[0] % 2 == 1
    if second:
        one, other = other, one
    asked = task.state.asked
    return DiscrepancyView(
        task_view(connection, files, access, task), asked, _only(one, asked), _only(other, asked), revision
    )


def _only(marks: HandMarks, names: Sequence[str]) -> ReaderMarks:
    """The marks at these joints; where the whole hand cannot be judged, no joint can."""
    whole = marks.labels.get("") == NOT_GRADABLE
    labels = dict.fromkeys(names, NOT_GRADABLE) if whole else marks.labels
    reasons = dict.fromkeys(names, marks.reasons.get("", "")) if whole else marks.reasons
    return ReaderMarks(
        {name: labels[name] for name in names if name in labels},
        {name: reasons[name] for name in names if name in reasons},
        {name: marks.notes[name] for name in names if name in marks.notes},
    )


def _signatures(connection: Connection, access: Access) -> Signatures:
    study = access.study
    digest = digest_of(outcomes(connection, study), by_joint=study.plan.by_joint)
    query = select(study_signature.c.account).where(
        study_signature.c.study_id == study.id, study_signature.c.digest == digest
    )
    signed = set(connection.execute(query).scalars())
    readers = (access.reader, *access.others)
    owner = next((one.account for one in readers if one.duty is ReaderDuty.ADJUDICATOR), TOGETHER)
    done, total = count_tasks(connection, study.id, TaskKind.CONSENSUS, owner)
    mine = access.reader.account in signed
    return Signatures(digest, len(signed), len(readers), mine, total - done)
