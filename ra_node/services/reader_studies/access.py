"""Access to reader studies: who may do what in which phase. Blinding is enforced here, not in the page.

A reader who is not of a study gets the same answer as for a study that does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from ra_node.domain.reader_study.roles import Account, AccountRole, Phase, ReaderDuty, TaskKind
from ra_node.errors import Refused
from ra_node.ledger.reader_studies.studies import ReaderRecord, StudyRecord, find_study, readers_of
from ra_node.ledger.reader_studies.tasks import TaskRecord, find_task

WEB = "web"
"""Source of judgements that were recorded on the page."""


class NotFound(Refused):
    """There is no such reader study, hand or task, or it is not this account's (HTTP 404)."""


class WrongPhase(Refused):
    """The reader study is in another phase, or this part of it is closed (HTTP 409)."""


class HandsOpen(WrongPhase):
    """An end that was asked for while `count` hands are left."""

    def __init__(self, text: str, count: int) -> None:
        super().__init__(text)
        self.count = count


@dataclass(frozen=True, slots=True)
class Access:
    """A reader study as one of its readers may use it."""

    study: StudyRecord
    reader: ReaderRecord
    others: tuple[ReaderRecord, ...]

    @property
    def is_adjudicator(self) -> bool:
        return self.reader.duty is ReaderDuty.ADJUDICATOR


def reader_access(connection: Connection, study: str, account: Account) -> Access:
    """The reader study `study` (name or id) for one of its readers; NotFound for anybody else."""
    found = find_study(connection, study)
    readers = readers_of(connection, found.id) if found is not None else []
    mine = next((one for one in readers if one.account == account.name), None)
    if found is None or mine is None or account.role is not AccountRole.READER:
        raise NotFound("expected a reader study of this account, found none")
    return Access(found, mine, tuple(one for one in readers if one is not mine))


def lead_access(connection: Connection, study: str, account: Account) -> StudyRecord:
    """The reader study `study` for a lead; NotFound for anybody else."""
    found = find_study(connection, study)
    if found is None or account.role is not AccountRole.LEAD:
        raise NotFound("expected a reader study and the role lead, found none")
    return found


def own_task(connection: Connection, access: Access, task_id: str, *, for_update: bool = False) -> TaskRecord:
    """A task that this reader may see; NotFound for one of somebody else, whatever its id."""
    task = find_task(connection, task_id, for_update=for_update)
    if task is None or task.study_id != access.study.id or not _may_see(access, task):
        raise NotFound("expected a hand of this reader, found none")
    return task


def _may_see(access: Access, task: TaskRecord) -> bool:
    if task.kind is TaskKind.CONSENSUS:
        return access.study.phase in (Phase.CONSENSUS, Phase.SIGNED) and task.account == consensus_account(
            access
        )
    return task.account == access.reader.account


def consensus_account(access: Access) -> str | None:
    """The account of consensus tasks: "" for both readers together, else that of the adjudicator.

    None for a reader whose study has an adjudicator: he decides no consensus.
    """
    if access.is_adjudicator:
        return access.reader.account
    return None if any(one.duty is ReaderDuty.ADJUDICATOR for one in access.others) else ""


def expect_open(access: Access, kind: TaskKind) -> None:
    """WrongPhase unless this reader may record marks of this kind now."""
    phase, reader = access.study.phase, access.reader
    if phase is Phase.MAKING:
        raise WrongPhase("expected a reader study whose hands are cut, found one that is still being made")
    if phase is Phase.SIGNED:
        raise WrongPhase("expected an open reader study, found one that is signed")
    if kind is TaskKind.READING and reader.reading_closed_at is not None:
        raise WrongPhase("expected an open reading, found one that you have closed")
    if kind is TaskKind.REVISION and (phase is not Phase.REVISION or reader.revision_closed_at is not None):
        raise WrongPhase(f"expected an open revision, found one that is closed (phase {phase})")
    if kind is TaskKind.CONSENSUS and phase is not Phase.CONSENSUS:
        raise WrongPhase(f"expected the phase consensus, found {phase}")
    if kind is TaskKind.SECOND_OPINION and reader.reading_closed_at is None:
        raise WrongPhase("expected a closed reading before the model's result, found an open one")
