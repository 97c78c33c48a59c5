"""Wraps the overlay picture as a Secondary Capture that belongs to the study it was made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from ra_node.dicom.codes import code_item
from ra_node.dicom.overlay_layout import shown_images
from ra_node.dicom.overlay_paint import render_overlay
from ra_node.dicom.provenance import Producer, stamp_equipment
from ra_node.dicom.uids import derive_uid
from ra_node.domain.laterality import Side
from ra_node.domain.report import ImageFinding, StudyReport, summary_sentence

__all__ = ["build_overlay", "render_overlay", "write_png"]

SERIES_DESCRIPTION = "AI result - not verified: RA hands (overlay)"
SERIES_NUMBER = 9002

SOURCE_IMAGE = Code("121322", "DCM", "Source image for image processing operation")
SPATIAL_RESAMPLING = Code("113085", "DCM", "Spatial resampling")

_PATIENT = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "PatientBirthDate",
    "PatientBirthTime",
    "PatientSex",
    "OtherPatientIDsSequence",
    "OtherPatientNames",
    "QualityControlSubject",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "PatientSpeciesDescription",
    "PatientSpeciesCodeSequence",
    "PatientBreedDescription",
    "PatientBreedCodeSequence",
    "BreedRegistrationSequence",
    "ResponsiblePerson",
    "ResponsibleOrganization",
    "ResponsiblePersonRole",
)
"""Patient module (PS3.3 C.7.1.1) as far as radiographs carry it."""

_STUDY = (
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "IssuerOfAccessionNumberSequence",
    "ReferringPhysicianName",
    "StudyDescription",
    "ProcedureCodeSequence",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PatientSexNeutered",
)
"""General Study and Patient Study modules (PS3.3 C.7.2.1, C.7.2.2)."""

_MAY_BE_EMPTY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
"""Type 2: present without value where the source says nothing."""


def build_overlay(
    picture: NDArray[np.uint8], report: StudyReport, sources: Mapping[str, Dataset], producer: Producer
) -> Dataset:
    """Build the Secondary Capture (PS3.3 A.8.1) of a picture (rows, columns, 3), ready to be written.

    `sources` are the data sets of the study by SOP Instance UID, with or without pixels; patient and study
    attributes are equal to those of the first image shown. What a source lacks stays empty. Its UIDs follow
    from study, bundle and version, so the same report gives the same object.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ValueError(
            f"expected a picture (rows, columns, 3) of uint8, found {picture.shape} {picture.dtype}"
        )
    shown = shown_images(report)
    source = _reference(shown, report, sources)
    made = Dataset()
    _write_identity(made, report)
    _copy_study(made, source)
    _write_series(made, report, source)
    stamp_equipment(made, producer, report.bundle)
    _write_derivation(made, report, shown, sources)
    _write_laterality(made, shown)
    _write_pixels(made, picture)
    return made


def write_png(picture: NDArray[np.uint8], path: Path | str) -> None:
    """Write a picture (rows, columns, 3) as PNG."""
    Image.fromarray(picture).save(path, format="PNG", compress_level=4)


def _reference(shown: Sequence[ImageFinding], report: StudyReport, sources: Mapping[str, Dataset]) -> Dataset:
    named = (image.sop_instance_uid for image in (*shown, *report.images))
    found = (sources[uid] for uid in named if uid in sources)
    return next(found, next(iter(sources.values()), Dataset()))


def _write_identity(made: Dataset, report: StudyReport) -> None:
    """SOP Common and file meta information (PS3.3 C.12.1, PS3.10 7.1)."""
    names = (report.study_instance_uid, report.bundle.sha256, str(report.version), "overlay")
    made.SOPClassUID = SecondaryCaptureImageStorage
    made.SOPInstanceUID = derive_uid(*names)
    made.StudyInstanceUID = report.study_instance_uid
    made.SeriesInstanceUID = derive_uid(*names, "series")
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian


def _copy_study(made: Dataset, source: Dataset) -> None:
    for keyword in ("SpecificCharacterSet", "TimezoneOffsetFromUTC", *_PATIENT, *_STUDY):
        if keyword in source:
            made[keyword] = deepcopy(source[keyword])
    for keyword in _MAY_BE_EMPTY:
        if keyword not in made:
            setattr(made, keyword, "")


def _write_series(made: Dataset, report: StudyReport, source: Dataset) -> None:
    """General Series, SC Equipment, General Image and the times of them all."""
    moment = _local(report.created_at, str(source.get("TimezoneOffsetFromUTC", "") or ""))
    day, time = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")
    for prefix in ("InstanceCreation", "Series", "Content"):
        setattr(made, f"{prefix}Date", day)
        setattr(made, f"{prefix}Time", time)
    made.DateOfSecondaryCapture, made.TimeOfSecondaryCapture = day, time
    made.Modality = "OT"
    made.ConversionType = "WSD"
    made.SeriesNumber = SERIES_NUMBER
    made.InstanceNumber = report.version
    made.SeriesDescription = SERIES_DESCRIPTION
    made.PatientOrientation = ""
    made.ImageComments = summary_sentence(report)[:10240]


def _local(moment: datetime, offset: str) -> datetime:
    """Return the moment in the zone that the source states (PS3.3 C.12.1.1.8), else as it was given."""
    try:
        sign = {"+": 1, "-": -1}[offset[0]]
        away = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:5]))
        return moment.astimezone(timezone(sign * away))
    except (IndexError, KeyError, ValueError):
        return moment


def _write_derivation(
    made: Dataset, report: StudyReport, shown: Sequence[ImageFinding], sources: Mapping[str, Dataset]
) -> None:
    """General Reference and what the picture was made of (PS3.3 C.7.6.1.1.3, C.12.4)."""
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.BurnedInAnnotation = "YES"
    made.RecognizableVisualFeatures = "NO"
    made.DerivationDescription = (
        f"AI result, not verified: radiographs scaled, with outlines of hands and results of"
        f" {report.bundle.name} {report.bundle.version}. {report.bundle.notice}"
    ).strip()[:1024]
    if not shown:
        return
    made.DerivationCodeSequence = [code_item(SPATIAL_RESAMPLING)]
    made.SourceImageSequence = [_source_item(image) for image in shown]
    if any(_is_lossy(sources.get(image.sop_instance_uid)) for image in shown):
        made.LossyImageCompression = "01"


def _source_item(image: ImageFinding) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = image.sop_class_uid
    item.ReferencedSOPInstanceUID = image.sop_instance_uid
    item.SpatialLocationsPreserved = "NO"
    item.PurposeOfReferenceCodeSequence = [code_item(SOURCE_IMAGE)]
    return item


def _is_lossy(source: Dataset | None) -> bool:
    return source is not None and source.get("LossyImageCompression") == "01"


def _write_laterality(made: Dataset, shown: Sequence[ImageFinding]) -> None:
    """Claim a side only where every hand shown has one; else Laterality is unknown, which is empty."""
    made.BodyPartExamined = "HAND"
    sides = {hand.side.side for image in shown for hand in image.hands}
    if not sides or None in sides:
        made.Laterality = ""
    elif len(sides) == 2:
        made.ImageLaterality = "B"
    else:
        made.ImageLaterality = "R" if Side.RIGHT in sides else "L"


def _write_pixels(made: Dataset, picture: NDArray[np.uint8]) -> None:
    """Image Pixel module: RGB, colour by pixel (PS3.3 C.7.6.3)."""
    made.SamplesPerPixel = 3
    made.PhotometricInterpretation = "RGB"
    made.PlanarConfiguration = 0
    made.Rows, made.Columns = picture.shape[:2]
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit = 7
    made.PixelRepresentation = 0
    data = np.ascontiguousarray(picture).tobytes()
    made.PixelData = data + b"\x00" * (len(data) % 2)
