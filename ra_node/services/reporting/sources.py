"""Kept images of a study for its report: checked, read, and missing previews rebuilt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import structlog
from numpy.typing import NDArray
from pydicom import Dataset

from ra_node.dicom.present_patient import present_from_json, with_present
from ra_node.dicom.reading.file import DatasetRefused, read_attributes, read_header
from ra_node.domain.job import Job
from ra_node.errors import MachineFault, Refused, Retryable
from ra_node.imaging.preview import PREVIEW_SUFFIX, encode_preview, read_preview
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.findings import Finding
from ra_node.ledger.jobs.queue import LOST
from ra_node.ledger.jobs.reset_findings import replace_preview
from ra_node.ledger.patients.present_patients import present_patient
from ra_node.ledger.report_json import finding_to_json
from ra_node.ledger.results import Result, objects_of
from ra_node.ledger.storage.damage import record_damage
from ra_node.ledger.storage.durable_files import PREVIEWS, Damage, Files, sha256_of
from ra_node.services.analysis.study_analysis import Look, Rules
from ra_node.services.jobs.damaged_content import alarm_text, damaged_finding, says_damaged, wait_for_missing
from ra_node.services.jobs.lease import describe
from ra_node.services.jobs.machine_faults import PATIENCE_ATTEMPTS, is_machine_fault
from ra_node.services.reporting.display_pixels import read_display
from ra_node.services.reporting.lazy_sources import LazySources
from ra_node.services.reporting.render_objects import Sources


@dataclass(frozen=True, slots=True)
class SourceReader:
    """Reads the files of findings; `look` rebuilds a damaged preview.

    `healthy` tells whether a known-good image can be analysed: where not, no file is called missing.
    """

    ledger: Ledger
    files: Files
    rules: Rules
    look: Callable[[Path, Rules], Look]
    healthy: Callable[[], bool] = lambda: True

    def readable(self, job: Job, findings: Sequence[Finding], *, pictures: bool) -> list[Finding]:
        """Findings without unreadable files, for one of the last attempts of a report.

        A file that causes errors or may have crashed the last attempt does not prevent the results of other
        images. The last attempt reads no file.
        """
        return [self._readable(job, finding, pictures=pictures) for finding in findings]

    def _readable(self, job: Job, finding: Finding, *, pictures: bool) -> Finding:
        killed = (job.last_error or "").startswith(LOST)
        if job.attempts_left == 0 or (killed and finding.finding_json is None):
            return replace(finding, path=None, preview_path=None)
        path = self._if_readable(job, finding, finding.path, read_attributes)
        picture = self._if_readable(job, finding, finding.preview_path if pictures else None, read_preview)
        return replace(finding, path=path, preview_path=picture)

    def _if_readable(
        self, job: Job, finding: Finding, path: str | None, read: Callable[[Path], object]
    ) -> str | None:
        """Return a path whose file is readable, or damaged in a way that `checked` handles."""
        if path is None:
            return None
        try:
            read(self.files.path(path))
        except (FileNotFoundError, Refused):
            return path
        except Exception as error:
            if is_machine_fault(error) and job.attempt < PATIENCE_ATTEMPTS:
                raise
            structlog.get_logger().warning(
                "source_instance_skipped", sop_instance_uid=finding.sop_instance_uid, error=describe(error)
            )
            return None
        return path

    def checked(self, job: Job, findings: Sequence[Finding]) -> list[Finding]:
        """Findings, those of damaged files as refusals and without their files. Raises LeaseLost.

        A missing file fails the attempt while attempts are left.
        """
        return [self._checked(job, finding) for finding in findings]

    def read(
        self, job: Job, findings: Sequence[Finding], predecessor: Dataset | None, *, pictures: bool = True
    ) -> Sources:
        """Read headers and previews; without any header, patient and study come from the predecessor."""
        first = next(iter(findings), None)
        datasets = read_datasets(self.files, job.study_uid, findings, first, predecessor)
        return Sources(datasets, self._displays(job, findings) if pictures else {})

    def _checked(self, job: Job, finding: Finding) -> Finding:
        if finding.path is None:
            return finding
        if says_damaged(finding.finding_json):
            return replace(finding, path=None)
        damage = self._damage(finding.path, finding.sha256)
        if damage is None:
            return finding
        wait_for_missing(damage, job)
        if not self.healthy():
            raise MachineFault("expected the kept files, found that a known-good image fails too")
        refused = finding_to_json(
            damaged_finding(finding.sop_instance_uid, finding.sop_class_uid, finding.series_uid, damage)
        )
        detail = alarm_text(damage, finding.path)
        record_damage(self.ledger, job, finding.instance_id, finding.path, refused, detail)
        structlog.get_logger().error(
            "content_damaged", study_uid=job.study_uid, job_id=job.id, path=finding.path, damage=damage
        )
        gone = replace(finding, path=None, preview_path=None, bundle_sha256=None, failure=None)
        return replace(gone, finding_json=refused)

    def _damage(self, path: str, sha256: str | None) -> Damage | None:
        """Like `Files.damage`; a file without a SHA-256 must have a readable header."""
        damage = self.files.damage(path, sha256)
        if damage is None and sha256 is None:
            try:
                read_header(self.files.path(path))
            except DatasetRefused:
                return Damage.DIFFERS
        return damage

    def _displays(self, job: Job, findings: Sequence[Finding]) -> Mapping[str, NDArray[np.uint8]]:
        """Display pixels by SOP Instance UID, read on access; damaged previews are rebuilt first."""
        kept = {
            one.sop_instance_uid: one.path if one.preview_path is None else self._preview(job, one)
            for one in findings
        }
        return LazySources(
            {uid: self.files.path(path) for uid, path in kept.items() if path is not None}, read_display
        )

    def _preview(self, job: Job, finding: Finding) -> str | None:
        """The path of an intact preview; None without one where its image is missing or undisplayable."""
        if finding.preview_path is None:
            return None
        if self.files.damage(finding.preview_path, finding.preview_sha256) is None:
            return finding.preview_path
        if finding.path is None:
            return None
        display = self.look(self.files.path(finding.path), self.rules).display
        if display is None:
            return None
        content = encode_preview(display)
        path = self.files.write(content, PREVIEWS, PREVIEW_SUFFIX)
        replace_preview(self.ledger, job, finding.instance_id, path, sha256_of(content))
        structlog.get_logger().warning("preview_rebuilt", study_uid=job.study_uid, job_id=job.id)
        return path


class _Image(Protocol):
    """Fields common to a finding and a row of the inbox."""

    @property
    def sop_instance_uid(self) -> str: ...
    @property
    def sop_class_uid(self) -> str: ...
    @property
    def series_uid(self) -> str: ...
    @property
    def path(self) -> str | None: ...


def read_datasets(
    files: Files,
    study_uid: str,
    whole: Iterable[_Image],
    first: _Image | None,
    predecessor: Dataset | None,
) -> Mapping[str, Dataset]:
    """Headers by SOP Instance UID; without any, `first` has the patient and study of the predecessor.

    Without that one either, the patient is unknown.
    """
    paths = {one.sop_instance_uid: files.path(one.path) for one in whole if one.path}
    if not paths and first is not None:
        return {first.sop_instance_uid: predecessor or _nobody(study_uid, first)}
    return LazySources(paths, read_attributes)


def present_sources(
    ledger: Ledger, files: Files, study_uid: str, sources: Sources
) -> tuple[Sources, str | None]:
    """The headers with the patient that a PACS has given since, and the SHA-256 of what it gave."""
    given = present_patient(ledger, study_uid)
    if given is None:
        return sources, None
    content = files.path(given.path).read_bytes()
    if sha256_of(content) != given.sha256:
        raise Retryable("expected the patient as the PACS gave it, found another content")
    present = present_from_json(content)
    datasets = {uid: with_present(one, present) for uid, one in sources.datasets.items()}
    return replace(sources, datasets=datasets), given.sha256


def sr_of(ledger: Ledger, files: Files, result: Result | None) -> Dataset | None:
    """The SR of an earlier report, None where its file is purged or damaged."""
    if result is None:
        return None
    for made in objects_of(ledger, result.study_uid, result.version):
        ours = made.sop_instance_uid == result.sr_uid
        if ours and made.path is not None and files.damage(made.path, made.sha256) is None:
            return read_attributes(files.path(made.path))
    return None


def _nobody(study_uid: str, image: _Image) -> Dataset:
    """A data set for an image without header: study known, patient unknown."""
    known = Dataset()
    known.StudyInstanceUID = study_uid
    known.SeriesInstanceUID = image.series_uid
    known.SOPClassUID = image.sop_class_uid
    known.SOPInstanceUID = image.sop_instance_uid
    return known
