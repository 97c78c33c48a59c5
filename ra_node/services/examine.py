"""Examines images as they arrive: reads each, judges all hands in one pass, records what was found.

What is wrong with an image is its finding. What goes wrong with the examination is tried again,
alone, and in the end buried; the report then says that the analysis failed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

import structlog

from ra_node.dicom.read import DatasetRefused
from ra_node.domain.job import Job
from ra_node.domain.report import ImageFinding
from ra_node.imaging.preview import PREVIEW_SUFFIX, encode_preview
from ra_node.ledger.damage import record_damage
from ra_node.ledger.engine import Ledger
from ra_node.ledger.files import PREVIEWS, Damage, Files, sha256_of
from ra_node.ledger.findings import finish_examination
from ra_node.ledger.inbox import Instance, find_instance
from ra_node.ledger.queue import LeaseLost, release
from ra_node.services.analyse import Judge, Look, Rules, judge_looks, look_at_file
from ra_node.services.content import alarm_text, damaged_finding, wait_for_missing
from ra_node.services.lease import postpone, unless_lost
from ra_node.services.record import finding_to_json


@dataclass(frozen=True, slots=True)
class Examiner:
    """Everything that examinations need, built once a process."""

    ledger: Ledger
    files: Files
    judge: Judge
    bundle_sha256: str
    rules: Rules
    stopping: Callable[[], bool] = lambda: False
    look: Callable[[Path, Rules], Look] = look_at_file
    random: Random = field(default_factory=Random)

    def examine(self, jobs: Sequence[Job]) -> None:
        """Do a batch of examine jobs; each ends recorded, postponed or buried, or is given back."""
        looked = [(job, look) for job in jobs if (look := self._look(job)) is not None]
        try:
            findings = judge_looks([look for _, look in looked], self.judge)
        except Exception as error:  # noqa: BLE001 - whatever the networks raise must not end the worker
            for job, _ in looked:
                postpone(self.ledger, job, error, self.random)
            return
        for (job, look), finding in zip(looked, findings, strict=True):
            self._record(job, look, finding)

    def _look(self, job: Job) -> Look | None:
        if self.stopping():
            release(self.ledger, job)
            return None
        assert job.instance_id is not None
        try:
            instance = find_instance(self.ledger, job.instance_id)
            assert instance.path is not None
            damage = self.files.damage(instance.path, instance.sha256)
            wait_for_missing(damage, job)
            look = None if damage else self._read(instance.path)
            if look is not None:
                return look
            unless_lost(partial(self._record_damage, job, instance, damage or Damage.DIFFERS), job)
        except Exception as error:  # noqa: BLE001 - a strange file must not end the worker
            postpone(self.ledger, job, error, self.random)
        return None

    def _read(self, path: str) -> Look | None:
        """Look at an image; None where not even its header can be read, as it was when it came."""
        try:
            return self.look(self.files.path(path), self.rules)
        except DatasetRefused:
            return None

    def _record_damage(self, job: Job, instance: Instance, damage: Damage) -> None:
        """Record that the kept file is not what was received: it is the image's finding, and an alarm."""
        assert instance.path is not None
        finding = damaged_finding(
            instance.sop_instance_uid, instance.sop_class_uid, instance.series_uid, damage
        )
        detail = alarm_text(damage, instance.path)
        record_damage(self.ledger, job, instance.id, instance.path, finding_to_json(finding), detail)
        structlog.get_logger().error(
            "content_damaged", study_uid=job.study_uid, job_id=job.id, path=instance.path, damage=damage
        )

    def _record(self, job: Job, look: Look, finding: ImageFinding) -> None:
        try:
            preview = digest = None
            if look.display is not None:
                content = encode_preview(look.display)
                digest = sha256_of(content)
                preview = self.files.write(content, PREVIEWS, PREVIEW_SUFFIX)
            finish_examination(
                self.ledger, job, finding_to_json(finding), preview, self.bundle_sha256, digest
            )
        except LeaseLost:
            structlog.get_logger().warning("lease_lost", job_id=job.id)
        except Exception as error:  # noqa: BLE001 - a full disk now may be an empty one later
            postpone(self.ledger, job, error, self.random)
        else:
            _log_examined(job, finding)


def _log_examined(job: Job, finding: ImageFinding) -> None:
    structlog.get_logger().info(
        "image_examined",
        study_uid=job.study_uid,
        job_id=job.id,
        hands=len(finding.hands),
        refusal=finding.refusal.reason if finding.refusal else None,
    )
