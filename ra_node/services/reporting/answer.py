"""Report job: makes the report from the findings, writes its objects, queues the deliveries.

There is always a report: parts that fail are left out, step by step (`DetailLevel`), and the report says so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import Random

import structlog
from pydicom import Dataset

from ra_node.dicom.provenance import Producer
from ra_node.dicom.reading.file import read_header
from ra_node.dicom.rejection_note import note_name
from ra_node.dicom.uids import result_uid
from ra_node.domain.job import Job
from ra_node.domain.rating import DEFAULT_RATING, Rating
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import ImageFinding, StudyReport, Withdrawal
from ra_node.domain.result_objects import ObjectKind
from ra_node.domain.study import ImageHeader
from ra_node.domain.texts.withdrawal import withdrawal_refusal
from ra_node.errors import MachineFault, NodeError
from ra_node.ledger.alarms import AlarmKind, clear_alarm, raise_alarm
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.findings import Finding, findings_of
from ra_node.ledger.jobs.queue import LOST, LeaseLost
from ra_node.ledger.report_json import finding_from_json, report_to_json
from ra_node.ledger.results import Result, ResultObject, earlier_result, finish_report
from ra_node.ledger.storage.durable_files import RESULTS, Files, sha256_of
from ra_node.ledger.withdrawals import delivered_objects, withdrawal_of
from ra_node.services.analysis.bundle_consistency import BundleConsistency
from ra_node.services.analysis.study_analysis import failed_finding, make_report
from ra_node.services.jobs.lease import describe, is_shortage, postpone
from ra_node.services.jobs.machine_faults import ProcessBroken, breaks_process, is_machine_fault
from ra_node.services.jobs.progress import mark
from ra_node.services.reception.patient_consistency import StudyIdentities, witnesses_of
from ra_node.services.reporting.answer_event import summary_detail
from ra_node.services.reporting.prior_report import FollowUps, PatientPrior
from ra_node.services.reporting.reduced_answer import (
    DetailLevel,
    RenderedReport,
    first_effort,
    make_less,
    minimal,
    out_of_patience,
    reduced_by,
)
from ra_node.services.reporting.render_objects import Rendering, Sources, encoded, name_content, publish
from ra_node.services.reporting.sources import SourceReader, present_sources, sr_of


@dataclass(frozen=True, slots=True)
class Destination:
    """A destination with the kinds of object it receives."""

    peer: str
    kinds: tuple[ObjectKind, ...]
    rejection_note: bool = False
    """Whether a withdrawal is a rejection note there, in place of a new version."""


@dataclass(frozen=True, slots=True)
class _Gathered:
    """Inputs of one report; `digests` are the SHA-256 of its images by SOP Instance UID."""

    rendering: Rendering
    digests: Mapping[str, str | None]
    followed: PatientPrior


@dataclass(frozen=True, slots=True)
class Answerer:
    """Dependencies of report jobs, built once for each bundle."""

    ledger: Ledger
    files: Files
    one_bundle: BundleConsistency
    producer: Producer
    destinations: Sequence[Destination]
    research_label: str
    random: Random = field(default_factory=Random)
    follow_ups: FollowUps | None = None
    rating: Rating = DEFAULT_RATING

    healthy: Callable[[], bool] = lambda: True
    """Whether a known-good image can be analysed now."""

    def answer(self, job: Job) -> None:
        """Run one report job; it ends recorded or postponed, with less content in its last attempts.

        Raises ProcessBroken where this process must end; the job is postponed before.
        """
        try:
            self._try(job, first_effort(job))
        except LeaseLost:
            structlog.get_logger().warning("lease_lost", job_id=job.id)

    def _try(self, job: Job, effort: DetailLevel) -> None:
        """Report with this effort, and where that fails in one of the last attempts, with less."""
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
                "report_reduced", job_id=job.id, effort=less.name.lower(), error=describe(error)
            )
            self._try(job, less)

    def _is_machine(self, job: Job, error: Exception) -> bool:
        """Whether to wait for the machine; limited while a known-good image is analysed."""
        if is_machine_fault(error):
            waits = is_shortage(error) or breaks_process(error) or not out_of_patience(job)
            return waits or not self.healthy()
        return not self.healthy()

    def _postpone(self, job: Job, error: Exception) -> None:
        broken = breaks_process(error)
        if not is_machine_fault(error) and not self.healthy():
            broken = not isinstance(error, (NodeError, OSError))
            error = MachineFault(f"a known-good image fails too; {describe(error)}")
        postpone(self.ledger, job, error, self.random)
        if broken:
            raise ProcessBroken(f"a new process takes over after: {describe(error)}")

    def _answer(self, job: Job, effort: DetailLevel) -> None:
        """Read the inputs, render all objects, then write them."""
        gathered = self._gather(job, effort)
        made = self._make(gathered, effort)
        mark()
        self._record(job, made, gathered.followed)

    def _gather(self, job: Job, effort: DetailLevel) -> _Gathered:
        assert job.version is not None
        reader = SourceReader(
            self.ledger, self.files, self.one_bundle.rules, self.one_bundle.look, self.healthy
        )
        bundle, findings = self.one_bundle.bundle, findings_of(self.ledger, job.study_uid, job.version)
        if effort > DetailLevel.WHOLE or _killed(job):
            findings = reader.readable(job, findings, pictures=effort < DetailLevel.WITHOUT_PICTURES)
        if effort < DetailLevel.MINIMAL:
            bundle, findings = self.one_bundle.unite(job, reader.checked(job, findings))
        earlier = earlier_result(self.ledger, job.study_uid, job.version)
        predecessor = self._predecessor(earlier, effort)
        witnesses = self._witnesses(job.study_uid, effort)
        withdrawal, withdrawn = self._withdrawal(job)
        conflict = witnesses.conflict or withdrawn
        report = make_report(
            job.study_uid,
            job.version,
            [self._finding(finding) for finding in findings] if effort < DetailLevel.MINIMAL else [],
            bundle,
            created_at=datetime.fromtimestamp(self.ledger.clock()).astimezone(),
            predecessor=earlier.sr_uid if earlier else None,
            research_label=self.research_label,
            conflict=conflict,
            remark=witnesses.remark,
            rating=self.rating,
        )
        if effort is DetailLevel.MINIMAL:
            report = minimal(report, [_names(finding) for finding in findings], conflict)
        report = replace(report, withdrawal=withdrawal)
        pictures = effort < DetailLevel.WITHOUT_PICTURES
        read = reader.read(job, findings, predecessor, pictures=pictures)
        sources, identity = present_sources(self.ledger, self.files, job.study_uid, read)
        followed = self._followed(report, sources) if effort is DetailLevel.WHOLE else PatientPrior()
        if followed.subject is not None and followed.prior is not None:
            report = replace(report, study_date=followed.subject.study_date, prior=followed.prior)
        digests = {finding.sop_instance_uid: finding.sha256 for finding in findings}
        digests |= {"patient": identity} if identity else {}
        return _Gathered(Rendering(report, sources, self.producer, predecessor), digests, followed)

    def _make(self, gathered: _Gathered, effort: DetailLevel) -> RenderedReport:
        def named(report: StudyReport) -> StudyReport:
            return name_content(report, gathered.digests, self.producer)

        rendering = gathered.rendering
        if effort is not DetailLevel.WHOLE:
            return make_less(effort, rendering, named)
        report = named(rendering.report)
        wanted = {kind for to in self.destinations for kind in to.kinds} | {ObjectKind.REJECTION_NOTE}
        return RenderedReport(report, publish(replace(rendering, report=report), wanted))

    def _predecessor(self, earlier: Result | None, effort: DetailLevel) -> Dataset | None:
        """The SR of the previous version; where it is unreadable, only its UID is referenced."""
        try:
            return sr_of(self.ledger, self.files, earlier)
        except Exception as error:
            if effort is DetailLevel.WHOLE or is_machine_fault(error):
                raise
            return None

    def _withdrawal(self, job: Job) -> tuple[Withdrawal | None, Refusal | None]:
        """What a version takes back and the reason; (None, None) for an ordinary version."""
        assert job.version is not None
        request = withdrawal_of(self.ledger, job.study_uid, job.version)
        if request is None:
            return None, None
        peers = [to.peer for to in self.destinations if to.rejection_note]
        rejected = delivered_objects(self.ledger, job.study_uid, job.version, peers)
        at = datetime.fromtimestamp(request.requested_at, UTC)
        return Withdrawal(request.cause, rejected), withdrawal_refusal(request.cause, request.reason, at)

    def _witnesses(self, study_uid: str, effort: DetailLevel) -> StudyIdentities:
        secret = self.follow_ups.secret if self.follow_ups else b""
        try:
            return witnesses_of(self.ledger, self.files, study_uid, secret)
        except Exception:
            if effort < DetailLevel.MINIMAL:
                raise
            return StudyIdentities(())

    def _followed(self, report: StudyReport, sources: Sources) -> PatientPrior:
        if self.follow_ups is None or _is_conflict(report) or report.withdrawal is not None:
            return PatientPrior()
        return self.follow_ups.follow(report.study_instance_uid, sources.datasets.values())

    def _finding(self, finding: Finding) -> ImageFinding:
        if finding.finding_json is not None:
            try:
                return finding_from_json(finding.finding_json)
            except Exception as error:  # noqa: BLE001 - one image's row must not take the other images' answer
                why = f"its recorded finding cannot be read: {describe(error)}"
                return failed_finding(_names(finding), why)
        return failed_finding(self._header(finding), _in_words(finding.failure or "no reason was recorded"))

    def _header(self, finding: Finding) -> ImageHeader:
        """The header of an image; only its UIDs where its file is not read any more."""
        return _names(finding) if finding.path is None else read_header(self.files.path(finding.path))

    def _record(self, job: Job, made: RenderedReport, followed: PatientPrior) -> None:
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
            (one.sop_instance_uid, to.peer) for to in self.destinations for one in _for(to, report, objects)
        ]
        self._alarm(report)
        if finish_report(self.ledger, job, result, objects, wanted, summary_detail(report)):
            _log_answered(report)

    def _alarm(self, report: StudyReport) -> None:
        """Raise the alarm of a study with several patients before its report is recorded, or clear it."""
        uid = report.study_instance_uid
        if report.refusal is not None and _is_conflict(report):
            raise_alarm(self.ledger, AlarmKind.PATIENT_CONFLICT, uid, report.refusal.text)
            structlog.get_logger().warning("patient_conflict_detected", study_uid=uid, version=report.version)
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


def _killed(job: Job) -> bool:
    """Whether the process of the last attempt ended, or was killed because it hung."""
    return (job.last_error or "").startswith(LOST)


def _in_words(failure: str) -> str:
    """Reason of a buried examination, as text for the report."""
    if failure.startswith(LOST):
        return f"its process ended or made no progress{failure.removeprefix(LOST)}"
    return failure


def _names(finding: Finding) -> ImageHeader:
    """The image by its row in the ledger."""
    return ImageHeader(
        sop_instance_uid=finding.sop_instance_uid,
        sop_class_uid=finding.sop_class_uid,
        series_instance_uid=finding.series_uid,
        study_instance_uid="",
        transfer_syntax_uid="",
    )


def _for(to: Destination, report: StudyReport, objects: Sequence[ResultObject]) -> Sequence[ResultObject]:
    """The objects that a destination receives.

    A withdrawal is a rejection note where that is wanted and could be made; nothing where it has no result.
    """
    if report.withdrawal is not None and to.rejection_note:
        if all(one.peer != to.peer for one in report.withdrawal.rejected):
            return ()
        uid = result_uid(report, note_name(to.peer))
        if note := [one for one in objects if one.sop_instance_uid == uid]:
            return note
    kinds = _kinds(to, {one.kind for one in objects})
    return [one for one in objects if one.kind in kinds]


def _kinds(to: Destination, made: Collection[str]) -> Collection[ObjectKind]:
    """Objects for a destination; the SR, where none of its kinds could be made."""
    return to.kinds if not to.kinds or any(kind in made for kind in to.kinds) else (ObjectKind.SR,)


def _is_conflict(report: StudyReport) -> bool:
    return report.refusal is not None and report.refusal.reason is Reason.PATIENT_CONFLICT


def _log_answered(report: StudyReport) -> None:
    structlog.get_logger().info(
        "study_reported",
        study_uid=report.study_instance_uid,
        version=report.version,
        bundle=report.bundle.sha256[:12],
        hands=len(report.hands),
        refusal=report.refusal.reason if report.refusal else None,
    )
