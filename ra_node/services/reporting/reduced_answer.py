"""Reduced reports: what is left out when parts of a report cannot be made.

Each step leaves out more, but never the report itself: the last one needs only the UIDs of study and images
in the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from pydicom import Dataset

from ra_node.domain.job import Job
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import ImageFinding, StudyReport
from ra_node.domain.result_objects import BASIC_KINDS, ObjectKind
from ra_node.domain.study import ImageHeader
from ra_node.domain.uid import can_be_repeated
from ra_node.services.analysis.study_analysis import reason_for_study
from ra_node.services.jobs.machine_faults import PATIENCE_ATTEMPTS, is_machine_fault
from ra_node.services.reporting.render_objects import Objects, Rendering, Sources


class DetailLevel(IntEnum):
    """Levels of content, fullest first; each has the structured report in both classes."""

    WHOLE = 0
    WITHOUT_OPTIONS = 1
    """No optional objects, and no comparison with an earlier study."""
    WITHOUT_PICTURES = 2
    """The overlay shows lines and words, no radiographs."""
    WITHOUT_OVERLAY = 3
    WITHOUT_IMAGE = 4
    """Images that cannot be written into a report are named with that reason."""
    MINIMAL = 5
    """No image has a result: names and reason."""


_SAYS = {
    DetailLevel.WITHOUT_OPTIONS: (
        "Optional result objects and the comparison with an earlier study could not be made."
    ),
    DetailLevel.WITHOUT_PICTURES: "The radiographs could not be drawn into the overlay.",
    DetailLevel.WITHOUT_OVERLAY: "The overlay could not be made; this report has all results.",
    DetailLevel.WITHOUT_IMAGE: (
        "The overlay could not be made; this report has all results that could be written."
    ),
    DetailLevel.MINIMAL: "The results of this study could not be written into a report.",
}
"""Remark in the report for each level."""

_REPORTS = (ObjectKind.SR, ObjectKind.SR_FALLBACK)

_FAILED = "The analysis of this image failed: its result could not be written into the report."


@dataclass(frozen=True, slots=True)
class RenderedReport:
    """A report, and its objects by kind; one is the SR."""

    report: StudyReport
    objects: Objects


def first_effort(job: Job) -> DetailLevel:
    """Level at the start of an attempt: reduced in the last three, as an earlier one may have crashed."""
    less = {2: DetailLevel.WITHOUT_PICTURES, 1: DetailLevel.WITHOUT_OVERLAY, 0: DetailLevel.MINIMAL}
    return less.get(job.attempts_left, DetailLevel.WHOLE)


def reduced_by(job: Job, effort: DetailLevel) -> DetailLevel | None:
    """Next level in this attempt; None: none, because the full report may succeed next time."""
    if effort is DetailLevel.MINIMAL or not (job.makes_less or out_of_patience(job)):
        return None
    return DetailLevel(effort + 1)


def out_of_patience(job: Job) -> bool:
    """Whether a job has waited for the machine so often that its own files are at fault."""
    return job.attempt >= PATIENCE_ATTEMPTS


def make_less(
    effort: DetailLevel, whole: Rendering, named: Callable[[StudyReport], StudyReport]
) -> RenderedReport:
    """Make a reduced report.

    `named` gives a report the hash of its content, from which the UIDs of its objects derive.
    """
    report = _without_failing(whole) if effort is DetailLevel.WITHOUT_IMAGE else whole.report
    if effort is DetailLevel.MINIMAL:
        said = named(report)
        return RenderedReport(said, _named_at_least(replace(whole, report=said)))
    said = named(_saying(report, _SAYS[effort]))
    kinds = _REPORTS if effort >= DetailLevel.WITHOUT_OVERLAY else BASIC_KINDS
    return RenderedReport(said, replace(whole, report=said).objects((*kinds, ObjectKind.REJECTION_NOTE)))


def _named_at_least(rendering: Rendering) -> Objects:
    """The report, without patient where a patient attribute cannot be written."""
    try:
        return rendering.objects(_REPORTS)
    except Exception as error:
        if is_machine_fault(error):
            raise
    return replace(rendering, sources=Sources(_nobody(rendering.report), {})).objects(_REPORTS)


def _nobody(report: StudyReport) -> dict[str, Dataset]:
    """A source with the Study Instance UID only."""
    source = Dataset()
    source.StudyInstanceUID = report.study_instance_uid
    return {"": source}


def _without_failing(whole: Rendering) -> StudyReport:
    """Refuse images that cannot be written even alone."""
    report = whole.report
    images = tuple(image if _works(whole, image) else _given_up(image) for image in report.images)
    return reason_for_study(replace(report, images=images, refusal=None))


def _works(whole: Rendering, image: ImageFinding) -> bool:
    try:
        replace(whole, report=replace(whole.report, images=(image,))).objects(_REPORTS)
    except Exception as error:
        if is_machine_fault(error):
            raise
        return False
    return True


def _given_up(image: ImageFinding | ImageHeader) -> ImageFinding:
    """The image by its UIDs only."""
    refusal = Refusal(Reason.ANALYSIS_FAILED, _FAILED)
    names = (image.sop_instance_uid, image.sop_class_uid, image.series_instance_uid)
    return ImageFinding(*names, 0, 0, refusal=refusal)


def _saying(report: StudyReport, remark: str) -> StudyReport:
    """Add a remark to the first image, beside the results."""
    if not remark or not report.images:
        return report
    first, *others = report.images
    return replace(report, images=(replace(first, remarks=(*first.remarks, remark)), *others))


def minimal(report: StudyReport, names: Sequence[ImageHeader], conflict: Refusal | None) -> StudyReport:
    """The report with UIDs and reason only; an image whose UIDs cannot be referenced is left out."""
    images = tuple(_given_up(one) for one in names if can_be_repeated(one.series_instance_uid))
    refusal = conflict or Refusal(Reason.ANALYSIS_FAILED, _SAYS[DetailLevel.MINIMAL])
    return replace(report, images=images, refusal=refusal)
