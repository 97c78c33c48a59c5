"""Withdrawals: a request a study and version, and the transaction that begins the version which says so.

The findings of the images are replaced by the refusal, so that a later image or version does not bring the
withdrawn result back; only a corrected or requeued image is analysed again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, not_, or_, select, true, update

from ra_node.domain.job import JobKind, JobState
from ra_node.domain.refusal import Refusal
from ra_node.domain.report import DeliveredObject, ImageFinding, WithdrawalCause
from ra_node.domain.result_objects import ObjectKind, class_of
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import AnyRow, Ledger, insert_new
from ra_node.ledger.database.events import Detail, note
from ra_node.ledger.database.schema import DeliveryState, StudyState
from ra_node.ledger.jobs.abandon import drop_unsent_held
from ra_node.ledger.jobs.queue import enqueue
from ra_node.ledger.report_json import finding_from_json, finding_to_json, report_from_json

_table, _result, _image, _job = schema.withdrawal, schema.result, schema.instance, schema.job
_study = schema.study
LIVE_FIRST_S = 2.0
"""Delay of the report of a withdrawal: jobs of a study that arrives meanwhile are due before it."""


@dataclass(frozen=True, slots=True)
class WithdrawalRequest:
    """What an operator wants taken back: the result of a study, with the cause, the reason and the name.

    With `bundle` only a result that this bundle made, by the beginning of its SHA-256.
    """

    study_uid: str
    version: int
    cause: WithdrawalCause
    reason: str
    operator: str
    bundle: str | None = None
    requested_at: float = 0.0


@dataclass(frozen=True, slots=True)
class NewestResult:
    """The newest result of a study."""

    study_uid: str
    version: int
    withdrawn: bool
    purged: bool
    """Neither an image nor the report is kept: nothing says for whom a new version would be."""
    bundle_sha256: str


def answered_study(ledger: Ledger, study_uid: str) -> NewestResult | None:
    """The newest result of one study; None without one."""
    with ledger.read() as connection:
        rows = connection.execute(_newest(_result.c.study_uid == study_uid)).all()
    return _answered(rows[0]) if rows else None


def answered_by(ledger: Ledger, bundle: str, since: float) -> list[NewestResult]:
    """Newest results since a time (UTC seconds since 1970) of the bundle whose SHA-256 begins like this.

    Those for whose images no network was asked are left out.
    """
    analysed = exists().where(_image.c.study_uid == _result.c.study_uid, _image.c.bundle_sha256.is_not(None))
    named = _result.c.report_json.contains(f'"sha256":"{bundle}', autoescape=True)
    with ledger.read() as connection:
        rows = connection.execute(_newest(and_(_result.c.created_at >= since, named, analysed))).all()
    found = [_answered(row) for row in rows]
    return [one for one in found if one.bundle_sha256.startswith(bundle)]


def request_withdrawals(ledger: Ledger, requests: Sequence[WithdrawalRequest]) -> int:
    """Record all requests together; return how many are new, as a repetition changes nothing."""
    count = 0
    with ledger.write() as connection:
        now = ledger.clock()
        for one in requests:
            row = {
                "study_uid": one.study_uid,
                "version": one.version,
                "cause": one.cause,
                "reason": one.reason,
                "operator": one.operator,
                "bundle": one.bundle,
                "requested_at": now,
            }
            if insert_new(connection, _table, row):
                count += 1
                _note(connection, now, "withdrawal_requested", one, version=one.version)
    return count


def waiting_withdrawals(ledger: Ledger) -> int:
    """Requests whose withdrawal has not begun."""
    with ledger.read() as connection:
        query = select(func.count()).select_from(_table).where(_table.c.ended_at.is_(None))
        return int(connection.execute(query).scalar_one())


def next_withdrawals(ledger: Ledger, limit: int) -> list[WithdrawalRequest]:
    """The oldest requests whose studies are at rest: no version in the making, no object on its way."""
    query = (
        select(_table)
        .join(_study, _study.c.study_uid == _table.c.study_uid)
        .where(_table.c.ended_at.is_(None), _at_rest())
        .order_by(_table.c.requested_at, _table.c.study_uid)
        .limit(limit)
    )
    with ledger.read() as connection:
        return [_request(row) for row in connection.execute(query)]


def begin_withdrawal(ledger: Ledger, request: WithdrawalRequest, refusal: Refusal) -> int | None:
    """Fix the version that withdraws the result, in one transaction; return it.

    Objects that are not delivered yet are dropped. None: the study is not at rest, the request has ended
    before, or another bundle has made a newer result since; then the request has ended.
    """
    this = and_(_table.c.study_uid == request.study_uid, _table.c.version == request.version)
    with ledger.write() as connection:
        now = ledger.clock()
        own = _study.c.study_uid == request.study_uid
        study = connection.execute(select(_study).where(own, _at_rest()).with_for_update()).first()
        open_request = select(_table.c.version).where(this, _table.c.ended_at.is_(None))
        if study is None or connection.execute(open_request.with_for_update()).first() is None:
            return None
        if not _still_wanted(connection, request):
            connection.execute(update(_table).where(this).values(ended_at=now))
            _note(connection, now, "withdrawal_superseded", request, version=request.version)
            return None
        version = int(study.version) + 1
        _refuse_images(connection, request.study_uid, refusal)
        fixed = update(_study).where(own)
        connection.execute(fixed.values(version=version, state=StudyState.SETTLED))
        drop_unsent_held(connection, now, request.study_uid, "the result was withdrawn")
        key = f"report:{request.study_uid}:{version}"
        enqueue(connection, ledger, JobKind.REPORT, key, request.study_uid, version=version)
        due = update(_job).where(_job.c.key == key)
        connection.execute(due.values(run_at=now + LIVE_FIRST_S))
        connection.execute(update(_table).where(this).values(ended_at=now, new_version=version))
        _note(connection, now, "study_withdrawn", request, version=version)
    return version


def withdrawal_of(ledger: Ledger, study_uid: str, version: int) -> WithdrawalRequest | None:
    """The request that a version fulfils; None for an ordinary version."""
    query = select(_table).where(_table.c.study_uid == study_uid, _table.c.new_version == version)
    with ledger.read() as connection:
        row = connection.execute(query).first()
    return None if row is None else _request(row)


def delivered_objects(
    ledger: Ledger, study_uid: str, version: int, peers: Collection[str]
) -> tuple[DeliveredObject, ...]:
    """What these peers hold of the versions that `version` withdraws, as they know it."""
    item, delivery = schema.result_object, schema.delivery
    last = select(func.coalesce(func.max(_table.c.new_version), 0)).where(
        _table.c.study_uid == study_uid, _table.c.new_version < version
    )
    query = (
        select(delivery.c.peer, delivery.c.sent_uid, item.c.sop_instance_uid, item.c.sop_class_uid)
        .join(item, item.c.sop_instance_uid == delivery.c.object_uid)
        .where(
            item.c.study_uid == study_uid,
            item.c.version < version,
            item.c.version > last.scalar_subquery(),
            delivery.c.state == DeliveryState.ACCEPTED,
            delivery.c.peer.in_(list(peers)),
        )
        .order_by(delivery.c.peer, item.c.version, item.c.kind, item.c.sop_instance_uid)
    )
    with ledger.read() as connection:
        return tuple(_delivered(row) for row in connection.execute(query))


def _delivered(row: AnyRow) -> DeliveredObject:
    if row.sent_uid in (None, row.sop_instance_uid):
        return DeliveredObject(row.peer, row.sop_class_uid, row.sop_instance_uid)
    return DeliveredObject(row.peer, class_of(ObjectKind.SR_FALLBACK).sop_class_uid, row.sent_uid)


def _newest(which: ColumnElement[bool]) -> Select[Any]:
    """Newest results with whether anything of them is kept."""
    later, item = _result.alias("later"), schema.result_object
    image_kept = exists().where(_image.c.study_uid == _result.c.study_uid, _image.c.path.is_not(None))
    sr_kept = exists().where(item.c.sop_instance_uid == _result.c.sr_uid, item.c.path.is_not(None))
    replaced = exists().where(later.c.study_uid == _result.c.study_uid, later.c.version > _result.c.version)
    kept = or_(image_kept, sr_kept).label("kept")
    return (
        select(_result.c.study_uid, _result.c.version, _result.c.report_json, kept)
        .where(which, ~replaced)
        .order_by(_result.c.created_at, _result.c.study_uid)
    )


def _answered(row: AnyRow) -> NewestResult:
    try:
        report = report_from_json(row.report_json)
    except ValueError:  # an unreadable row is a result that can be taken back all the same
        return NewestResult(
            row.study_uid, row.version, withdrawn=False, purged=not row.kept, bundle_sha256=""
        )
    withdrawn = report.withdrawal is not None
    return NewestResult(row.study_uid, row.version, withdrawn, not row.kept, report.bundle.sha256)


def _at_rest() -> ColumnElement[bool]:
    """Condition on a study: no newer version is in the making, and no object is being sent."""
    sending = exists().where(
        _job.c.study_uid == _study.c.study_uid,
        _job.c.kind == JobKind.DELIVER,
        _job.c.state == JobState.LEASED,
    )
    return and_(_study.c.state.in_((StudyState.ANSWERED, StudyState.FAILED)), not_(sending))


def _still_wanted(connection: Connection, request: WithdrawalRequest) -> bool:
    """Whether the newest result is no withdrawal, and one of the bundle in question."""
    row = connection.execute(_newest(_result.c.study_uid == request.study_uid)).first()
    if row is None:
        return False
    found = _answered(row)
    return not found.withdrawn and found.bundle_sha256.startswith(request.bundle or "")


def _refuse_images(connection: Connection, study_uid: str, refusal: Refusal) -> None:
    reported = and_(_image.c.study_uid == study_uid, _image.c.counts == true(), _image.c.version.is_not(None))
    for row in connection.execute(select(_image).where(reported).order_by(_image.c.id)).all():
        values = {"finding_json": _refused(row, refusal), "bundle_sha256": None}
        connection.execute(update(_image).where(_image.c.id == row.id).values(**values))


def _refused(row: AnyRow, refusal: Refusal) -> str:
    names = (row.sop_instance_uid, row.sop_class_uid, row.series_uid)
    try:
        found = finding_from_json(row.finding_json or "")
    except ValueError:  # never examined, or an unreadable row
        return finding_to_json(ImageFinding(*names, 0, 0, refusal=refusal))
    return finding_to_json(replace(found, hands=(), refusal=refusal, remarks=()))


def _request(row: AnyRow) -> WithdrawalRequest:
    cause = WithdrawalCause(row.cause)
    return WithdrawalRequest(
        row.study_uid, row.version, cause, row.reason, row.operator, row.bundle, row.requested_at
    )


def _note(connection: Connection, now: float, what: str, one: WithdrawalRequest, *, version: int) -> None:
    told: dict[str, Detail] = {
        "version": version,
        "cause": one.cause,
        "reason": one.reason,
        "by": one.operator,
    }
    note(connection, now, what, one.study_uid, **told)
