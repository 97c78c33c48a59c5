"""The structured report of a study: TID 1500 in a Comprehensive 3D SR or a Comprehensive SR.

The same report gives the same bytes whenever and wherever it is built.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from pydicom.dataset import Dataset
from pydicom.uid import UID, Comprehensive3DSRStorage, ComprehensiveSRStorage

from ra_node.dicom import concept_codes
from ra_node.dicom.patient_study_modules import copy_subject, subject_of
from ra_node.dicom.provenance import Producer, stamp_equipment
from ra_node.dicom.sop_common import identify, series_uid_of
from ra_node.dicom.sr.content_item import Item, container, own_text, put_tree
from ra_node.dicom.sr.measurement_groups import imaging_measurements, study_conclusions, summary
from ra_node.dicom.sr.observation_context import (
    image_library,
    is_referenced,
    language_and_observer,
    procedure_reported,
)
from ra_node.dicom.sr.series_description import series_description
from ra_node.dicom.timestamps import write_times
from ra_node.dicom.uids import derive_uid, result_uid
from ra_node.domain.report import StudyReport
from ra_node.domain.result_objects import ObjectKind, class_of

Triple = tuple[str, str, str]
"""Series, SOP class and SOP instance UID of one instance."""


def sr_uid(report: StudyReport, *, comprehensive3d: bool = True) -> str:
    """The SOP Instance UID that `build_sr` gives this report."""
    uid = result_uid(report, "sr")
    return uid if comprehensive3d else _comprehensive_uid(uid)


def build_sr(
    report: StudyReport,
    sources: Mapping[str, Dataset],
    producer: Producer,
    *,
    comprehensive3d: bool = True,
    predecessor: Dataset | None = None,
) -> Dataset:
    """The report as a data set ready to save as explicit little endian.

    `sources` are the received data sets by SOP Instance UID, pixels not needed; at least one, for
    its patient and study. A revision names its `predecessor` (any data set with its SOP class,
    instance and series UID); without one `report.predecessor_sr_uid` stands for the Comprehensive
    3D SR of this node or its twin. Raises ValueError without sources.
    """
    if not sources:
        raise ValueError("a structured report needs at least one source data set, found none")
    kind = ObjectKind.SR if comprehensive3d else ObjectKind.SR_FALLBACK
    report = _naming_prior_in(UID(class_of(kind).sop_class_uid), report)
    made = Dataset()
    tree = _tree(report, sources, producer)
    copy_subject(made, subject_of(report, sources), own_text=_own_text(tree, producer))
    identify(made, kind, sr_uid(report, comprehensive3d=comprehensive3d))
    _write_document(made, report)
    stamp_equipment(made, producer, report.bundle)
    put_tree(made, tree)
    _reference(made, report, predecessor)
    return made


def _tree(report: StudyReport, sources: Mapping[str, Dataset], producer: Producer) -> Item:
    """The root container (TID 1500 row 1) with its rows in the order of the template.

    The template is extensible: the summary stands before its first CONTAINS row, on the first screen of a
    plain renderer.
    """
    rows = [
        *language_and_observer(producer, report.bundle),
        procedure_reported(),
        summary(report),
        image_library(report, sources),
        imaging_measurements(report),
        study_conclusions(report),
    ]
    return container(
        concept_codes.IMAGING_MEASUREMENT_REPORT,
        [row for row in rows if row is not None],
        template="1500",
        relation=None,
    )


def _write_document(made: Dataset, report: StudyReport) -> None:
    """SR Document Series (PS3.3 C.17.1) and General (C.17.2): COMPLETE and UNVERIFIED."""
    made.SeriesDescription = series_description(report)
    made.ReferencedPerformedProcedureStepSequence = []
    made.InstanceNumber = report.version
    made.CompletionFlag = "COMPLETE"
    made.VerificationFlag = "UNVERIFIED"
    made.PreliminaryFlag = "PRELIMINARY"
    made.PerformedProcedureCodeSequence = []
    write_times(made, report.created_at, ("Content", "InstanceCreation"))


def _reference(made: Dataset, report: StudyReport, predecessor: Dataset | None) -> None:
    """Evidence is exactly what the tree references (C.17.2.3); a revision names its predecessor."""
    evidence = [
        (image.series_instance_uid, image.sop_class_uid, image.sop_instance_uid)
        for image in report.images
        if is_referenced(image)
    ]
    if evidence:
        made.CurrentRequestedProcedureEvidenceSequence = [_references(made.StudyInstanceUID, evidence)]
    replaced = _replaced(made, report, predecessor)
    if replaced is not None:
        replaced_all = [replaced, *_replaced_before(made, predecessor)]
        made.PredecessorDocumentsSequence = [_references(made.StudyInstanceUID, replaced_all)]
    prior = report.prior
    if prior is not None:
        named = (prior.series_instance_uid, prior.sop_class_uid, prior.sop_instance_uid)
        made.PertinentOtherEvidenceSequence = [_references(prior.study_instance_uid, [named])]


def _naming_prior_in(sop_class: UID, report: StudyReport) -> StudyReport:
    """Let a Comprehensive SR name the twin of an earlier Comprehensive 3D SR, as a revision does."""
    prior = report.prior
    if prior is None or sop_class == prior.sop_class_uid or sop_class != ComprehensiveSRStorage:
        return report
    uid = _comprehensive_uid(prior.sop_instance_uid)
    twin = replace(
        prior, sop_class_uid=str(sop_class), sop_instance_uid=uid, series_instance_uid=series_uid_of(uid)
    )
    return replace(report, prior=twin)


def _replaced(made: Dataset, report: StudyReport, predecessor: Dataset | None) -> Triple | None:
    """Series, SOP class and SOP instance of the report that this one replaces.

    A Comprehensive SR replaces the Comprehensive twin of a Comprehensive 3D SR of this node: a peer that
    accepts only one class has never received the other.
    """
    uid = report.predecessor_sr_uid if predecessor is None else predecessor.SOPInstanceUID
    if uid is None:
        return None
    if predecessor is not None and not _has_twin(predecessor, made):
        return (predecessor.SeriesInstanceUID, predecessor.SOPClassUID, uid)
    if made.SOPClassUID == ComprehensiveSRStorage:
        uid = _comprehensive_uid(uid)
    return (series_uid_of(uid), made.SOPClassUID, uid)


def _replaced_before(made: Dataset, predecessor: Dataset | None) -> list[Triple]:
    """What the predecessor itself replaced: a peer may never have received the predecessor."""
    found = []
    for study in () if predecessor is None else predecessor.get("PredecessorDocumentsSequence") or ():
        for series in study.ReferencedSeriesSequence:
            for item in series.ReferencedSOPSequence:
                uid, sop_class = str(item.ReferencedSOPInstanceUID), str(item.ReferencedSOPClassUID)
                earlier = Dataset()
                earlier.SOPInstanceUID, earlier.SOPClassUID = uid, sop_class
                earlier.SeriesInstanceUID = series.SeriesInstanceUID
                if _has_twin(earlier, made):
                    uid = _comprehensive_uid(uid)
                    found.append((series_uid_of(uid), str(made.SOPClassUID), uid))
                else:
                    found.append((str(series.SeriesInstanceUID), sop_class, uid))
    return found


def _has_twin(predecessor: Dataset, made: Dataset) -> bool:
    ours = str(predecessor.SeriesInstanceUID) == series_uid_of(predecessor.SOPInstanceUID)
    made_in_3d = str(predecessor.SOPClassUID) == str(Comprehensive3DSRStorage)
    return ours and made_in_3d and str(made.SOPClassUID) != str(Comprehensive3DSRStorage)


def _references(study_uid: str, instances: Iterable[Triple]) -> Dataset:
    """A Hierarchical SOP Instance Reference (PS3.3 table C.17-3) to instances of one study."""
    series: dict[str, list[Dataset]] = {}
    for series_uid, sop_class, sop_instance in instances:
        reference = Dataset()
        reference.ReferencedSOPClassUID = sop_class
        reference.ReferencedSOPInstanceUID = sop_instance
        series.setdefault(series_uid, []).append(reference)
    study = Dataset()
    study.StudyInstanceUID = study_uid
    study.ReferencedSeriesSequence = [_series(uid, items) for uid, items in series.items()]
    return study


def _series(uid: str, references: list[Dataset]) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID = uid
    item.ReferencedSOPSequence = references
    return item


def _own_text(tree: Item, producer: Producer) -> str:
    """All text that this node adds, to check whether the source's character set can encode it."""
    return "\n".join([*own_text([tree]), producer.institution, producer.station_name, producer.manufacturer])


def _comprehensive_uid(uid: str) -> str:
    return derive_uid(uid, "comprehensive")
