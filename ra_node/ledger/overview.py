"""Read-only queries for the operator: counts, studies, buried jobs and ages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Connection, and_, func, select, true

from ra_node.domain.job import Job, JobKind, JobState
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import AnyRow, Ledger
from ra_node.ledger.database.schema import CommitmentState, DeliveryState, StudyState
from ra_node.ledger.jobs.queue import job_of
from ra_node.ledger.search.filter import ALL_STUDIES, StudyFilter

NOT_DONE = (JobState.READY, JobState.LEASED, JobState.BURIED)
_WORST_FIRST = (
    DeliveryState.REFUSED,
    DeliveryState.WAITING,
    DeliveryState.DROPPED,
    DeliveryState.ACCEPTED,
)
_LEAST_FIRST = (
    CommitmentState.LACKING,
    CommitmentState.WAITING,
    CommitmentState.WAIVED,
    CommitmentState.NOT_ASKED,
    CommitmentState.COMMITTED,
)


@dataclass(frozen=True, slots=True)
class PeerState:
    """State of a version at a peer: the worst state among its objects, delivered and committed separately.

    `state` is refused, waiting, dropped or accepted (delivered); `commitment` is the least advanced of its
    objects.
    """

    peer: str
    version: int
    state: DeliveryState
    detail: str | None
    commitment: CommitmentState = CommitmentState.NOT_ASKED


@dataclass(frozen=True, slots=True)
class StudyLine:
    """One study as a line of a list. Times are UTC seconds since 1970.

    `last_error` is that of the newest unfinished or buried job.
    """

    study_uid: str
    state: StudyState
    first_received_at: float
    last_received_at: float
    version: int
    answered_version: int
    purged_at: float | None
    instances: int
    deliveries: tuple[PeerState, ...]
    last_error: str | None


def job_counts(ledger: Ledger) -> dict[tuple[JobKind, JobState], int]:
    """Count the jobs by kind and state; absent pairs are zero."""
    job = schema.job
    query = select(job.c.kind, job.c.state, func.count()).group_by(job.c.kind, job.c.state)
    with ledger.read() as connection:
        return {(JobKind(kind), JobState(state)): n for kind, state, n in connection.execute(query)}


def study_counts(ledger: Ledger) -> dict[StudyState, int]:
    """Count the studies by state; absent states are zero."""
    query = select(schema.study.c.state, func.count()).group_by(schema.study.c.state)
    with ledger.read() as connection:
        return {StudyState(state): n for state, n in connection.execute(query)}


def delivery_counts(ledger: Ledger) -> dict[tuple[str, DeliveryState], int]:
    """Count the deliveries of objects by peer and state; absent pairs are zero."""
    delivery = schema.delivery
    query = select(delivery.c.peer, delivery.c.state, func.count()).group_by(
        delivery.c.peer, delivery.c.state
    )
    with ledger.read() as connection:
        return {(peer, DeliveryState(state)): n for peer, state, n in connection.execute(query)}


def commitment_counts(ledger: Ledger) -> dict[tuple[str, CommitmentState], int]:
    """Count the delivered objects by peer and commitment state; absent pairs are zero."""
    delivery = schema.delivery
    query = (
        select(delivery.c.peer, delivery.c.commitment, func.count())
        .where(delivery.c.commitment != CommitmentState.NOT_ASKED)
        .group_by(delivery.c.peer, delivery.c.commitment)
    )
    with ledger.read() as connection:
        return {(peer, CommitmentState(state)): n for peer, state, n in connection.execute(query)}


def waiting_since(ledger: Ledger) -> dict[str, float]:
    """Time of the oldest queued delivery by peer; absent peers have none."""
    job = schema.job
    unfinished = job.c.state.in_((JobState.READY, JobState.LEASED))
    query = (
        select(job.c.peer, func.min(job.c.created_at).label("since"))
        .where(job.c.kind == JobKind.DELIVER, unfinished)
        .group_by(job.c.peer)
    )
    with ledger.read() as connection:
        return {row.peer: row.since for row in connection.execute(query)}


def open_job_counts(ledger: Ledger) -> dict[tuple[JobKind, JobState], int]:
    """Count the jobs that are not done, by kind and state; absent pairs are zero."""
    job = schema.job
    query = select(job.c.kind, job.c.state, func.count()).where(job.c.state.in_(NOT_DONE))
    with ledger.read() as connection:
        rows = connection.execute(query.group_by(job.c.state, job.c.kind))
        return {(JobKind(kind), JobState(state)): n for kind, state, n in rows}


def open_delivery_counts(ledger: Ledger) -> dict[tuple[str, DeliveryState], int]:
    """Like `delivery_counts` without accepted ones, which are nearly all."""
    delivery = schema.delivery
    query = select(delivery.c.peer, delivery.c.state, func.count()).where(schema.NOT_ACCEPTED)
    with ledger.read() as connection:
        rows = connection.execute(query.group_by(delivery.c.peer, delivery.c.state))
        return {(peer, DeliveryState(state)): n for peer, state, n in rows}


def unkept_counts(ledger: Ledger) -> dict[tuple[str, CommitmentState], int]:
    """Like `commitment_counts`, only pending ones."""
    delivery = schema.delivery
    query = select(delivery.c.peer, delivery.c.commitment, func.count()).where(schema.UNKEPT)
    with ledger.read() as connection:
        rows = connection.execute(query.group_by(delivery.c.peer, delivery.c.commitment))
        return {(peer, CommitmentState(state)): n for peer, state, n in rows}


def studies(
    ledger: Ledger,
    limit: int = 100,
    offset: int = 0,
    *,
    which: StudyFilter = ALL_STUDIES,
) -> list[StudyLine]:
    """List the studies of a filter, the last received first."""
    with ledger.read() as connection:
        return _lines(connection, which.condition, limit, offset)


def find_study(ledger: Ledger, study_uid: str) -> StudyLine | None:
    """Read one study."""
    with ledger.read() as connection:
        lines = _lines(connection, schema.study.c.study_uid == study_uid, 1, 0)
    return lines[0] if lines else None


def buried_jobs(ledger: Ledger, limit: int = 100) -> list[Job]:
    """List buried jobs, the last buried first; `last_error` is the reason."""
    job = schema.job
    query = select(job).where(job.c.state == JobState.BURIED)
    with ledger.read() as connection:
        rows = connection.execute(query.order_by(job.c.finished_at.desc(), job.c.id).limit(limit))
        return [job_of(row) for row in rows]


def jobs_of(ledger: Ledger, study_uid: str) -> list[Job]:
    """List the jobs of a study, oldest first."""
    query = select(schema.job).where(schema.job.c.study_uid == study_uid)
    with ledger.read() as connection:
        rows = connection.execute(query.order_by(schema.job.c.created_at, schema.job.c.id))
        return [job_of(row) for row in rows]


def oldest_unanswered(ledger: Ledger) -> float | None:
    """Arrival of the instance that waits longest for its report; None: none waits.

    A waiting instance has no version yet, or a report job that is not done; reported ones are not scanned.
    """
    image, study, job = schema.instance, schema.study, schema.job
    unsettled = select(image.c.received_at).where(image.c.version.is_(None), image.c.counts == true())
    this_version = and_(image.c.study_uid == job.c.study_uid, image.c.version == job.c.version)
    unreported = (
        select(image.c.received_at)
        .select_from(job.join(study, study.c.study_uid == job.c.study_uid).join(image, this_version))
        .where(job.c.state.in_(NOT_DONE), job.c.kind == JobKind.REPORT)
        .where(image.c.counts == true(), image.c.version > study.c.answered_version)
    )
    with ledger.read() as connection:
        found = [
            connection.execute(select(func.min(query.subquery().c.received_at))).scalar()
            for query in (unsettled, unreported)
        ]
    return min((at for at in found if at is not None), default=None)


def _lines(connection: Connection, which: ColumnElement[bool], limit: int, offset: int) -> list[StudyLine]:
    study = schema.study
    page = select(study).where(which).order_by(study.c.last_received_at.desc(), study.c.study_uid)
    rows = connection.execute(page.limit(limit).offset(offset)).all()
    uids = [row.study_uid for row in rows]
    counts, errors = _instance_counts(connection, uids), _last_errors(connection, uids)
    peers = _peer_states(connection, uids)
    return [
        _line(row, counts.get(row.study_uid, 0), peers.get(row.study_uid, ()), errors.get(row.study_uid))
        for row in rows
    ]


def _line(row: AnyRow, instances: int, deliveries: tuple[PeerState, ...], error: str | None) -> StudyLine:
    fields = {**row._asdict(), "state": StudyState(row.state)}
    return StudyLine(instances=instances, deliveries=deliveries, last_error=error, **fields)


def _instance_counts(connection: Connection, uids: Collection[str]) -> Mapping[str, int]:
    image = schema.instance
    query = select(image.c.study_uid, func.count().label("instances")).where(image.c.study_uid.in_(uids))
    return {row.study_uid: row.instances for row in connection.execute(query.group_by(image.c.study_uid))}


def _last_errors(connection: Connection, uids: Collection[str]) -> Mapping[str, str]:
    job = schema.job
    complaining = (job.c.study_uid.in_(uids), job.c.last_error.is_not(None), job.c.state != JobState.DONE)
    query = select(job.c.study_uid, job.c.last_error).where(*complaining)
    rows = connection.execute(query.order_by(job.c.created_at, job.c.id))
    return {row.study_uid: row.last_error for row in rows}


_OF_DELIVERY = ("peer", "state", "detail", "commitment")


def _worse(one: PeerState, other: PeerState) -> PeerState:
    """The worse state, and the least advanced commitment state."""
    worst = min(one, other, key=lambda found: _WORST_FIRST.index(found.state))
    least = min(one.commitment, other.commitment, key=_LEAST_FIRST.index)
    return replace(worst, commitment=least)


def _peer_states(connection: Connection, uids: Collection[str]) -> Mapping[str, tuple[PeerState, ...]]:
    item, delivery = schema.result_object, schema.delivery
    query = (
        select(item.c.study_uid, item.c.version, *(delivery.c[name] for name in _OF_DELIVERY))
        .join(delivery, delivery.c.object_uid == item.c.sop_instance_uid)
        .where(item.c.study_uid.in_(uids))
        .order_by(item.c.version, delivery.c.peer)
    )
    worst: dict[tuple[str, int, str], PeerState] = {}
    for row in connection.execute(query):
        state, commitment = DeliveryState(row.state), CommitmentState(row.commitment)
        found = PeerState(row.peer, row.version, state, row.detail, commitment)
        key = (row.study_uid, row.version, row.peer)
        worst[key] = _worse(worst.get(key, found), found)
    grouped = defaultdict(list)
    for (uid, _, _), found in worst.items():
        grouped[uid].append(found)
    return {uid: tuple(states) for uid, states in grouped.items()}
