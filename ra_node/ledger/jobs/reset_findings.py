"""Replaces findings of another bundle, by the worker that is about to report them."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import and_, update

from ra_node.domain.job import Job
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.events import note
from ra_node.ledger.jobs.queue import require_held


def replace_findings(ledger: Ledger, job: Job, findings: Mapping[str, str], bundle_sha256: str) -> None:
    """Record new findings (JSON by instance id) of the study of a report job. Raises LeaseLost.

    All of them commit together, and the job stays claimed.
    """
    image = schema.instance
    with ledger.write() as connection:
        require_held(connection, job)
        now = ledger.clock()
        for instance_id, finding_json in findings.items():
            this = and_(image.c.id == instance_id, image.c.study_uid == job.study_uid)
            values = {"finding_json": finding_json, "bundle_sha256": bundle_sha256, "examined_at": now}
            connection.execute(update(image).where(this).values(**values))
            told = {"instance_id": instance_id, "bundle": bundle_sha256[:12]}
            note(connection, now, "instance_examined_again", job.study_uid, **told)


def replace_preview(ledger: Ledger, job: Job, instance_id: str, path: str, sha256: str) -> None:
    """Record the rebuilt preview of an image for the report of `job`. Raises LeaseLost."""
    image = schema.instance
    with ledger.write() as connection:
        require_held(connection, job)
        this = and_(image.c.id == instance_id, image.c.study_uid == job.study_uid)
        connection.execute(update(image).where(this).values(preview_path=path, preview_sha256=sha256))
        note(connection, ledger.clock(), "preview_made_again", job.study_uid, instance_id=instance_id)
