"""Waiting studies of a source and their number of instances, for the completeness query."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select, true, union

from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.schema import DeliveryState


@dataclass(frozen=True, slots=True)
class WaitingStudy:
    """A study with images without a version; `last_at` is the arrival of the newest."""

    study_uid: str
    last_at: float


def waiting_from(ledger: Ledger, calling_ae: str) -> list[WaitingStudy]:
    """Studies with waiting images from this AE title, oldest first."""
    image = schema.instance
    last_at = func.max(image.c.received_at)
    query = (
        select(image.c.study_uid, last_at.label("last_at"))
        .where(image.c.version.is_(None), image.c.counts == true(), image.c.calling_ae == calling_ae)
        .group_by(image.c.study_uid)
        .order_by(last_at, image.c.study_uid)
    )
    with ledger.read() as connection:
        return [WaitingStudy(row.study_uid, row.last_at) for row in connection.execute(query)]


def shared_with(ledger: Ledger, study_uid: str, calling_ae: str, peer: str) -> int:
    """Count the instances of a study that a source certainly has: those it sent, and results it accepted.

    Results that it routes back are counted once.
    """
    image, item, delivery = schema.instance, schema.result_object, schema.delivery
    sent_to_us = select(image.c.sop_instance_uid).where(
        image.c.study_uid == study_uid, image.c.calling_ae == calling_ae
    )
    taken = (
        select(func.coalesce(delivery.c.sent_uid, delivery.c.object_uid))
        .join(item, item.c.sop_instance_uid == delivery.c.object_uid)
        .where(item.c.study_uid == study_uid, delivery.c.peer == peer)
        .where(delivery.c.state == DeliveryState.ACCEPTED)
    )
    both = union(sent_to_us, taken).subquery()
    with ledger.read() as connection:
        return int(connection.execute(select(func.count()).select_from(both)).scalar_one())
