"""The event log: append-only, without any patient attribute."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import AnyRow, Ledger

Detail = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Event:
    """An event; `what` is in the past tense, e.g. "instance_stored"."""

    id: int
    at: float
    study_uid: str | None
    what: str
    detail: Mapping[str, Any]


def note(connection: Connection, at: float, what: str, study_uid: str | None, **detail: Detail) -> None:
    """Append an event within the transaction of its cause."""
    row = {"at": at, "study_uid": study_uid, "what": what, "detail": json.dumps(detail, sort_keys=True)}
    connection.execute(schema.event.insert(), [row])


def record(ledger: Ledger, what: str, study_uid: str | None = None, **detail: Detail) -> None:
    """Append an event in a transaction of its own."""
    with ledger.write() as connection:
        note(connection, ledger.clock(), what, study_uid, **detail)


def timeline(ledger: Ledger, study_uid: str) -> list[Event]:
    """Events of one study, oldest first."""
    query = select(schema.event).where(schema.event.c.study_uid == study_uid).order_by(schema.event.c.id)
    with ledger.read() as connection:
        return [_event(row) for row in connection.execute(query)]


def events_after(ledger: Ledger, after: int, what: Collection[str], limit: int) -> list[Event]:
    """Events of these kinds with a larger id than `after`, of every study, at most `limit`."""
    event = schema.event
    query = select(event).where(event.c.id > after, event.c.what.in_(what)).order_by(event.c.id).limit(limit)
    with ledger.read() as connection:
        return [_event(row) for row in connection.execute(query)]


def newest_events(ledger: Ledger, study_uids: Collection[str], what: str) -> dict[str, Event]:
    """The last event of one kind of each of these studies that has one."""
    event = schema.event
    query = select(event).where(event.c.study_uid.in_(study_uids), event.c.what == what).order_by(event.c.id)
    with ledger.read() as connection:
        return {str(row.study_uid): _event(row) for row in connection.execute(query)}


def _event(row: AnyRow) -> Event:
    return Event(row.id, row.at, row.study_uid, row.what, json.loads(row.detail))
