"""Answers a settled study: one report from its findings, its objects on the disk, its deliveries queued."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random

import structlog
from pydicom import Dataset

from ra_node.dicom.provenance import Producer
from ra_node.dicom.read import read_header
from ra_node.domain.job import Job
from ra_node.domain.rating import DEFAULT_RATING, Rating
from ra_node.domain.report import ImageFinding, Reason, StudyReport
from ra_node.domain.result import ObjectKind
from ra_node.domain.study import ImageHeader
from ra_node.ledger.alarms import AlarmKind, clear_alarm, raise_alarm
from ra_node.ledger.engine import Ledger
from ra_node.ledger.files import RESULTS, Files, sha256_of
from ra_node.ledger.findings import Finding, findings_of
from ra_node.ledger.queue import LeaseLost
from ra_node.ledger.results import Result, ResultObject, earlier_result, finish_report
from ra_node.services.analyse import failed_finding, make_report
from ra_node.services.follow_up import Followed, FollowUps
from ra_node.services.gist import gist
from ra_node.services.lease import postpone
from ra_node.services.one_patient import Witnesses, witnesses_of
from ra_node.services.publish import Publication, Sources, encoded, name_content, publish
from ra_node.services.record import finding_from_json, report_to_json
from ra_node.services.sources import SourceReader, sr_of
from ra_node.services.unite import OneBundle


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
    rating: Rating = DEFAULT_RATING

    def answer(self, job: Job) -> None:
        """Do one report job; it ends recorded, postponed or buried."""
        try:
            self._answer(job)
        except LeaseLost:
            structlog.get_logger().warning("lease_lost", job_id=job.id)
        except Exception as error:  # noqa: BLE001 - one strange study must not end the worker
            postpone(self.ledger, job, error, self.random)

    def _answer(self, job: Job) -> None:
        assert job.version is not None
        reader = SourceReader(self.ledger, self.files, self.one_bundle.rules, self.one_bundle.look)
        found = reader.checked(job, findings_of(self.ledger, job.study_uid, job.version))
        bundle, findings = self.one_bundle.unite(job, found)
        earlier = earlier_result(self.ledger, job.study_uid, job.version)
        predecessor = sr_of(self.ledger, self.files, earlier)
        witnesses = self._witnesses(job.study_uid)
        report = make_report(
            job.study_uid,
            job.version,
            [self._finding(finding) for finding in findings],
            bundle,
            created_at=datetime.fromtimestamp(self.ledger.clock()).astimezone(),
            predecessor=earlier.sr_uid if earlier else None,
            research_label=self.research_label,
            conflict=witnesses.conflict,
            remark=witnesses.remark,
            rating=self.rating,
        )
        sources = reader.read(job, findings, predecessor)
        followed = self._followed(report, sources)
        if followed.subject is not None and followed.prior is not None:
            report = replace(report, study_date=followed.subject.study_date, prior=followed.prior)
        digests = {finding.sop_instance_uid: finding.sha256 for finding in findings}
        report = name_content(report, digests, self.producer)
        publication = publish(
            report,
            sources,
            self.producer,
            predecessor,
            wanted={kind for to in self.destinations for kind in to.kinds},
        )
        self._record(job, report, publication, followed)

    def _witnesses(self, study_uid: str) -> Witnesses:
        secret = self.follow_ups.secret if self.follow_ups else b""
        return witnesses_of(self.ledger, self.files, study_uid, secret)

    def _followed(self, report: StudyReport, sources: Sources) -> Followed:
        if self.follow_ups is None or _is_conflict(report):
            return Followed()
        return self.follow_ups.follow(report.study_instance_uid, sources.datasets.values())

    def _finding(self, finding: Finding) -> ImageFinding:
        if finding.finding_json is not None:
            return finding_from_json(finding.finding_json)
        return failed_finding(self._header(finding), finding.failure or "no reason was recorded")

    def _header(self, finding: Finding) -> ImageHeader:
        """The header of an image; of one whose file retention has removed, its names alone."""
        if finding.path is not None:
            return read_header(self.files.path(finding.path))
        return ImageHeader(
            sop_instance_uid=finding.sop_instance_uid,
            sop_class_uid=finding.sop_class_uid,
            series_instance_uid=finding.series_uid,
            study_instance_uid="",
            transfer_syntax_uid="",
        )

    def _record(self, job: Job, report: StudyReport, publication: Publication, followed: Followed) -> None:
        objects = [self._keep(report, kind, dataset) for kind, dataset in publication.objects]
        result = Result(
            report.study_instance_uid,
            report.version,
            report_to_json(report),
            report.created_at.timestamp(),
            str(publication.sr.SOPInstanceUID),
            report.predecessor_sr_uid,
            followed.patient_key,
            followed.subject.study_at if followed.subject else None,
        )
        wanted = [
            (made.sop_instance_uid, to.peer)
            for to in self.destinations
            for made in objects
            if made.kind in to.kinds
        ]
        self._alarm(report)
        if finish_report(self.ledger, job, result, objects, wanted, gist(report)):
            _log_answered(report)

    def _alarm(self, report: StudyReport) -> None:
        """Raise the alarm of a study of several patients before its answer is there, or end it."""
        uid = report.study_instance_uid
        if report.refusal is not None and _is_conflict(report):
            raise_alarm(self.ledger, AlarmKind.PATIENT_CONFLICT, uid, report.refusal.text)
            structlog.get_logger().warning("patient_conflict_found", study_uid=uid, version=report.version)
        elif report.version > 1:
            clear_alarm(self.ledger, AlarmKind.PATIENT_CONFLICT, uid)

    def _keep(self, report: StudyReport, kind: ObjectKind, dataset: Dataset) -> ResultObject:
        content = encoded(dataset)
        path = self.files.write(content, RESULTS, ".dcm")
        return ResultObject(
            str(dataset.SOPInstanceUID),
            report.study_instance_uid,
            report.version,
            kind,
            str(dataset.SOPClassUID),
            path,
            sha256_of(content),
        )


def _is_conflict(report: StudyReport) -> bool:
    return report.refusal is not None and report.refusal.reason is Reason.PATIENT_CONFLICT


def _log_answered(report: StudyReport) -> None:
    structlog.get_logger().info(
        "study_answered",
        study_uid=report.study_instance_uid,
        version=report.version,
        bundle=report.bundle.sha256[:12],
        hands=len(report.hands),
        refusal=report.refusal.reason if report.refusal else None,
    )
