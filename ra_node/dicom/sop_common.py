"""Modules that every created object shares: patient, study, SOP common, equipment, time."""

from __future__ import annotations

from collections.abc import Mapping

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from ra_node import __version__
from ra_node.dicom.patient_study_modules import copy_subject, subject_of
from ra_node.dicom.provenance import IMPLEMENTATION_CLASS_UID, Producer, stamp_equipment
from ra_node.dicom.timestamps import write_times
from ra_node.dicom.uids import derive_uid, result_uid
from ra_node.domain.report import StudyReport
from ra_node.domain.result_objects import ObjectKind, class_of


def begin_instance(
    report: StudyReport,
    sources: Mapping[str, Dataset],
    producer: Producer,
    *,
    kind: ObjectKind,
    named: str,
    own_text: str,
) -> Dataset:
    """Make a data set with the modules that every object has (PS3.3 C.7.1.1, C.7.2.1, C.7.5.1, C.12.1).

    Its UIDs follow from what the report is made of and `named`. `own_text` is what the maker will add, so
    that the character set can write it. The description of its series is the maker's.
    """
    made = Dataset()
    copy_subject(made, subject_of(report, sources), own_text=own_text)
    identify(made, kind, result_uid(report, named))
    made.InstanceNumber = report.version
    write_times(made, report.created_at, ("InstanceCreation", "Series", "Content"))
    stamp_equipment(made, producer, report.bundle)
    return made


def identify(made: Dataset, kind: ObjectKind, sop_instance_uid: str) -> None:
    """Write class, instance, a series of its own, modality, and the file meta information of these."""
    row = class_of(kind)
    made.SOPClassUID = UID(row.sop_class_uid)
    made.SOPInstanceUID = sop_instance_uid
    made.SeriesInstanceUID = series_uid_of(sop_instance_uid)
    made.SeriesNumber = row.series_number
    made.Modality = row.modality
    made.file_meta = file_meta_of(made)


def series_uid_of(sop_instance_uid: str) -> str:
    """Series Instance UID of an object of this node, derived from its SOP Instance UID."""
    return derive_uid(sop_instance_uid, "series")


def file_meta_of(made: Dataset) -> FileMetaDataset:
    """File meta information of an instance that this node made (PS3.10 7.1)."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = made.SOPClassUID
    meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = f"RA_NODE_{__version__}"[:16]
    return meta
