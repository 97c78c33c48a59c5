"""Patient identities of the objects of a study as keyed hashes, also after their files are purged."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger


@dataclass(frozen=True, slots=True)
class KeptIdentity:
    """Identity of an instance as written by `kept_identity`, and its file unless purged."""

    patient: str | None
    path: str | None


def identities_kept(ledger: Ledger, study_uid: str) -> list[KeptIdentity]:
    """Identities of the instances of a study, equal ones once; without objects of an AI."""
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
