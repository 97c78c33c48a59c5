"""Findings of each image of a study: recorded with the end of its examination, read for the report."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, true, update

from ra_node.domain.job import Job
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import AnyRow, Ledger
from ra_node.ledger.database.events import note
from ra_node.ledger.jobs.queue import finish_held


@dataclass(frozen=True, slots=True)
class Finding:
    """One image of a version as the report needs it.

    `finding_json` is None when the examination failed; `failure` then holds the reason.
    """

    instance_id: str
    sop_instance_uid: str
    sop_class_uid: str
    series_uid: str
    path: str | None
    finding_json: str | None
    preview_path: str | None
    bundle_sha256: str | None
    failure: str | None
    sha256: str | None = None
    preview_sha256: str | None = None


def finish_examination(
    ledger: Ledger,
    job: Job,
    finding_json: str,
    preview_path: str | None,
    bundle_sha256: str | None,
    preview_sha256: str | None = None,
    *,
    pixel_sha256: str | None = None,
    header_digest: str | None = None,
) -> None:
    """Record the finding of one image and end its job. Raises LeaseLost.

    The digests of its decoded pixels and of its header stay after its file is purged.
    """
    with ledger.write() as connection:
        now = ledger.clock()
        finish_held(connection, now, job)
        values = {
            "finding_json": finding_json,
            "preview_path": preview_path,
            "preview_sha256": preview_sha256,
            "bundle_sha256": bundle_sha256,
            "examined_at": now,
            "pixel_sha256": pixel_sha256,
            "header_digest": header_digest,
        }
        image = schema.instance
        connection.execute(update(image).where(image.c.id == job.instance_id).values(**values))
        note(connection, now, "instance_examined", job.study_uid, instance_id=job.instance_id)


def findings_of(ledger: Ledger, study_uid: str, version: int) -> list[Finding]:
    """Every image of the given version, in the order of arrival."""
    image, examine = schema.instance, schema.job
    columns = [image.c[name] for name in Finding.__slots__ if name not in ("instance_id", "failure")]
    query = (
        select(image.c.id.label("instance_id"), *columns, examine.c.last_error)
        .select_from(image.outerjoin(examine, examine.c.instance_id == image.c.id))
        .where(image.c.study_uid == study_uid, image.c.counts == true(), image.c.version <= version)
        .order_by(image.c.received_at, image.c.id)
    )
    with ledger.read() as connection:
        return [_finding(row) for row in connection.execute(query)]


def _finding(row: AnyRow) -> Finding:
    fields = row._asdict()
    error = fields.pop("last_error")
    failure = None if row.finding_json is not None else error or "no examination was recorded"
    return Finding(failure=failure, **fields)
