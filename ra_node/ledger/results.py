"""What was found and where it went: an answer, its objects and their deliveries commit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select, true, update

from ra_node.domain.job import Job, JobKind, JobState
from ra_node.ledger import schema
from ra_node.ledger.commitments import want_commitment
from ra_node.ledger.engine import AnyRow, Ledger
from ra_node.ledger.queue import bury_held, enqueue, finish_held, retry_held
from ra_node.ledger.schema import CommitmentState, DeliveryState, StudyState
from ra_node.ledger.timeline import Detail, note

_EVENT_OF = {
    DeliveryState.ACCEPTED: "object_delivered",
    DeliveryState.REFUSED: "object_refused",
    DeliveryState.WAITING: "object_postponed",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One image of a version as the report needs it.

    `finding_json` is None when the examination failed; `failure` then says why.
    """

    instance_id: str
    sop_instance_uid: str
    sop_class_uid: str
    series_uid: str
    path: str | None
    finding_json: str | None
    preview_path: str | None
    bundle_sha256: str | None
    failure: str | None


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to one version of a study; `predecessor` is the SR UID of the version before.

    `patient_key` is a keyed hash and `study_at` the moment of the study, "YYYYMMDDHHMMSS"; both are None
    where the images do not say.
    """

    study_uid: str
    version: int
    report_json: str
    created_at: float
    sr_uid: str
    predecessor: str | None = None
    patient_key: str | None = None
    study_at: str | None = None


@dataclass(frozen=True, slots=True)
class ResultObject:
    """A DICOM object of a result; `kind` is "sr", "sr_comprehensive" or "overlay".

    `path` is relative to the data folder and None once retention has removed the file.
    """

    sop_instance_uid: str
    study_uid: str
    version: int
    kind: str
    sop_class_uid: str
    path: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where one object stands with one peer; `status` is the last C-STORE status."""

    object: ResultObject
    peer: str
    state: DeliveryState
    status: int | None
    detail: str | None
    attempts: int
    updated_at: float
    commitment: CommitmentState
    """Whether the peer has promised to keep it; delivered and committed are two things."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt to send one object came to; WAITING means "try again".

    `sent_uid` names what went out in its place, None for the object itself.
    """

    object_uid: str
    state: DeliveryState
    status: int | None = None
    detail: str | None = None
    sent_uid: str | None = None


def finish_examination(
    ledger: Ledger, job: Job, finding_json: str, preview_path: str | None, bundle_sha256: str | None
) -> None:
    """Record what was found in one image and end its job. Raises LeaseLost."""
    with ledger.write() as connection:
        now = ledger.clock()
        finish_held(connection, now, job)
        values = {
            "finding_json": finding_json,
            "preview_path": preview_path,
            "bundle_sha256": bundle_sha256,
            "examined_at": now,
        }
        image = schema.instance
        connection.execute(update(image).where(image.c.id == job.instance_id).values(**values))
        note(connection, now, "instance_examined", job.study_uid, instance_id=job.instance_id)


def finish_report(
    ledger: Ledger,
    job: Job,
    result: Result,
    objects: Sequence[ResultObject],
    destinations: Sequence[tuple[str, str]],
    told: Mapping[str, Detail] | None = None,
) -> bool:
    """Record an answer with its objects, its deliveries and their jobs, and end the report job.

    `destinations` are (object UID, peer name) pairs, `told` what the timeline says of the answer.
    False: this version was answered before and nothing changed, so doing it twice is harmless.
    Raises LeaseLost.
    """
    with ledger.write() as connection:
        if _read_result(connection, result.study_uid, schema.result.c.version == result.version) is not None:
            return False
        now = ledger.clock()
        finish_held(connection, now, job)
        connection.execute(schema.result.insert(), [asdict(result)])
        if objects:
            connection.execute(schema.result_object.insert(), [asdict(item) for item in objects])
        _enqueue_deliveries(connection, ledger, result, destinations)
        _mark_answered(connection, result)
        words = {"version": result.version, "sr_uid": result.sr_uid, **(told or {})}
        note(connection, now, "study_answered", result.study_uid, **words)
    return True


def record_delivery(
    ledger: Ledger,
    job: Job,
    outcomes: Sequence[Outcome],
    *,
    retry_at: float,
    give_up_after_s: float | None,
    commit: bool = False,
) -> JobState:
    """Record one attempt to deliver and end or postpone its job; tell what became of it.

    With `commit` the peer is then asked to promise that it keeps what it accepted.

    READY: something still waits, tried again at `retry_at` (see `queue.retry`). BURIED: given up, or
    nothing waits but the peer refused something for good. DONE: everything is accepted. Raises
    LeaseLost.
    """
    with ledger.write() as connection:
        now = ledger.clock()
        for outcome in outcomes:
            _record_outcome(connection, now, job, outcome, commit=commit)
        deliveries = _read_deliveries(connection, job.study_uid, job.version, job.peer)
        waiting = [item for item in deliveries if item.state is DeliveryState.WAITING]
        refused = [item for item in deliveries if item.state is DeliveryState.REFUSED]
        if waiting:
            error = waiting[0].detail or f"{len(waiting)} of {len(deliveries)} objects wait"
            return retry_held(connection, now, job, error, retry_at, give_up_after_s=give_up_after_s)
        want_commitment(connection, ledger, job)
        if refused:
            bury_held(connection, now, job, _refusal_text(refused))
            return JobState.BURIED
        finish_held(connection, now, job)
        note(connection, now, "version_delivered", job.study_uid, version=job.version, peer=job.peer)
    return JobState.DONE


def findings_of(ledger: Ledger, study_uid: str, version: int) -> list[Finding]:
    """Every image that the given version answers, in the order of arrival."""
    image, examine = schema.instance, schema.job
    columns = [image.c[name] for name in Finding.__slots__ if name not in ("instance_id", "failure")]
    query = (
        select(image.c.id.label("instance_id"), *columns, examine.c.last_error)
        .select_from(image.outerjoin(examine, examine.c.instance_id == image.c.id))
        .where(image.c.study_uid == study_uid, image.c.counts == true(), image.c.version <= version)
        .order_by(image.c.received_at, image.c.id)
    )
    with ledger.read() as connection:
        return [_finding(row) for row in connection.execute(query)]


def find_result(ledger: Ledger, study_uid: str, version: int) -> Result | None:
    """Read the answer to one version."""
    with ledger.read() as connection:
        return _read_result(connection, study_uid, schema.result.c.version == version)


def earlier_result(ledger: Ledger, study_uid: str, version: int) -> Result | None:
    """Read the newest answer before `version`: its predecessor."""
    with ledger.read() as connection:
        return _read_result(connection, study_uid, schema.result.c.version < version)


def prior_result(ledger: Ledger, study_uid: str, patient_key: str, study_at: str) -> Result | None:
    """Read the newest answer to the patient's last study before `study_at` that is not this study."""
    result = schema.result
    columns = [result.c[name] for name in Result.__slots__]
    query = (
        select(*columns)
        .where(
            result.c.patient_key == patient_key, result.c.study_at < study_at, result.c.study_uid != study_uid
        )
        .order_by(result.c.study_at.desc(), result.c.study_uid, result.c.version.desc())
        .limit(1)
    )
    with ledger.read() as connection:
        row = connection.execute(query).first()
    return None if row is None else Result(*row)


def latest_result(ledger: Ledger, study_uid: str) -> Result | None:
    """Read the newest answer of a study."""
    with ledger.read() as connection:
        return _read_result(connection, study_uid, true())


def objects_of(ledger: Ledger, study_uid: str, version: int) -> list[ResultObject]:
    """List the objects of one answer."""
    item = schema.result_object
    query = select(*_object_columns()).where(item.c.study_uid == study_uid, item.c.version == version)
    with ledger.read() as connection:
        return [ResultObject(*row) for row in connection.execute(query.order_by(item.c.kind, item.c.path))]


def deliveries_of(
    ledger: Ledger, study_uid: str, version: int | None = None, peer: str | None = None
) -> list[Delivery]:
    """List deliveries of a study, optionally of one version or to one peer, in a stable order."""
    with ledger.read() as connection:
        return _read_deliveries(connection, study_uid, version, peer)


def pending_deliveries(ledger: Ledger, job: Job) -> list[Delivery]:
    """List what a deliver job still has to send."""
    with ledger.read() as connection:
        deliveries = _read_deliveries(connection, job.study_uid, job.version, job.peer)
    return [item for item in deliveries if item.state is DeliveryState.WAITING]


def _enqueue_deliveries(
    connection: Connection, ledger: Ledger, result: Result, destinations: Sequence[tuple[str, str]]
) -> None:
    now = ledger.clock()
    rows = [
        {"object_uid": uid, "peer": peer, "state": DeliveryState.WAITING, "attempts": 0, "updated_at": now}
        for uid, peer in destinations
    ]
    if rows:
        connection.execute(schema.delivery.insert(), rows)
    for peer in sorted({peer for _, peer in destinations}):
        key = f"deliver:{result.study_uid}:{result.version}:{peer}"
        enqueue(connection, ledger, JobKind.DELIVER, key, result.study_uid, version=result.version, peer=peer)


def _mark_answered(connection: Connection, result: Result) -> None:
    """Move the study on; it stays open where newer images or versions wait."""
    study = schema.study
    older = and_(study.c.study_uid == result.study_uid, study.c.answered_version < result.version)
    connection.execute(update(study).where(older).values(answered_version=result.version))
    current = and_(
        study.c.study_uid == result.study_uid,
        study.c.version == result.version,
        study.c.state.in_((StudyState.SETTLED, StudyState.FAILED)),
    )
    connection.execute(update(study).where(current).values(state=StudyState.ANSWERED))


def _record_outcome(connection: Connection, now: float, job: Job, outcome: Outcome, *, commit: bool) -> None:
    delivery = schema.delivery
    this = and_(
        delivery.c.object_uid == outcome.object_uid,
        delivery.c.peer == job.peer,
        delivery.c.state != DeliveryState.ACCEPTED,
    )
    values = {"state": outcome.state, "status": outcome.status, "detail": outcome.detail, "updated_at": now}
    if outcome.state is DeliveryState.ACCEPTED:
        values["sent_uid"] = outcome.sent_uid
        values["commitment"] = CommitmentState.WAITING if commit else CommitmentState.NOT_ASKED
    attempts = delivery.c.attempts + 1
    connection.execute(update(delivery).where(this).values(attempts=attempts, **values))
    note(
        connection,
        now,
        _EVENT_OF[outcome.state],
        job.study_uid,
        object_uid=outcome.object_uid,
        peer=job.peer,
        status=outcome.status,
        detail=outcome.detail,
    )


def _refusal_text(refused: Sequence[Delivery]) -> str:
    first = refused[0]
    status = "no status" if first.status is None else f"status 0x{first.status:04X}"
    return f"the peer refused {len(refused)} objects, {first.object.kind} with {status}: {first.detail or ''}"


def _finding(row: AnyRow) -> Finding:
    fields = row._asdict()
    error = fields.pop("last_error")
    failure = None if row.finding_json is not None else error or "no examination was recorded"
    return Finding(failure=failure, **fields)


def _read_result(connection: Connection, study_uid: str, which: ColumnElement[bool]) -> Result | None:
    columns = [schema.result.c[name] for name in Result.__slots__]
    query = select(*columns).where(schema.result.c.study_uid == study_uid, which)
    row = connection.execute(query.order_by(schema.result.c.version.desc()).limit(1)).first()
    return None if row is None else Result(*row)


def _object_columns() -> list[ColumnElement[Any]]:
    return [schema.result_object.c[name] for name in ResultObject.__slots__]


def _read_deliveries(
    connection: Connection, study_uid: str, version: int | None, peer: str | None
) -> list[Delivery]:
    item, delivery = schema.result_object, schema.delivery
    query = (
        select(delivery, *_object_columns())
        .join(item, item.c.sop_instance_uid == delivery.c.object_uid)
        .where(item.c.study_uid == study_uid)
        .order_by(item.c.version, delivery.c.peer, item.c.kind.desc(), delivery.c.object_uid)
    )
    if version is not None:
        query = query.where(item.c.version == version)
    if peer is not None:
        query = query.where(delivery.c.peer == peer)
    return [_delivery(row) for row in connection.execute(query)]


def _delivery(row: AnyRow) -> Delivery:
    item = ResultObject(*(getattr(row, name) for name in ResultObject.__slots__))
    state, commitment = DeliveryState(row.state), CommitmentState(row.commitment)
    return Delivery(item, row.peer, state, row.status, row.detail, row.attempts, row.updated_at, commitment)
