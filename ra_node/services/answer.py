"""Answers a settled study: one report from its findings, its objects on the disk, its deliveries queued.

There is always an answer: what cannot be made is left out, step by step (`Effort`), and the answer says so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from random import Random
from typing import TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray
from pydicom import Dataset

from ra_node.dicom.provenance import Producer
from ra_node.dicom.read import read_attributes, read_header
from ra_node.domain.job import Job
from ra_node.domain.report import ImageFinding, StudyReport
from ra_node.domain.result import ObjectKind
from ra_node.domain.study import ImageHeader
from ra_node.errors import MachineFault, Refused
from ra_node.imaging.preview import read_preview
from ra_node.ledger.engine import Ledger
from ra_node.ledger.files import Files
from ra_node.ledger.findings import Finding, findings_of
from ra_node.ledger.queue import LOST, LeaseLost
from ra_node.ledger.results import Result, ResultObject, earlier_result, finish_report, objects_of
from ra_node.services.analyse import failed_finding, make_report
from ra_node.services.effort import (
    Effort,
    Made,
    first_effort,
    make_less,
    minimal,
    out_of_patience,
    reduced_by,
)
from ra_node.services.follow_up import Followed, FollowUps
from ra_node.services.gist import gist
from ra_node.services.lease import describe, is_shortage, postpone
from ra_node.services.machine import ProcessBroken, breaks_process, is_machine_fault
from ra_node.services.progress import mark
from ra_node.services.publish import Sources, publish
from ra_node.services.record import finding_from_json, report_to_json
from ra_node.services.unite import OneBundle

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Destination:
    """A peer that receives results, and which kinds of object it gets."""

    peer: str
    kinds: tuple[ObjectKind, ...]


@dataclass(frozen=True, slots=True)
class Answerer:
    """Everything that answering needs, built once for each bundle."""

    ledger: Ledger
    files: Files
    one_bundle: OneBundle
    producer: Producer
    destinations: Sequence[Destination]
    research_label: str
    random: Random = field(default_factory=Random)
    follow_ups: FollowUps | None = None
    healthy: Callable[[], bool] = lambda: True
    """Whether a known-good image can be analysed now."""

    def answer(self, job: Job) -> None:
        """Do one report job; it ends recorded or postponed, with less in its last attempts.

        Raises ProcessBroken where this process must not go on; the job is put back before.
        """
        try:
            self._try(job, first_effort(job))
        except LeaseLost:
            structlog.get_logger().warning("lease_lost", job_id=job.id)

    def _try(self, job: Job, effort: Effort) -> None:
        """Answer with this effort, and where that fails in one of the last attempts, with less."""
        try:
            self._answer(job, effort)
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001 - one strange study must not end the worker
            less = None if self._is_machine(job, error) else reduced_by(job, effort)
            if less is None:
                self._postpone(job, error)
                return
            structlog.get_logger().warning(
                "answer_reduced", job_id=job.id, effort=less.name.lower(), error=describe(error)
            )
            self._try(job, less)

    def _is_machine(self, job: Job, error: Exception) -> bool:
        """Whether to wait: for the machine, but not for ever while a known-good image is analysed."""
        if is_machine_fault(error):
            waits = is_shortage(error) or breaks_process(error) or not out_of_patience(job)
            return waits or not self.healthy()
        return not self.healthy()

    def _postpone(self, job: Job, error: Exception) -> None:
        broken = breaks_process(error)
        if not is_machine_fault(error) and not self.healthy():
            error = MachineFault(f"a known-good image fails too; {describe(error)}")
            broken = True
        postpone(self.ledger, job, error, self.random)
        if broken:
            raise ProcessBroken(f"a new process takes over after: {describe(error)}")

    def _answer(self, job: Job, effort: Effort) -> None:
        assert job.version is not None
        found = findings_of(self.ledger, job.study_uid, job.version)
        earlier = earlier_result(self.ledger, job.study_uid, job.version)
        bundle, findings = self.one_bundle.bundle, found
        if effort < Effort.MINIMAL:
            bundle, findings = self.one_bundle.unite(job, found)
        report = make_report(
            job.study_uid,
            job.version,
            [self._finding(job, finding) for finding in findings] if effort < Effort.MINIMAL else [],
            bundle,
            created_at=datetime.fromtimestamp(self.ledger.clock()).astimezone(),
            predecessor=earlier.sr_uid if earlier else None,
            research_label=self.research_label,
        )
        if effort is Effort.MINIMAL:
            report = minimal(report, [_names(finding) for finding in findings])
        sources = self._sources(job, findings, effort)
        followed = self._followed(job, sources) if effort is Effort.WHOLE else Followed()
        if followed.subject is not None and followed.prior is not None:
            report = replace(report, study_date=followed.subject.study_date, prior=followed.prior)
        predecessor = self._sr_of(job, earlier, effort)
        if effort is Effort.WHOLE and sources.datasets:
            made = self._whole(report, sources, predecessor)
        else:
            made = make_less(effort, report, sources, self.producer, predecessor)
        mark()
        self._record(job, made, followed)

    def _whole(self, report: StudyReport, sources: Sources, predecessor: Dataset | None) -> Made:
        wanted = {kind for to in self.destinations for kind in to.kinds}
        publication = publish(report, sources, self.producer, predecessor, wanted=wanted)
        return Made(report, publication.objects)

    def _followed(self, job: Job, sources: Sources) -> Followed:
        if self.follow_ups is None:
            return Followed()
        return self.follow_ups.follow(job.study_uid, sources.datasets.values())

    def _finding(self, job: Job, finding: Finding) -> ImageFinding:
        if finding.finding_json is not None:
            try:
                return finding_from_json(finding.finding_json)
            except Exception as error:  # noqa: BLE001 - one image's row must not take the other images' answer
                return failed_finding(
                    _names(finding), f"its recorded finding cannot be read: {describe(error)}"
                )
        header: dict[str, ImageHeader] = {}
        if not _suspect(job, finding):
            name, path = finding.sop_instance_uid, finding.path
            self._read(job, header, name, path, read_header, Effort.WITHOUT_OPTIONS)
        known = header.get(finding.sop_instance_uid) or _names(finding)
        return failed_finding(known, _in_words(finding.failure or "no reason was recorded"))

    def _sources(self, job: Job, findings: Sequence[Finding], effort: Effort) -> Sources:
        """What is there of the images: one whose file is gone or damaged does not hold up the others.

        The very last attempt reads nothing.
        """
        datasets: dict[str, Dataset] = {}
        displays: dict[str, NDArray[np.uint8]] = {}
        for finding in findings if job.attempts_left else ():
            name = finding.sop_instance_uid
            if _suspect(job, finding):
                continue
            self._read(job, datasets, name, finding.path, read_attributes, effort)
            if effort <= Effort.WITHOUT_OPTIONS:
                self._read(job, displays, name, finding.preview_path, read_preview, effort)
        return Sources(datasets, displays)

    def _read(
        self,
        job: Job,
        into: dict[str, T],
        name: str,
        path: str | None,
        read: Callable[[Path], T],
        effort: Effort,
    ) -> None:
        """Read one file of an image, or leave it out where that is no fault of the machine."""
        if path is None:
            return
        try:
            into[name] = read(self.files.path(path))
        except Exception as error:
            waits = is_machine_fault(error) and not out_of_patience(job)
            gone = isinstance(error, (FileNotFoundError, Refused))
            if waits or (effort is Effort.WHOLE and not gone):
                raise
            self._expect_a_disk()
            structlog.get_logger().warning("source_left_out", sop_instance_uid=name, error=describe(error))

    def _expect_a_disk(self) -> None:
        """A file that is gone counts only where others can be read."""
        if not self.healthy():
            raise MachineFault(
                "expected the files of the data folder, found that a known-good image fails too"
            )

    def _sr_of(self, job: Job, result: Result | None, effort: Effort) -> Dataset | None:
        """The SR of the version before; without its file, its name alone says what is replaced."""
        if result is None:
            return None
        found: dict[str, Dataset] = {}
        for made in objects_of(self.ledger, result.study_uid, result.version):
            if made.sop_instance_uid == result.sr_uid:
                self._read(job, found, made.sop_instance_uid, made.path, read_attributes, effort)
        return found.get(result.sr_uid)

    def _record(self, job: Job, made: Made, followed: Followed) -> None:
        report = made.report
        objects = [self._keep(report, kind, dataset) for kind, dataset in made.objects]
        result = Result(
            report.study_instance_uid,
            report.version,
            report_to_json(report),
            report.created_at.timestamp(),
            next(one.sop_instance_uid for one in objects if one.kind == ObjectKind.SR),
            report.predecessor_sr_uid,
            followed.patient_key,
            followed.subject.study_at if followed.subject else None,
        )
        wanted = [
            (one.sop_instance_uid, to.peer)
            for to in self.destinations
            for one in objects
            if one.kind in _kinds(to, {one.kind for one in objects})
        ]
        if finish_report(self.ledger, job, result, objects, wanted, gist(report)):
            _log_answered(report)

    def _keep(self, report: StudyReport, kind: ObjectKind, dataset: Dataset) -> ResultObject:
        def write(path: Path) -> None:
            dataset.save_as(path, enforce_file_format=True)

        path = self.files.write(write, "results", ".dcm")
        return ResultObject(
            str(dataset.SOPInstanceUID),
            report.study_instance_uid,
            report.version,
            kind,
            str(dataset.SOPClassUID),
            path,
        )


def _in_words(failure: str) -> str:
    """Why an examination was buried, for a reader."""
    if failure.startswith(LOST):
        return f"whatever examined it ended or came no further{failure.removeprefix(LOST)}"
    return failure


def _suspect(job: Job, finding: Finding) -> bool:
    """Whether an image may be what killed the process of the last attempt: its examination failed before."""
    return finding.finding_json is None and (job.last_error or "").startswith(LOST)


def _names(finding: Finding) -> ImageHeader:
    """What the ledger alone knows of an image."""
    return ImageHeader(
        sop_instance_uid=finding.sop_instance_uid,
        sop_class_uid=finding.sop_class_uid,
        series_instance_uid=finding.series_uid,
        study_instance_uid="",
        transfer_syntax_uid="",
    )


def _kinds(to: Destination, made: Collection[str]) -> Collection[ObjectKind]:
    """What a destination gets; the SR, where nothing of what it takes could be made."""
    return to.kinds if not to.kinds or any(kind in made for kind in to.kinds) else (ObjectKind.SR,)


def _log_answered(report: StudyReport) -> None:
    structlog.get_logger().info(
        "study_answered",
        study_uid=report.study_instance_uid,
        version=report.version,
        bundle=report.bundle.sha256[:12],
        hands=len(report.hands),
        refusal=report.refusal.reason if report.refusal else None,
    )
