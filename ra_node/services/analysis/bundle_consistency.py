"""Ensures that each report comes from one bundle only.

Findings of one bundle are reported in its name, also by a worker that has loaded another since. Where bundles
are mixed, or one is no longer available, the worker analyses those images again with its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from ra_node.dicom.reading.file import DatasetRefused
from ra_node.domain.bundle_identity import BundleIdentity
from ra_node.domain.job import Job
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import ImageFinding
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.findings import Finding
from ra_node.ledger.jobs.reset_findings import replace_findings
from ra_node.ledger.report_json import finding_from_json, finding_to_json
from ra_node.ledger.storage.durable_files import Files
from ra_node.services.analysis.study_analysis import HandClassifier, Look, Rules, judge_looks, look_at_file
from ra_node.services.jobs.machine_faults import is_machine_fault
from ra_node.services.jobs.progress import mark

IMAGES_AT_ONCE = 8
"""Most crops and previews of a large study in memory at once."""

_REMOVED = (
    "This image was analysed with another model for the earlier version of this report. Its file has "
    "since been removed, so the present model could not analyse it; its result is in that version."
)


@dataclass(frozen=True, slots=True)
class BundleConsistency:
    """The bundle that a worker has loaded, and the identities of the others of the node.

    `identity_of` gives the identity of a bundle by its hash, or None.
    """

    ledger: Ledger
    files: Files
    judge: HandClassifier
    bundle: BundleIdentity
    rules: Rules
    identity_of: Callable[[str], BundleIdentity | None] = lambda _sha256: None
    look: Callable[[Path, Rules], Look] = look_at_file

    def unite(self, job: Job, findings: Sequence[Finding]) -> tuple[BundleIdentity, list[Finding]]:
        """The bundle of a study and its findings by it. Raises LeaseLost.

        An image that cannot be analysed again fails the attempt; in the last ones it is refused with its
        reason, so that the rest of the study is reported.
        """
        makers = {finding.bundle_sha256 for finding in findings} - {None, self.bundle.sha256}
        if not makers:
            return self.bundle, list(findings)
        if len(makers) == 1 and not any(one.bundle_sha256 == self.bundle.sha256 for one in findings):
            (maker,) = makers
            identity = self.identity_of(str(maker))
            if identity is not None:
                return identity, list(findings)
        return self.bundle, self._again(job, findings, makers)

    def _again(self, job: Job, findings: Sequence[Finding], makers: set[str | None]) -> list[Finding]:
        others = [finding for finding in findings if finding.bundle_sha256 in makers]
        kept = [finding for finding in others if finding.path is not None]
        made = {
            finding.instance_id: finding_to_json(found)
            for part in _parts(kept)
            for finding, found in zip(part, self._judged(job, part), strict=True)
        }
        replace_findings(self.ledger, job, made, self.bundle.sha256)
        structlog.get_logger().info(
            "images_reanalysed", study_uid=job.study_uid, job_id=job.id, images=len(made)
        )
        removed = {one.instance_id: _removed(one) for one in others if one.path is None and one.finding_json}
        texts = {**made, **removed}
        return [
            replace(
                one, finding_json=texts.get(one.instance_id, one.finding_json), bundle_sha256=self._of(one)
            )
            for one in findings
        ]

    def _of(self, finding: Finding) -> str | None:
        return None if finding.bundle_sha256 is None else self.bundle.sha256

    def _judged(self, job: Job, findings: Sequence[Finding]) -> list[ImageFinding]:
        judged = judge_looks([self._look(job, finding) for finding in findings], self.judge)
        mark()
        return judged

    def _look(self, job: Job, finding: Finding) -> Look:
        assert finding.path is not None
        assert finding.finding_json is not None
        try:
            return self.look(self.files.path(finding.path), self.rules)
        except DatasetRefused as error:
            return Look(_refused(finding, error.refusal))
        except Exception as error:
            if not job.makes_less or is_machine_fault(error):
                raise
            text = f"The present model could not analyse this image again: {type(error).__name__}."
            return Look(_refused(finding, Refusal(Reason.ANALYSIS_FAILED, text)))


def _parts(findings: Sequence[Finding]) -> Iterator[Sequence[Finding]]:
    for start in range(0, len(findings), IMAGES_AT_ONCE):
        yield findings[start : start + IMAGES_AT_ONCE]


def _removed(finding: Finding) -> str:
    return finding_to_json(_refused(finding, Refusal(Reason.ANALYSIS_FAILED, _REMOVED)))


def _refused(finding: Finding, refusal: Refusal) -> ImageFinding:
    """The image without the results of another bundle."""
    assert finding.finding_json is not None
    return replace(finding_from_json(finding.finding_json), hands=(), refusal=refusal, remarks=())
