"""Reads the event log: every event with its actor and address. Events are never changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from sqlalchemy import Connection, func, select

from ra_node.ledger.clock_trust import is_due
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import AnyRow, Ledger, insert_new
from ra_node.ledger.database.events import Event

_BATCH = 1000
_SETTLED_S = {"sqlite": 0.0, "postgresql": 10.0}
"""Age from which no event with a smaller id can appear: PostgreSQL assigns ids before the commit."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event; `who` is an AE title, an account or a destination, `address` where it came from, or ""."""

    event: Event
    who: str
    address: str


def trail(ledger: Ledger, since: float = 0.0, *, after: int = 0) -> Iterator[Entry]:
    """Every entry from `since` on (UTC seconds since 1970) with a larger id than `after`, oldest first."""
    while batch := next_entries(ledger, after, since):
        yield from batch
        after = batch[-1].event.id


def next_entries(ledger: Ledger, after: int, since: float = 0.0, limit: int = _BATCH) -> list[Entry]:
    """The next entries after `after` for which no smaller id can appear any more."""
    event = schema.event
    with ledger.read() as connection:
        now, settled_s = ledger.clock(), _SETTLED_S.get(connection.dialect.name, 0.0)
        which = (event.c.id > after, event.c.at >= since)
        query = select(event).where(*which).order_by(event.c.id).limit(limit)
        events = [_event(row) for row in connection.execute(query)]
        # stop at the first gap that may still be filled, or the missing event would be skipped for good
        events = list(takewhile(lambda one: is_due(one.at + settled_s, now, settled_s), events))
        callers = _callers(connection, events)
    return [_entry(one, callers) for one in events]


def newest(ledger: Ledger) -> int:
    """The id of the last event, 0 where nothing has happened yet."""
    with ledger.read() as connection:
        return int(connection.execute(select(func.max(schema.event.c.id))).scalar() or 0)


def mark(ledger: Ledger, name: str) -> int | None:
    """Position of a reader of the event log; None: never set."""
    with ledger.read() as connection:
        query = select(schema.mark.c.event_id).where(schema.mark.c.name == name)
        found = connection.execute(query).scalar()
    return None if found is None else int(found)


def move_mark(ledger: Ledger, name: str, event_id: int) -> None:
    """Set the position of a reader; it never decreases."""
    with ledger.write() as connection:
        if insert_new(connection, schema.mark, {"name": name, "event_id": event_id}):
            return
        this = (schema.mark.c.name == name, schema.mark.c.event_id < event_id)
        connection.execute(schema.mark.update().where(*this).values(event_id=event_id))


def _callers(connection: Connection, events: list[Event]) -> dict[str, str]:
    """The address behind each instance that was stored."""
    uids = [one.detail["sop_instance_uid"] for one in events if one.what == "instance_stored"]
    if not uids:
        return {}
    instance, association = schema.instance, schema.association
    query = (
        select(instance.c.sop_instance_uid, association.c.peer_address)
        .join(association, association.c.id == instance.c.association_id)
        .where(instance.c.sop_instance_uid.in_(uids))
    )
    return {str(row.sop_instance_uid): str(row.peer_address) for row in connection.execute(query)}


def _entry(event: Event, callers: Mapping[str, str]) -> Entry:
    detail: Mapping[str, Any] = event.detail
    who = detail.get("calling_ae") or detail.get("by") or detail.get("peer") or ""
    address = detail.get("address") or callers.get(str(detail.get("sop_instance_uid")), "")
    return Entry(event, str(who), str(address))


def _event(row: AnyRow) -> Event:
    return Event(row.id, row.at, row.study_uid, row.what, json.loads(row.detail))
