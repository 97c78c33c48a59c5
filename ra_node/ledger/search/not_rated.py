"""Studies without a rated hand by source, device and week: where radiographs fail, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import func, select

from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.search.terms import ResultTerm, TermKind, has_term

WEEK_S = 7 * 86400
_study, _image, _term = schema.study, schema.instance, schema.search_term


@dataclass(slots=True)
class Room:
    """One source and device: reported studies, and those without a rated hand by reason and week.

    Week 0 is the last seven days. `device` is "" where the headers name none.
    """

    calling_ae: str
    device: str
    reported: int = 0
    not_rated: int = 0
    weeks: Counter[tuple[str, int]] = field(default_factory=Counter)

    @property
    def reasons(self) -> list[str]:
        """Reasons, the most frequent first."""
        totals: Counter[str] = Counter()
        for (reason, _), count in self.weeks.items():
            totals[reason] += count
        return [reason for reason, _ in totals.most_common()]

    def count(self, reason: str, weeks: int) -> int:
        """Studies with a reason in the last weeks."""
        return sum(self.weeks[reason, week] for week in range(weeks))


def rooms(ledger: Ledger, weeks: int) -> list[Room]:
    """Every source and device of the last weeks, that with the most studies without a rated hand first."""
    now = ledger.clock()
    recent = _study.c.first_received_at >= now - weeks * WEEK_S
    reported = select(_study.c.study_uid, _study.c.first_received_at).where(
        recent, _study.c.answered_version > 0
    )
    uids = select(_study.c.study_uid).where(recent)
    source = (
        select(_image.c.study_uid, func.min(_image.c.calling_ae))
        .where(_image.c.study_uid.in_(uids))
        .group_by(_image.c.study_uid)
    )
    terms = select(_term.c.study_uid, _term.c.kind, _term.c.value).where(
        _term.c.study_uid.in_(uids), _term.c.kind.in_((TermKind.REASON, TermKind.DEVICE))
    )
    failed = select(_study.c.study_uid).where(recent, has_term((TermKind.RESULT,), (ResultTerm.NOT_RATED,)))
    with ledger.read() as connection:
        studies = connection.execute(reported).all()
        sources = {str(uid): str(ae) for uid, ae in connection.execute(source)}
        not_rated = set(connection.execute(failed).scalars())
        devices: dict[str, str] = {}
        reasons: dict[str, list[str]] = {}
        for uid, kind, value in connection.execute(terms.order_by(_term.c.value)):
            if kind == TermKind.DEVICE:
                devices.setdefault(uid, value)
            else:
                reasons.setdefault(uid, []).append(value)
    found: dict[tuple[str, str], Room] = {}
    for uid, at in studies:
        key = (sources.get(uid, ""), devices.get(uid, ""))
        room = found.setdefault(key, Room(*key))
        room.reported += 1
        if uid in not_rated:
            room.not_rated += 1
            week = min(weeks - 1, max(0, int((now - at) // WEEK_S)))
            room.weeks.update((reason, week) for reason in reasons.get(uid, ["not_stated"]))
    return sorted(found.values(), key=lambda room: (-room.not_rated, room.calling_ae, room.device))
