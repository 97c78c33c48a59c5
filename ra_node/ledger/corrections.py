"""Corrected headers: the file of an image is replaced, and its study gets a new report.

Every header that an image had is remembered as a keyed hash, so that two routes which change headers
differently cannot make versions without end.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from sqlalchemy import and_, func, select, update

from ra_node.domain.job import JobKind, JobState
from ra_node.ledger.alarms import AlarmKind, clear_alarm_held, raise_alarm_held
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger, insert_new
from ra_node.ledger.database.events import note
from ra_node.ledger.inbox import Instance, NewInstance
from ra_node.ledger.jobs.abandon import drop_unsent_held
from ra_node.ledger.search.terms import replace_identifiers
from ra_node.ledger.storage.damage import examine_again, start_anew

MOST_CORRECTIONS = 20
"""Of one image; a source that changes every copy would otherwise make versions without end."""

_UNPROVEN = (
    "a correction was taken and its pixels were not compared, as the first copy and their digest are gone"
)
_image, _header, _job = schema.instance, schema.earlier_header, schema.job


class Correction(StrEnum):
    """What became of a copy with another header."""

    TAKEN = "taken"
    EARLIER = "earlier"
    """The image had this header before it was corrected: nothing is done."""
    TOO_MANY = "too many"
    OVERTAKEN = "overtaken"
    """A correction that arrived later was taken while this one waited for its comparison: nothing is done."""
    LOST = "lost"
    """Another association has replaced the file meanwhile."""


def correct(
    ledger: Ledger,
    kept: Instance,
    new: NewInstance,
    *,
    before: str,
    after: str,
    changed: Sequence[str],
    compared: bool = True,
    arrived: float | None = None,
) -> Correction:
    """Replace the kept file by a copy with a corrected header.

    `before` and `after` are keyed hashes of the two headers, `changed` the keywords of the attributes that
    differ. The image is analysed again and a new version of the report follows; undelivered objects of
    earlier versions are dropped. Without `compared` nothing says that the pixels are the same: an alarm names
    an image that was analysed before. `arrived`: when a copy came that waited for its comparison; the header
    that arrived last is the current one.
    """
    with ledger.write() as connection:
        now = ledger.clock()
        this = and_(_image.c.id == kept.id, _image.c.path == kept.path)
        current = connection.execute(select(_image.c.received_at).where(this).with_for_update()).first()
        if current is None:
            return Correction.LOST
        mine = _header.c.instance_id == kept.id
        if arrived is not None and arrived < current.received_at:
            since = select(_header.c.at).where(mine, _header.c.at >= arrived).limit(1)
            if connection.execute(since).first():
                return Correction.OVERTAKEN
        if connection.execute(select(_header.c.at).where(mine, _header.c.digest == after)).first():
            return Correction.EARLIER
        count = select(func.count()).select_from(_header).where(mine)
        if int(connection.execute(count).scalar_one()) >= MOST_CORRECTIONS:
            return Correction.TOO_MANY
        insert_new(connection, _header, {"instance_id": kept.id, "digest": before, "at": now})
        values = {
            "path": new.path,
            "size_bytes": new.size_bytes,
            "sha256": new.sha256,
            "transfer_syntax_uid": new.transfer_syntax_uid,
            "series_uid": new.series_uid,
            "calling_ae": new.calling_ae,
            "association_id": new.association_id,
            "patient": new.patient,
            "received_at": now if arrived is None else arrived,
            "counts": new.counts,
            "finding_json": new.finding_json,
            "header_digest": after,
        }
        connection.execute(update(_image).where(this).values(**values))
        replace_identifiers(connection, kept.study_uid)
        clear_alarm_held(connection, now, AlarmKind.CONTENT, kept.sop_instance_uid)
        clear_alarm_held(connection, now, AlarmKind.PATIENT_REFUSED, kept.study_uid)
        clear_alarm_held(connection, now, AlarmKind.PEER_CONFLICT, kept.study_uid)
        attributes = ", ".join(changed)
        told = {"calling_ae": new.calling_ae, "attributes": attributes}
        if not compared:
            told["pixels"] = "not compared"
            if kept.bundle_sha256 is not None:
                detail = f"{_UNPROVEN}; attributes: {attributes}; from {new.calling_ae}"
                raise_alarm_held(connection, now, AlarmKind.PIXELS, kept.sop_instance_uid, detail)
        note(
            connection,
            now,
            "instance_corrected",
            kept.study_uid,
            sop_instance_uid=kept.sop_instance_uid,
            **told,
        )
        drop_unsent_held(connection, now, kept.study_uid, "the header of an image was corrected")
        report = and_(
            _job.c.study_uid == kept.study_uid,
            _job.c.kind == JobKind.REPORT,
            _job.c.version == kept.version,
            _job.c.state == JobState.LEASED,
        )
        start_anew(connection, ledger, report)  # it may have read the file that is replaced
        examine_again(connection, ledger, kept, examine=new.counts and new.examine)
    return Correction.TAKEN
