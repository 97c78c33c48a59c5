"""Promotions of bundles: an append-only list.

The last entry is valid for the workers of every host at once. An entry is one committed row of the event log,
so that a promotion is atomic.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, select, text

from ra_node.errors import Refused
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import AnyRow, Ledger
from ra_node.ledger.database.events import note

PROMOTED, ROLLED_BACK = "bundle_promoted", "bundle_rolled_back"
_LOCK = 723002
"""PostgreSQL advisory lock: two promotions never read the same last entry."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A bundle that was promoted, by its hash and its name for people."""

    sha256: str
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Promotion:
    """One entry of the list; `choice` None: back to the bundle of the configuration.

    `at` is UTC seconds since 1970, `by` the account, as user@host.
    """

    id: int
    at: float
    by: str
    choice: Choice | None
    rolled_back: bool


def current_promotion(ledger: Ledger) -> Promotion | None:
    """Read the last entry; None: nothing was ever promoted."""
    with ledger.read() as connection:
        return _last(connection)


def promotions(ledger: Ledger) -> list[Promotion]:
    """Read the whole list, oldest first."""
    query = select(schema.event).where(_of_bundles()).order_by(schema.event.c.id)
    with ledger.read() as connection:
        return [_promotion(row) for row in connection.execute(query)]


def before(entries: Sequence[Promotion]) -> Choice | None:
    """The bundle that a rollback returns to: the one promoted before the present one, None for none.

    `entries` are the whole list. Raises Refused where nothing is promoted.
    """
    stack: list[Choice] = []
    for entry in entries:
        if entry.rolled_back:
            stack.pop()
        elif entry.choice is not None:
            stack.append(entry.choice)
    if not stack:
        raise Refused("expected a promoted bundle to roll back, found none; the bundle of [models] is in use")
    return stack[-2] if len(stack) > 1 else None


def promote(ledger: Ledger, choice: Choice, by: str, seen: Promotion | None) -> None:
    """Append a promotion; Refused where another was made after `seen`."""
    _append(ledger, PROMOTED, choice, by, seen)


def roll_back(ledger: Ledger, by: str, seen: Promotion | None) -> None:
    """Append a rollback to `before`; Refused where another promotion was made after `seen`."""
    _append(ledger, ROLLED_BACK, before(promotions(ledger)), by, seen)


def _append(ledger: Ledger, what: str, choice: Choice | None, by: str, seen: Promotion | None) -> None:
    named: dict[str, str | None] = {"sha256": None, "name": None, "version": None}
    if choice is not None:
        named = {"sha256": choice.sha256, "name": choice.name, "version": choice.version}
    with ledger.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        if _last(connection) != seen:
            raise Refused(
                "another promotion or rollback happened at the same time; see `ra-node bundle list`"
            )
        note(connection, ledger.clock(), what, None, by=by, **named)


def _last(connection: Connection) -> Promotion | None:
    query = select(schema.event).where(_of_bundles()).order_by(schema.event.c.id.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else _promotion(row)


def _of_bundles() -> ColumnElement[bool]:
    event = schema.event
    return and_(event.c.study_uid.is_(None), event.c.what.in_((PROMOTED, ROLLED_BACK)))


def _promotion(row: AnyRow) -> Promotion:
    detail = json.loads(row.detail)
    known = detail["sha256"] is not None
    choice = Choice(detail["sha256"], detail["name"], detail["version"]) if known else None
    return Promotion(row.id, row.at, detail["by"], choice, row.what == ROLLED_BACK)
