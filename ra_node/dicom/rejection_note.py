"""Rejection notes: Key Object Selection documents that take delivered results back (IHE RAD TF-1 IOCM)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from highdicom.ko import KeyObjectSelection
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from ra_node.dicom.provenance import Producer
from ra_node.dicom.sop_common import begin_instance, series_uid_of
from ra_node.domain.report import DeliveredObject, StudyReport, WithdrawalCause
from ra_node.domain.result_objects import ObjectKind
from ra_node.domain.texts.summary_sentence import summary_sentence

SERIES_DESCRIPTION = "Withdrawn AI results (rejection note)"
TITLES = {
    WithdrawalCause.QUALITY: Code("113001", "DCM", "Rejected for Quality Reasons"),
    WithdrawalCause.PATIENT_SAFETY: Code("113037", "DCM", "Rejected for Patient Safety Reasons"),
}
"""Document titles by cause (PS3.16 CID 7010)."""


def build_rejection_notes(
    report: StudyReport, sources: Mapping[str, Dataset], producer: Producer
) -> list[Dataset]:
    """Make one document (PS3.3 A.35.4, TID 2010) for each destination that holds withdrawn objects.

    It names exactly these objects, and says the reason. [] for a report that withdraws nothing.
    """
    if report.withdrawal is None:
        return []
    peers = sorted({one.peer for one in report.withdrawal.rejected})
    return [_note(report, peer, sources, producer) for peer in peers]


def note_name(peer: str) -> str:
    """The name from which the UID of a destination's note derives (`uids.result_uid`)."""
    return f"rejection note for {peer}"


def _note(report: StudyReport, peer: str, sources: Mapping[str, Dataset], producer: Producer) -> Dataset:
    assert report.withdrawal is not None
    words = summary_sentence(report)
    made = begin_instance(
        report, sources, producer, kind=ObjectKind.REJECTION_NOTE, named=note_name(peer), own_text=words
    )
    for keyword in ("SeriesDate", "SeriesTime"):
        del made[keyword]
    made.SeriesDescription = SERIES_DESCRIPTION
    made.ReferencedPerformedProcedureStepSequence = []
    rejected = [one for one in report.withdrawal.rejected if one.peer == peer]
    made.update(_content(rejected, TITLES[report.withdrawal.cause], words, report.study_instance_uid))
    made.CurrentRequestedProcedureEvidenceSequence = [_evidence(rejected, report.study_instance_uid)]
    return made


def _content(rejected: Sequence[DeliveredObject], title: Code, words: str, study_uid: str) -> Dataset:
    """The tree; PixelMed does not allow an object a concept name, which the library gives it."""
    selection = KeyObjectSelection(title, [_named(one, study_uid) for one in rejected], description=words)
    root: Dataset = selection[0]
    for item in root.ContentSequence:
        if item.ValueType in ("IMAGE", "COMPOSITE") and "ConceptNameCodeSequence" in item:
            del item.ConceptNameCodeSequence
    return root


def _named(one: DeliveredObject, study_uid: str) -> Dataset:
    """What the library reads of an object that is referred to."""
    named = Dataset()
    named.SOPClassUID, named.SOPInstanceUID = one.sop_class_uid, one.sop_instance_uid
    named.StudyInstanceUID, named.SeriesInstanceUID = study_uid, series_uid_of(one.sop_instance_uid)
    if one.sop_class_uid in _IMAGES:
        named.Rows = named.Columns = 1
    return named


_IMAGES = ("1.2.840.10008.5.1.4.1.1.7",)


def _evidence(rejected: Sequence[DeliveredObject], study_uid: str) -> Dataset:
    """The instances that the document refers to (PS3.3 table C.17-3), each in its own series."""
    study = Dataset()
    study.StudyInstanceUID = study_uid
    study.ReferencedSeriesSequence = []
    for one in rejected:
        instance, series = Dataset(), Dataset()
        instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID = (
            one.sop_class_uid,
            one.sop_instance_uid,
        )
        series.SeriesInstanceUID = series_uid_of(one.sop_instance_uid)
        series.ReferencedSOPSequence = [instance]
        study.ReferencedSeriesSequence.append(series)
    return study
