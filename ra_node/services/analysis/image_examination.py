"""Examines images as they arrive: reads each, analyses all hands in one forward pass, records the findings.

A fault of an image is its finding. A failed examination is retried, alone, and finally buried; the report
then says that the analysis failed. While a known-good image cannot be analysed either, the machine is at
fault: nothing is buried and no image is called unreadable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

import structlog

from ra_node.dicom.reading.file import DatasetRefused
from ra_node.domain.job import Job
from ra_node.domain.refusal import Reason
from ra_node.domain.report import ImageFinding
from ra_node.errors import MachineFault, NodeError
from ra_node.imaging.preview import PREVIEW_SUFFIX, encode_preview
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.findings import finish_examination
from ra_node.ledger.inbox import Instance, find_instance
from ra_node.ledger.jobs.queue import LeaseLost, bury, release
from ra_node.ledger.patient_key import keyed_digest
from ra_node.ledger.report_json import finding_to_json
from ra_node.ledger.storage.damage import record_damage
from ra_node.ledger.storage.durable_files import PREVIEWS, Damage, Files, sha256_of
from ra_node.services.analysis.study_analysis import HandClassifier, Look, Rules, judge_looks, look_at_file
from ra_node.services.jobs.damaged_content import alarm_text, damaged_finding, wait_for_missing
from ra_node.services.jobs.lease import describe, is_shortage, postpone, unless_lost
from ra_node.services.jobs.machine_faults import (
    PATIENCE_ATTEMPTS,
    ProcessBroken,
    breaks_process,
    is_machine_fault,
)
from ra_node.services.jobs.progress import mark


@dataclass(frozen=True, slots=True)
class Examiner:
    """Dependencies of examinations, built once a process."""

    ledger: Ledger
    files: Files
    judge: HandClassifier
    bundle_sha256: str
    rules: Rules
    stopping: Callable[[], bool] = lambda: False
    look: Callable[[Path, Rules], Look] = look_at_file
    random: Random = field(default_factory=Random)
    healthy: Callable[[], bool] = lambda: True
    """Whether a known-good image can be analysed now."""
    secret: bytes = b""
    """Hashes the header of an image, see `ledger.patient_key`."""

    def examine(self, jobs: Sequence[Job]) -> None:
        """Run a batch of examine jobs; each ends recorded, postponed, buried or released.

        Raises ProcessBroken where this process must end; its jobs are postponed before.
        """
        failed = _Failed(self)
        looked = [(job, look) for job in jobs if (look := self._look(job, failed)) is not None]
        try:
            findings = judge_looks([look for _, look in looked], self.judge)
        except Exception as error:  # noqa: BLE001 - whatever the networks raise must not end the worker
            for job, _ in looked:
                failed.postpone(job, error)
            findings = []
        for (job, look), finding in zip(looked, findings, strict=False):
            self._record(job, look, finding, failed)
        failed.end_if_broken()

    def _look(self, job: Job, failed: _Failed) -> Look | None:
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
            if look is None or _is_unreadable(look):
                failed.expect_health("not readable")
            if look is None:
                unless_lost(partial(self._record_damage, job, instance, damage or Damage.DIFFERS), job)
        except Exception as error:  # noqa: BLE001 - a strange file must not end the worker
            failed.reading(job, error)
            return None
        mark()
        return look

    def _read(self, path: str) -> Look | None:
        """Examine an image; None where not even its header is readable, although it was at reception."""
        try:
            return self.look(self.files.path(path), self.rules)
        except DatasetRefused:
            return None

    def _record_damage(self, job: Job, instance: Instance, damage: Damage) -> None:
        """Record a damaged kept file as finding of the image, and raise an alarm."""
        assert instance.path is not None
        finding = damaged_finding(
            instance.sop_instance_uid, instance.sop_class_uid, instance.series_uid, damage
        )
        detail = alarm_text(damage, instance.path)
        record_damage(self.ledger, job, instance.id, instance.path, finding_to_json(finding), detail)
        structlog.get_logger().error(
            "content_damaged", study_uid=job.study_uid, job_id=job.id, path=instance.path, damage=damage
        )

    def _record(self, job: Job, look: Look, finding: ImageFinding, failed: _Failed) -> None:
        try:
            preview = digest = None
            if look.display is not None:
                content = encode_preview(look.display)
                digest = sha256_of(content)
                preview = self.files.write(content, PREVIEWS, PREVIEW_SUFFIX)
            finish_examination(
                self.ledger,
                job,
                finding_to_json(finding),
                preview,
                self.bundle_sha256,
                digest,
                pixel_sha256=look.pixel_sha256 or None,
                header_digest=keyed_digest(self.secret, look.header) if look.header else None,
            )
        except LeaseLost:
            structlog.get_logger().warning("lease_lost", job_id=job.id)
        except Exception as error:  # noqa: BLE001 - a full disk now may be an empty one later
            failed.postpone(job, error)
        else:
            mark()
            _log_examined(job, finding)


def _is_unreadable(look: Look) -> bool:
    refusal = look.finding.refusal
    return refusal is not None and refusal.reason is Reason.UNREADABLE_PIXELS


class _Failed:
    """Failures of one batch: each job is postponed, and finally ProcessBroken is raised where needed."""

    def __init__(self, examiner: Examiner) -> None:
        self._do = examiner
        self._healthy: bool | None = None
        self._broken: Exception | None = None

    def postpone(self, job: Job, error: Exception) -> None:
        """Postpone a job; any error is a fault of the machine while a known-good image fails too."""
        if breaks_process(error):
            self._broken = error
        if not is_machine_fault(error) and not self.is_healthy():
            if not isinstance(error, (NodeError, OSError)):  # these name a fault elsewhere
                self._broken = self._broken or error
            error = MachineFault(f"a known-good image fails too; {describe(error)}")
        postpone(self._do.ledger, job, error, self._do.random)

    def reading(self, job: Job, error: Exception) -> None:
        """Postpone a job whose file was not read, or bury it where only this one keeps failing."""
        fault = is_machine_fault(error) and not is_shortage(error)
        if fault and job.attempt >= PATIENCE_ATTEMPTS and self.is_healthy():
            reason = f"{describe(error)}; {job.attempt} times, while a known-good image was analysed"
            unless_lost(lambda: bury(self._do.ledger, job, reason), job)
        else:
            self.postpone(job, error)

    def end_if_broken(self) -> None:
        if self._broken is not None:
            raise ProcessBroken(f"a new process takes over after: {describe(self._broken)}")

    def expect_health(self, found: str) -> None:
        """Raise MachineFault where a known-good image cannot be analysed, so that no image is refused."""
        if not self.is_healthy():
            raise MachineFault(f"a known-good image fails too; {found}")

    def is_healthy(self) -> bool:
        """Cached for the batch."""
        if self._healthy is None:
            self._healthy = self._do.healthy()
        return self._healthy


def _log_examined(job: Job, finding: ImageFinding) -> None:
    structlog.get_logger().info(
        "image_analysed",
        study_uid=job.study_uid,
        job_id=job.id,
        hands=len(finding.hands),
        refusal=finding.refusal.reason if finding.refusal else None,
    )
