"""The inbox: received instances, associations, and settling of studies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Executable, and_, case, func, select, true, update
from sqlalchemy.dialects import postgresql, sqlite

from ra_node.domain.job import JobKind
from ra_node.ledger.clock_trust import is_due
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import SETTLING, AnyRow, Ledger, announce, insert_new
from ra_node.ledger.database.events import note
from ra_node.ledger.database.group_commit import GroupCommit
from ra_node.ledger.database.schema import StudyState
from ra_node.ledger.jobs.queue import enqueue
from ra_node.ledger.search.terms import add_device, add_identifiers


class _AlreadyKeptError(Exception):
    """Rolls back the transaction of a repeated instance."""


@dataclass(frozen=True, slots=True)
class NewInstance:
    """An instance whose file is already synced to disk.

    `path` is relative to the data folder. `counts`: it needs a report (False for objects of an AI that the
    PACS routed back). `examine`: it is to be analysed; otherwise `finding_json` may hold the decision by its
    header. `patient` is its identity as written by `kept_identity`; "" for objects of an AI, whose header is
    a copy.
    """

    sop_instance_uid: str
    study_uid: str
    series_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    path: str
    size_bytes: int
    calling_ae: str
    association_id: str | None = None
    counts: bool = True
    examine: bool = True
    finding_json: str | None = None
    sha256: str | None = None
    """Of the whole file, taken while it was received; None: unknown."""
    patient: str | None = None
    header_digest: str | None = None
    """Of an image that is refused by its header, see `Instance`; a worker takes that of others."""
    device: str = ""
    """Station and device that made it, "" where the header names none."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A row of the inbox. `path` is None once retention has removed the file."""

    id: str
    sop_instance_uid: str
    study_uid: str
    series_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    path: str | None
    size_bytes: int
    calling_ae: str
    association_id: str | None
    received_at: float
    counts: bool
    version: int | None
    finding_json: str | None
    preview_path: str | None
    bundle_sha256: str | None
    examined_at: float | None
    sha256: str | None = None
    """None for a file that an older version received: its content cannot be checked."""
    preview_sha256: str | None = None
    patient: str | None = None
    pixel_sha256: str | None = None
    """Of the decoded pixels (`imaging.pixels.pixel_digest`); None until the image is examined or compared."""
    header_digest: str | None = None
    """Keyed hash of the compared attributes; None until the image is refused by its header or examined."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The instance is new and now in the ledger."""

    instance: Instance


@dataclass(frozen=True, slots=True)
class Repeated:
    """The instance was received before; the caller removes the file of the repeat."""

    instance: Instance


def open_association(ledger: Ledger, listener: str, calling_ae: str, address: str) -> str:
    """Record an association that may bring instances; return its id."""
    row = {
        "id": ledger.new_id(),
        "listener": listener,
        "calling_ae": calling_ae,
        "peer_address": address,
        "opened_at": ledger.clock(),
    }
    with ledger.write() as connection:
        connection.execute(schema.association.insert(), [row])
    return str(row["id"])


def close_association(ledger: Ledger, association_id: str) -> None:
    """Record the end of an association, released or aborted; a second end changes nothing."""
    _close(ledger, schema.association.c.id == association_id)


def close_all_associations(ledger: Ledger, listener: str) -> int:
    """Close associations that a crashed listener left open; call it at its start."""
    return _close(ledger, schema.association.c.listener == listener)


def keep_instance(ledger: Ledger, new: NewInstance, together: GroupCommit | None = None) -> Kept | Repeated:
    """Commit one received instance with its study, its event and its examine job.

    Of concurrent stores of one SOP Instance UID exactly one is Kept; those by one `together` share their
    transactions. After this returns Success may be sent (PS3.4 table B.2-1). Raises LedgerUnavailable, and
    then nothing was recorded.
    """
    line = GroupCommit(ledger) if together is None else together
    try:
        instance = line.write(lambda connection: _insert(connection, ledger, new))
    except _AlreadyKeptError:
        with ledger.read() as connection:
            same = schema.instance.c.sop_instance_uid == new.sop_instance_uid
            return Repeated(_read(connection, same)[0])
    return Kept(instance)


def find_instance(ledger: Ledger, instance_id: str) -> Instance:
    """Read one instance, e.g. `job.instance_id` of an examine job; LookupError if there is none."""
    with ledger.read() as connection:
        found = _read(connection, schema.instance.c.id == instance_id)
    if not found:
        raise LookupError(f"expected an instance with id {instance_id}, found none")
    return found[0]


def paths_of(ledger: Ledger, sop_instance_uid: str) -> list[str | None]:
    """Paths in rows with this SOP Instance UID: its own, None after a purge, and those of waiting copies."""
    image, copy = schema.instance, schema.resent
    own = image.c.sop_instance_uid == sop_instance_uid
    waiting = select(copy.c.path).join(image, image.c.id == copy.c.instance_id).where(own)
    with ledger.read() as connection:
        kept = list(connection.execute(select(image.c.path).where(own)).scalars())
        return [*kept, *connection.execute(waiting).scalars()]


def instances_of(ledger: Ledger, study_uid: str) -> list[Instance]:
    """All instances of a study in the order of their arrival."""
    with ledger.read() as connection:
        return _read(connection, schema.instance.c.study_uid == study_uid)


def settle_due(ledger: Ledger, quiet_s: float, max_wait_s: float) -> list[tuple[str, int]]:
    """Fix the next version of every study that settles; return (study UID, version) pairs.

    Condition: the associations of its new instances are closed and no instance arrived for `quiet_s`, or the
    first of them has waited for `max_wait_s`. Each version gets its report job.
    """
    now = ledger.clock()
    with ledger.read() as connection:
        waiting = _waiting(connection)
    due = [row.study_uid for row in waiting if _due_at(row, now, quiet_s, max_wait_s) <= now]
    settled = [(uid, _settle(ledger, uid, quiet_s, max_wait_s)) for uid in due]
    return [(uid, version) for uid, version in settled if version is not None]


def settle_now(ledger: Ledger, study_uid: str, why: str = "known to be complete") -> int | None:
    """Fix the next version of a study that is known to be complete; None: nothing new to report."""
    return _settle(ledger, study_uid, quiet_s=0, max_wait_s=0, why=why)


def next_due(ledger: Ledger, quiet_s: float, max_wait_s: float) -> float | None:
    """When the next study settles if no instance arrives; None: no study waits."""
    with ledger.read() as connection:
        now = ledger.clock()
        return min((_due_at(row, now, quiet_s, max_wait_s) for row in _waiting(connection)), default=None)


def _close(ledger: Ledger, which: ColumnElement[bool]) -> int:
    still_open = and_(which, schema.association.c.closed_at.is_(None))
    with ledger.write() as connection:
        announce(connection, SETTLING)
        change = update(schema.association).where(still_open).values(closed_at=ledger.clock())
        return connection.execute(change).rowcount


def _insert(connection: Connection, ledger: Ledger, new: NewInstance) -> Instance:
    now = ledger.clock()
    instance = _instance_from(ledger.new_id(), new, now)
    _touch_study(connection, new, now)
    if not insert_new(connection, schema.instance, _fields(instance)):
        raise _AlreadyKeptError
    add_identifiers(connection, new.study_uid, new.patient)
    add_device(connection, new.study_uid, new.device)
    note(connection, now, "instance_stored", new.study_uid, **_told(new))
    if new.counts and new.examine:
        key = f"examine:{new.sop_instance_uid}"
        enqueue(connection, ledger, JobKind.EXAMINE, key, new.study_uid, instance_id=instance.id)
    return instance


def _instance_from(instance_id: str, new: NewInstance, now: float) -> Instance:
    fields = _fields(new)
    fields.pop("examine")
    fields.pop("device")
    return Instance(
        id=instance_id,
        received_at=now,
        version=None,
        preview_path=None,
        bundle_sha256=None,
        examined_at=None if new.finding_json is None else now,
        **fields,
    )


def _fields(row: NewInstance | Instance) -> dict[str, Any]:
    """The fields of a flat row; `asdict` copies each of them deeply."""
    return {name: getattr(row, name) for name in row.__slots__}


def _told(new: NewInstance) -> dict[str, str | int]:
    return {
        "sop_instance_uid": new.sop_instance_uid,
        "sop_class_uid": new.sop_class_uid,
        "calling_ae": new.calling_ae,
        "size_bytes": new.size_bytes,
        "counts": new.counts,
    }


def _touch_study(connection: Connection, new: NewInstance, now: float) -> None:
    """Insert the study or update its last arrival; the row is locked until the transaction ends."""
    state = StudyState.OPEN if new.counts else StudyState.IGNORED
    row = {"study_uid": new.study_uid, "state": state, "first_received_at": now, "last_received_at": now}
    if new.counts:
        connection.execute(_new_arrival(connection.dialect.name), row)
    else:
        insert_new(connection, schema.study, row)


@cache
def _new_arrival(dialect_name: str) -> Executable:
    """Cached: building the statement takes longer than its execution."""
    dialect = sqlite if dialect_name == "sqlite" else postgresql
    insert = dialect.insert(schema.study)
    came = insert.excluded
    change = {"last_received_at": came.last_received_at, "state": came.state, "purged_at": None}
    arrival: Executable = insert.on_conflict_do_update(index_elements=["study_uid"], set_=change)
    return arrival


def _read(connection: Connection, which: ColumnElement[bool]) -> list[Instance]:
    columns = [schema.instance.c[name] for name in Instance.__slots__]
    query = select(*columns).where(which).order_by(schema.instance.c.received_at, schema.instance.c.id)
    return [Instance(*row) for row in connection.execute(query)]


def _waiting(connection: Connection, study_uid: str | None = None) -> Sequence[AnyRow]:
    """Studies with instances without a version: study_uid, first, last, still_open."""
    image, peer = schema.instance, schema.association
    is_open = and_(peer.c.id.is_not(None), peer.c.closed_at.is_(None))
    query = (
        select(
            image.c.study_uid,
            func.min(image.c.received_at).label("first"),
            func.max(image.c.received_at).label("last"),
            func.sum(case((is_open, 1), else_=0)).label("still_open"),
        )
        .select_from(image.outerjoin(peer, peer.c.id == image.c.association_id))
        .where(_unversioned())
        .group_by(image.c.study_uid)
        .order_by(image.c.study_uid)
    )
    if study_uid is not None:
        query = query.where(image.c.study_uid == study_uid)
    return connection.execute(query).all()


def _unversioned() -> ColumnElement[bool]:
    return and_(schema.instance.c.version.is_(None), schema.instance.c.counts == true())


def _due_at(row: AnyRow, now: float, quiet_s: float, max_wait_s: float) -> float:
    """When a study settles; at once where that is later than the maximum, as after a clock set back."""
    longest, quiet = float(row.first) + max_wait_s, float(row.last) + quiet_s
    longest = now if is_due(longest, now, max_wait_s) else longest
    quiet = now if is_due(quiet, now, quiet_s) else quiet
    return longest if row.still_open else min(longest, quiet)


def _settle(
    ledger: Ledger, study_uid: str, quiet_s: float, max_wait_s: float, why: str = "waited for"
) -> int | None:
    """Fix a version if the study is due once its row is locked: another scheduler may have come first."""
    study = schema.study
    with ledger.write() as connection:
        now = ledger.clock()
        locked = select(study.c.version).where(study.c.study_uid == study_uid).with_for_update()
        current = connection.execute(locked).scalar()
        waiting = _waiting(connection, study_uid)
        if current is None or not waiting or _due_at(waiting[0], now, quiet_s, max_wait_s) > now:
            return None
        version = int(current) + 1
        _fix_version(connection, study_uid, version)
        key = f"report:{study_uid}:{version}"
        enqueue(connection, ledger, JobKind.REPORT, key, study_uid, version=version)
        note(connection, now, "study_settled", study_uid, version=version, why=why)
        return version


def _fix_version(connection: Connection, study_uid: str, version: int) -> None:
    study, image = schema.study, schema.instance
    these = and_(image.c.study_uid == study_uid, _unversioned())
    connection.execute(update(image).where(these).values(version=version))
    change = update(study).where(study.c.study_uid == study_uid)
    connection.execute(change.values(version=version, state=StudyState.SETTLED))
