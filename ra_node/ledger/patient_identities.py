"""Whom the objects of a study name: kept as keyed hashes when they came, also when their files are gone."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger


@dataclass(frozen=True, slots=True)
class KeptIdentity:
    """Of an instance of a study: what `kept_identity` made of its patient, and its file while it is there."""

    patient: str | None
    path: str | None


def identities_kept(ledger: Ledger, study_uid: str) -> list[KeptIdentity]:
    """What is known of every instance of a study, one of those that name the same; not of what an AI made."""
    image = schema.instance
    known = select(image.c.patient, image.c.path).where(
        image.c.study_uid == study_uid, image.c.patient.is_distinct_from("")
    )
    with ledger.read() as connection:
        rows = connection.execute(known.order_by(image.c.received_at, image.c.id)).all()
    found: dict[str | None, KeptIdentity] = {}
    for row in rows:
        found.setdefault(row.patient or row.path, KeptIdentity(row.patient, row.path))
    return list(found.values())
