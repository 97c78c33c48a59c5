"""What the lead sees: progress, speed, agreement, matrix, repeats, drift; never a reader."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from sqlalchemy import Connection

from ra_node.domain.reader_study.labels import NOT_GRADABLE, compared, hand_label
from ra_node.domain.reader_study.marks import HandMarks
from ra_node.domain.reader_study.roles import Account, AccountRole, Phase, TaskKind
from ra_node.domain.statistics.agreement import Agreement, Pair, agreement_of, matrix_of
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.reader_studies.studies import (
    ImageRecord,
    ReaderRecord,
    StudyRecord,
    all_studies,
    count_hands,
    hands_of,
    images_of,
    readers_of,
)
from ra_node.ledger.reader_studies.tasks import TaskRecord, count_tasks, tasks_of
from ra_node.services.reader_studies.access import lead_access
from ra_node.services.reader_studies.outcome import HandOutcome, outcomes, two_readers

DRIFT_WINDOWS = 4
"""Parts of a reading, in the order of his reading, whose mean stages are compared."""
LEAST_IN_WINDOW = 10
LEAST_STAGES_APART = 2


@dataclass(frozen=True, slots=True)
class LeadEntry:
    """A reader study in the list of a lead."""

    study: str
    name: str
    phase: Phase
    created_at: float
    hands: int
    readers: tuple[str, ...]
    done: int
    total: int
    exported_at: float | None
    problem: str


@dataclass(frozen=True, slots=True)
class ReaderProgress:
    """Progress of one reader. Seconds are medians of the time that a hand was visible.

    `repeats` compares his hidden repeats with their first readings. `windows` are the mean stages of the
    parts of his reading, and `drift` the slope of the stage over the whole reading with its 95 % interval:
    the hands came in random order, so a slope away from 0 is his.
    """

    account: str
    duty: str
    done: int
    total: int
    seconds: float | None
    seconds_normal: float | None
    seconds_lesions: float | None
    reading_closed: bool
    revision_closed: bool
    revised: int
    repeats: Agreement | None
    windows: tuple[float, ...]
    drift: tuple[float, float, float] | None

    @property
    def drifts(self) -> bool:
        """Whether the interval of the slope excludes 0."""
        return self.drift is not None and (self.drift[1] > 0 or self.drift[2] < 0)


@dataclass(frozen=True, slots=True)
class OpenHand:
    """A hand on which nobody agrees: far apart at first, or without a consensus."""

    hand_id: str
    number: int
    labels: tuple[int | None, int | None]
    joints: tuple[str, ...]
    agreed: bool


@dataclass(frozen=True, slots=True)
class LeadView:
    """Everything that the lead sees of one reader study.

    `before` and `after` are the agreements before and after the revision (hands, then joints where these are
    read), `matrix` the counts of hands by the stages of reader 1 (rows) and reader 2 before it.
    """

    study: StudyRecord
    hands: int
    readers: tuple[ReaderProgress, ...]
    before: tuple[Agreement, ...]
    after: tuple[Agreement, ...]
    matrix: tuple[tuple[int, ...], ...]
    discrepant: int
    undecided: int
    far_apart: tuple[OpenHand, ...]


def lead_studies(ledger: Ledger, account: Account) -> list[LeadEntry]:
    """Every reader study; none for another role than lead."""
    if account.role is not AccountRole.LEAD:
        return []
    with ledger.read() as connection:
        return [_entry(connection, study) for study in all_studies(connection)]


def lead_view(ledger: Ledger, study: str, account: Account) -> LeadView:
    """Progress and agreement of one reader study."""
    with ledger.read() as connection:
        return view_of(connection, lead_access(connection, study, account))


def study_images(ledger: Ledger, study: str, account: Account) -> list[ImageRecord]:
    """The images of a reader study with their refusals, so that a missed hand can be added by its box."""
    with ledger.read() as connection:
        return images_of(connection, lead_access(connection, study, account).id)


def view_of(connection: Connection, study: StudyRecord) -> LeadView:
    """Progress and agreement of one reader study, for the page, the command and the export."""
    plan, found = study.plan, outcomes(connection, study)
    hands = {hand.hand_id: hand for hand in hands_of(connection, study.id)}
    patients = {name: hand.patient or hand.image_id for name, hand in hands.items()}
    before = hand_pairs(found, patients, revised=False)
    differing = [
        one for one in found if one.open(by_joint=plan.by_joint, threshold=plan.threshold, revised=False)
    ]
    undecided = {
        one.hand_id
        for one in differing
        if one.agreed is None and one.open(by_joint=plan.by_joint, threshold=plan.threshold, revised=True)
    }
    apart = [
        OpenHand(
            one.hand_id,
            hands[one.hand_id].number,
            _labels(one),
            one.open(by_joint=plan.by_joint, threshold=plan.threshold, revised=True),
            one.agreed is not None,
        )
        for one in differing
        if _is_far_apart(_labels(one)) or one.hand_id in undecided
    ]
    return LeadView(
        study,
        len(hands),
        tuple(_progress(connection, study, reader, patients) for reader in readers_of(connection, study.id)),
        agreements_of(found, patients, by_joint=plan.by_joint, revised=False),
        agreements_of(found, patients, by_joint=plan.by_joint, revised=True),
        tuple(tuple(int(n) for n in row) for row in matrix_of(before)),
        len(differing),
        len(undecided),
        tuple(apart),
    )


def agreements_of(
    found: Sequence[HandOutcome], patients: dict[str, str], *, by_joint: bool, revised: bool
) -> tuple[Agreement, ...]:
    """Agreement of both readers on hands, and on joints where these are read."""
    kinds = [("hands", hand_pairs(found, patients, revised=revised))]
    if by_joint:
        kinds.append(("joints", joint_pairs(found, patients, revised=revised)))
    known = [agreement_of(what, rows) for what, rows in kinds]
    return tuple(one for one in known if one is not None)


def hand_pairs(found: Iterable[HandOutcome], patients: dict[str, str], *, revised: bool) -> list[Pair]:
    """Labels of hands by both readers."""
    return [
        (*_labels(one, revised=revised), patients[one.hand_id]) for one in found if one.hand_id in patients
    ]


def joint_pairs(found: Iterable[HandOutcome], patients: dict[str, str], *, revised: bool) -> list[Pair]:
    """Labels of joints by both readers."""
    pairs: list[Pair] = []
    for one in found:
        a, b = one.revised if revised else one.first
        if a is not None and b is not None and one.hand_id in patients:
            first, second = (compared(marks.labels, by_joint=True) for marks in (a, b))
            pairs += [(first[name], second.get(name), patients[one.hand_id]) for name in first]
    return pairs


def repeat_agreement(
    connection: Connection, study: StudyRecord, account: str, patients: dict[str, str]
) -> Agreement | None:
    """Agreement of a reader with himself on his hidden repeats."""
    return _repeats(tasks_of(connection, study.id, TaskKind.READING, account), patients)


def _entry(connection: Connection, study: StudyRecord) -> LeadEntry:
    readers = two_readers(connection, study.id)
    counts = [count_tasks(connection, study.id, TaskKind.READING, one.account) for one in readers]
    return LeadEntry(
        study.id,
        study.name,
        study.phase,
        study.created_at,
        count_hands(connection, study.id),
        tuple(one.account for one in readers_of(connection, study.id)),
        sum(done for done, _ in counts),
        sum(total for _, total in counts),
        study.exported_at,
        study.problem,
    )


def _progress(
    connection: Connection, study: StudyRecord, reader: ReaderRecord, patients: dict[str, str]
) -> ReaderProgress:
    tasks = tasks_of(connection, study.id, TaskKind.READING, reader.account)
    done = [task for task in tasks if task.complete]
    stages = [(task, hand_label(task.state.marks.labels)) for task in done]
    revisions = tasks_of(connection, study.id, TaskKind.REVISION, reader.account)
    first = {task.hand_id: task.state.marks for task in done if not task.occasion}
    return ReaderProgress(
        reader.account,
        str(reader.duty),
        len(done),
        len(tasks),
        _seconds(done),
        _seconds([task for task, stage in stages if stage == 0]),
        _seconds([task for task, stage in stages if stage]),
        reader.reading_closed_at is not None,
        reader.revision_closed_at is not None,
        sum(_was_revised(task, first) for task in revisions),
        _repeats(tasks, patients),
        *_drift([stage for _, stage in stages if stage is not None and stage != NOT_GRADABLE]),
    )


def _was_revised(task: TaskRecord, first: dict[str, HandMarks]) -> bool:
    return task.complete and task.state.marks.labels != first[task.hand_id].labels


def _seconds(tasks: Sequence[TaskRecord]) -> float | None:
    times = [task.spent_ms / 1000 for task in tasks if task.spent_ms]
    return median(times) if times else None


def _repeats(tasks: Sequence[TaskRecord], patients: dict[str, str]) -> Agreement | None:
    done = [task for task in tasks if task.complete]
    first = {task.hand_id: hand_label(task.state.marks.labels) for task in done if not task.occasion}
    pairs: list[Pair] = [
        (first[task.hand_id], hand_label(task.state.marks.labels), patients.get(task.hand_id, task.hand_id))
        for task in done
        if task.occasion and task.hand_id in first
    ]
    return agreement_of("repeats", pairs)


def _drift(stages: Sequence[int]) -> tuple[tuple[float, ...], tuple[float, float, float] | None]:
    """Mean stages of the parts of a reading, and the slope of the stage from its first to its last hand."""
    if len(stages) < DRIFT_WINDOWS * LEAST_IN_WINDOW:
        return (), None
    values = np.array(stages, np.float64)
    windows = tuple(float(part.mean()) for part in np.array_split(values, DRIFT_WINDOWS))
    place = np.linspace(0, 1, len(values))
    slope, level = np.polyfit(place, values, 1)
    residual = values - (slope * place + level)
    variance = residual @ residual / (len(values) - 2) / np.sum((place - place.mean()) ** 2)
    half = 1.96 * float(np.sqrt(variance))
    return windows, (float(slope), float(slope) - half, float(slope) + half)


def _labels(one: HandOutcome, *, revised: bool = False) -> tuple[int | None, int | None]:
    a, b = (hand_label(marks.labels) if marks else None for marks in (one.revised if revised else one.first))
    return a, b


def _is_far_apart(labels: tuple[int | None, int | None]) -> bool:
    a, b = labels
    if a is None or b is None:
        return False
    return (a == NOT_GRADABLE) != (b == NOT_GRADABLE) or abs(a - b) >= LEAST_STAGES_APART
