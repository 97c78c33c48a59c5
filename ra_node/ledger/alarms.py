"""Alarms: conditions that an operator must correct; shown by `status`, `check`, the page and the metrics.

An alarm is named by its kind and its subject (a SOP Instance UID, a role, a folder, "" where there is
only one). Neither these nor the detail may hold a patient attribute.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import structlog
from sqlalchemy import Connection, and_, delete, select

from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger, insert_new
from ra_node.ledger.database.events import note

_table = schema.alarm
LONGEST_DETAIL = 1000


class AlarmKind(StrEnum):
    """Kind of an alarm; the value is the label of the metric `ra_node_alarms`."""

    IDENTITY = "identity"
    """Data folder and ledger do not belong together; nothing is swept or purged."""
    ORPHANS = "orphans"
    """More files without a row than a crash can leave; nothing is swept."""
    CONTENT = "content"
    """A kept file is missing or differs from its SHA-256; subject: its SOP Instance UID."""
    CLOCK = "clock"
    """The wall clock jumped or disagrees with monotonic time; nothing is purged and nothing expires."""
    MACHINE = "machine"
    """Files cannot be read, handles or memory ran out, or the GPU failed; jobs wait."""
    ROLE = "role"
    """A role or a worker process makes no progress; subject: the role."""
    HEADER = "header"
    """Images come with headers that were corrected since, or too often with others; subject: the sender."""
    PATIENT_REFUSED = "patient_refused"
    """A destination has the study or its patient with other attributes; subject: the Study Instance UID."""
    PEER_CONFLICT = "peer_conflict"
    """A destination has the study under several patients; subject: the Study Instance UID."""
    PIXELS = "pixels"
    """A copy of an image was refused after its reception, or taken without a comparison of its pixels.

    Subject: its SOP Instance UID.
    """
    PATIENT_CONFLICT = "patient_conflict"
    """One study names several patients; subject: its Study Instance UID."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One condition; `since` is UTC seconds since 1970."""

    kind: AlarmKind
    subject: str
    since: float
    detail: str


def raise_alarm(ledger: Ledger, kind: AlarmKind, subject: str, detail: str) -> bool:
    """Raise an alarm with its event; return whether it is new. An active alarm keeps its time."""
    with ledger.write() as connection:
        return raise_alarm_held(connection, ledger.clock(), kind, subject, detail)


def raise_alarm_held(connection: Connection, now: float, kind: AlarmKind, subject: str, detail: str) -> bool:
    """Like `raise_alarm`, within the caller's transaction."""
    subject, detail = _plain(subject), _plain(detail)
    row = {"kind": kind, "subject": subject, "since": now, "detail": detail}
    if not insert_new(connection, _table, row):
        return False
    note(connection, now, "alarm_raised", None, kind=kind, subject=subject, detail=detail)
    structlog.get_logger().error("alarm_raised", kind=kind, subject=subject, detail=detail)
    return True


def clear_alarm(ledger: Ledger, kind: AlarmKind, subject: str) -> bool:
    """Clear an alarm; return whether it was active. Writes nothing where it was not."""
    these = and_(_table.c.kind == kind, _table.c.subject == _plain(subject))
    with ledger.read() as connection:
        if connection.execute(select(_table.c.kind).where(these)).first() is None:
            return False
    with ledger.write() as connection:
        return clear_alarm_held(connection, ledger.clock(), kind, subject)


def clear_alarm_held(connection: Connection, now: float, kind: AlarmKind, subject: str) -> bool:
    """Like `clear_alarm`, within the caller's transaction."""
    these = and_(_table.c.kind == kind, _table.c.subject == _plain(subject))
    if connection.execute(delete(_table).where(these)).rowcount == 0:
        return False
    note(connection, now, "alarm_cleared", None, kind=kind, subject=subject)
    structlog.get_logger().info("alarm_cleared", kind=kind, subject=subject)
    return True


def clear_old_alarms(ledger: Ledger, kind: AlarmKind, age_s: float) -> None:
    """End alarms of a kind that are older than `age_s`; the next occurrence raises them again."""
    before = ledger.clock() - age_s
    for alarm in alarms(ledger):
        if alarm.kind is kind and alarm.since < before:
            clear_alarm(ledger, kind, alarm.subject)


def alarms(ledger: Ledger) -> list[Alarm]:
    """Every alarm, the oldest first."""
    query = select(_table).order_by(_table.c.since, _table.c.kind, _table.c.subject)
    with ledger.read() as connection:
        return [
            Alarm(AlarmKind(row.kind), row.subject, row.since, row.detail)
            for row in connection.execute(query)
        ]


def _plain(text: str) -> str:
    """One line without control characters."""
    return "".join(sign if sign.isprintable() else " " for sign in text)[:LONGEST_DETAIL]
