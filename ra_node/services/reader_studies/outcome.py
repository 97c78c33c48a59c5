"""What is in force on each hand of a reader study: first readings, revisions, consensus, final labels.

First readings are never changed: a revision and a consensus are tasks of their own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection

from ra_node.domain.reader_study.labels import (
    NOT_GRADABLE,
    compared,
    discrepancies,
    hand_label,
)
from ra_node.domain.reader_study.marks import HandMarks
from ra_node.domain.reader_study.roles import ReaderDuty, TaskKind
from ra_node.ledger.reader_studies.studies import ReaderRecord, StudyRecord, readers_of
from ra_node.ledger.reader_studies.tasks import TaskRecord, task_of_hand, tasks_of


@dataclass(frozen=True, slots=True)
class HandOutcome:
    """One hand. `first` are the locked readings by place, `revised` those in force after the revision.

    A reader who has not read the hand has None. `agreed` are the labels of the consensus.
    """

    hand_id: str
    first: tuple[HandMarks | None, HandMarks | None]
    revised: tuple[HandMarks | None, HandMarks | None]
    agreed: HandMarks | None = None

    def final(self, *, by_joint: bool) -> dict[str, int]:
        """The final labels by joint ("" is the hand); a name on which nothing was agreed is absent.

        A difference below the threshold of the reader study counts as the higher stage.
        """
        one, other = (compared(marks.labels, by_joint=by_joint) if marks else {} for marks in self.revised)
        agreed = compared(self.agreed.labels, by_joint=by_joint) if self.agreed else {}
        found = dict(agreed)
        for name in one:
            if name not in found and name in other:
                a, b = one[name], other[name]
                if a == b or NOT_GRADABLE not in (a, b):
                    found[name] = max(a, b)
        return found

    def final_hand(self, *, by_joint: bool) -> int | None:
        """The final label of the hand; None where nothing was agreed."""
        return hand_label(self.final(by_joint=by_joint))

    def open(self, *, by_joint: bool, threshold: int, revised: bool) -> tuple[str, ...]:
        """The joints at which both readers differ, before or after the revision."""
        one, other = self.revised if revised else self.first
        if one is None or other is None:
            return ()
        return discrepancies(one.labels, other.labels, by_joint=by_joint, threshold=threshold)


def two_readers(connection: Connection, study_id: str) -> list[ReaderRecord]:
    """The two blinded readers by place; fewer where they have not been added yet."""
    return [one for one in readers_of(connection, study_id) if one.duty is ReaderDuty.READER]


def outcomes(connection: Connection, study: StudyRecord) -> list[HandOutcome]:
    """Every hand that a reader has marked, in the order of hand ids."""
    readers = [reader.account for reader in two_readers(connection, study.id)]
    readings = [_by_hand(connection, study, TaskKind.READING, account) for account in readers]
    revisions = [_by_hand(connection, study, TaskKind.REVISION, account) for account in readers]
    agreed = {
        task.hand_id: task.state.marks
        for task in tasks_of(connection, study.id, TaskKind.CONSENSUS)
        if task.complete
    }
    hands = sorted({hand_id for found in readings for hand_id in found})
    return [_outcome(hand, readings, revisions, agreed.get(hand)) for hand in hands]


def digest_of(found: list[HandOutcome], *, by_joint: bool) -> str:
    """SHA-256 of all final labels: what a signature signs."""
    lines = "".join(f"{one.hand_id} {sorted(one.final(by_joint=by_joint).items())}\n" for one in found)
    return hashlib.sha256(lines.encode()).hexdigest()


def said_of(connection: Connection, study: StudyRecord, task: TaskRecord) -> tuple[HandMarks, HandMarks]:
    """The marks of both readers on a hand by place: the readings in a revision, else those after it."""
    found = []
    for reader in two_readers(connection, study.id):
        reading = task_of_hand(connection, study.id, TaskKind.READING, reader.account, task.hand_id)
        revision = task_of_hand(connection, study.id, TaskKind.REVISION, reader.account, task.hand_id)
        used = revision if task.kind is TaskKind.CONSENSUS and revision is not None else reading
        found.append(used.state.marks if used else HandMarks())
    one, other = found
    return one, other


def _outcome(
    hand: str,
    readings: list[dict[str, HandMarks]],
    revisions: list[dict[str, HandMarks]],
    agreed: HandMarks | None,
) -> HandOutcome:
    first = [found.get(hand) for found in readings]
    revised = [revision.get(hand) or own for revision, own in zip(revisions, first, strict=True)]
    a, b = (*first, None, None)[:2]
    c, d = (*revised, None, None)[:2]
    return HandOutcome(hand, (a, b), (c, d), agreed)


def _by_hand(
    connection: Connection, study: StudyRecord, kind: TaskKind, account: str
) -> dict[str, HandMarks]:
    tasks: list[TaskRecord] = tasks_of(connection, study.id, kind, account)
    return {task.hand_id: task.state.marks for task in tasks if task.complete and not task.occasion}
