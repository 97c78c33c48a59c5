"""Which studies a list shows: by UID, identifier, date, result, destination, or need of an operator."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, CompoundSelect, and_, func, or_, select, true, union

from ra_node.domain.job import JobState
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.schema import DeliveryState, StudyState
from ra_node.ledger.search.terms import IDENTIFIERS, ResultTerm, TermKind, has_term

_study = schema.study


@dataclass(frozen=True, slots=True)
class StudyFilter:
    """Conditions that all hold; times are UTC seconds since 1970 of the last image, `until` excluded.

    `uid` is a part of any UID of a study: its own, of a series, an image or a result. `digests` are keyed
    hashes of an identifier.
    """

    state: StudyState | None = None
    needs_operator: bool = False
    uid: str = ""
    digests: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    result: ResultTerm | None = None
    reason: str = ""
    peer: str = ""
    delivery: DeliveryState | None = None

    @property
    def condition(self) -> ColumnElement[bool]:
        """The condition on the table of studies."""
        return and_(true(), *self._parts())

    def _parts(self) -> Iterator[ColumnElement[bool]]:
        if self.state is not None:
            yield _study.c.state == self.state
        if self.needs_operator:
            yield _study.c.study_uid.in_(_in_need())
        if self.uid:
            yield _names(self.uid)
        if self.digests:
            yield has_term(IDENTIFIERS, self.digests)
        if self.since is not None:
            yield _study.c.last_received_at >= self.since
        if self.until is not None:
            yield _study.c.last_received_at < self.until
        if self.result is not None:
            yield has_term((TermKind.RESULT,), (self.result,))
        if self.reason:
            yield has_term((TermKind.REASON,), (self.reason,))
        if self.peer or self.delivery is not None:
            yield _sent_to(self.peer, self.delivery)


ALL_STUDIES = StudyFilter()


def matching_count(ledger: Ledger, which: StudyFilter) -> int:
    """Number of studies that a filter shows."""
    with ledger.read() as connection:
        query = select(func.count()).select_from(_study).where(which.condition)
        return int(connection.execute(query).scalar_one())


def in_need(ledger: Ledger, study_uids: Collection[str]) -> set[str]:
    """Those of these studies that need an operator."""
    query = select(_study.c.study_uid).where(
        _study.c.study_uid.in_(study_uids), _study.c.study_uid.in_(_in_need())
    )
    with ledger.read() as connection:
        return set(connection.execute(query).scalars())


def _in_need() -> CompoundSelect[tuple[str]]:
    """Studies with a buried job, a refused delivery, a failed report, or an alarm of them or their objects.

    Each part uses a small index: nothing is read of studies that need nobody.
    """
    job, delivery, item = schema.job, schema.delivery, schema.result_object
    alarm, image = schema.alarm, schema.instance
    return union(
        select(job.c.study_uid).where(job.c.state == JobState.BURIED),
        select(item.c.study_uid)
        .join(delivery, delivery.c.object_uid == item.c.sop_instance_uid)
        .where(schema.NOT_ACCEPTED, delivery.c.state == DeliveryState.REFUSED),
        select(_study.c.study_uid).where(_study.c.state == StudyState.FAILED),
        select(alarm.c.subject),
        select(image.c.study_uid).join(alarm, alarm.c.subject == image.c.sop_instance_uid),
        select(item.c.study_uid).join(alarm, alarm.c.subject == item.c.sop_instance_uid),
    )


def _names(part: str) -> ColumnElement[bool]:
    """Studies with this part in their UID, or in that of a series, an image or a result."""
    image, item = schema.instance, schema.result_object
    of_image = select(image.c.study_uid).where(
        or_(image.c.sop_instance_uid.contains(part), image.c.series_uid.contains(part))
    )
    of_result = select(item.c.study_uid).where(item.c.sop_instance_uid.contains(part))
    uid = _study.c.study_uid
    return or_(uid.contains(part), uid.in_(of_image), uid.in_(of_result))


def _sent_to(peer: str, state: DeliveryState | None) -> ColumnElement[bool]:
    delivery, item = schema.delivery, schema.result_object
    named = true() if not peer else delivery.c.peer == peer
    so = true() if state is None else delivery.c.state == state
    objects = select(item.c.study_uid).join(delivery, delivery.c.object_uid == item.c.sop_instance_uid)
    return _study.c.study_uid.in_(objects.where(named, so))
