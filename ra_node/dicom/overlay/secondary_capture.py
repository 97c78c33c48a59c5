"""The frames of the overlay as Secondary Captures in one series of the study of their images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jpeg_ls import encode_buffer
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sr.coding import Code
from pydicom.uid import JPEGLSLossless

from ra_node.dicom.concept_codes import code_item
from ra_node.dicom.overlay.layout import shown_images
from ra_node.dicom.overlay.paint import render_detail, render_overlay
from ra_node.dicom.overlay.typesetting import pen_of
from ra_node.dicom.overlay.verdict_frame import lay_out_verdict, pictured_images
from ra_node.dicom.patient_study_modules import copy_subject, subject_of
from ra_node.dicom.provenance import Producer, stamp_equipment
from ra_node.dicom.sop_common import identify, series_uid_of
from ra_node.dicom.timestamps import write_times
from ra_node.dicom.uids import result_uid
from ra_node.domain.laterality.evidence import Side
from ra_node.domain.report import ImageFinding, StudyReport
from ra_node.domain.result_objects import ObjectKind
from ra_node.domain.texts.summary_sentence import summary_sentence
from ra_node.domain.texts.translations import Language

__all__ = ["build_detail", "build_overlay", "overlay_uid", "render_detail", "render_overlay", "write_png"]

SERIES_DESCRIPTION = "AI result - not verified: RA hands (overlay)"

SOURCE_IMAGE = Code("121322", "DCM", "Source image for image processing operation")
SPATIAL_RESAMPLING = Code("113085", "DCM", "Spatial resampling")

_BY_PIXEL = 2
"""The interleave mode of JPEG-LS (ISO/IEC 14495-1 C.2.3) in which red, green and blue alternate."""


def overlay_uid(report: StudyReport) -> str:
    """Return the SOP Instance UID that `build_overlay` gives the overlay of this report."""
    return result_uid(report, "overlay")


def build_overlay(
    picture: NDArray[np.uint8],
    report: StudyReport,
    sources: Mapping[str, Dataset],
    producer: Producer,
    *,
    pictured: Sequence[ImageFinding] | None = None,
) -> Dataset:
    """Build the Secondary Capture of the first frame; `pictured` are the images whose pixels it shows."""
    if pictured is None:
        pictured = pictured_images(report, lay_out_verdict(report, {}, pen_of(producer.language)))
    return _built(picture, report, sources, producer, ObjectKind.OVERLAY, pictured)


def build_detail(
    picture: NDArray[np.uint8], report: StudyReport, sources: Mapping[str, Dataset], producer: Producer
) -> Dataset:
    """Build the Secondary Capture of the second frame, in the series of the first."""
    return _built(picture, report, sources, producer, ObjectKind.OVERLAY_DETAIL, shown_images(report))


def _built(
    picture: NDArray[np.uint8],
    report: StudyReport,
    sources: Mapping[str, Dataset],
    producer: Producer,
    kind: ObjectKind,
    shown: Sequence[ImageFinding],
) -> Dataset:
    """Build the Secondary Capture (PS3.3 A.8.1) of a picture (rows, columns, 3), ready to be written.

    `sources` are the data sets of the study by SOP Instance UID, with or without pixels; patient and study
    attributes are equal to those of the first image. Attributes that a source lacks stay empty. The UIDs
    derive from the content of the report, so the same report gives the same object.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ValueError(
            f"expected an image (rows, columns, 3) of uint8, found {picture.shape} {picture.dtype}"
        )
    made = Dataset()
    copy_subject(made, subject_of(report, sources), own_text=_own_text(report, producer))
    _write_identity(made, report, kind)
    _write_series(made, report, producer.language)
    write_times(made, report.created_at, ("InstanceCreation", "Series", "Content"))
    made.DateOfSecondaryCapture, made.TimeOfSecondaryCapture = made.ContentDate, made.ContentTime
    stamp_equipment(made, producer, report.bundle)
    _write_derivation(made, report, shown, sources)
    _write_laterality(made, shown)
    _write_pixels(made, picture)
    return made


def write_png(picture: NDArray[np.uint8], path: Path | str) -> None:
    """Write a picture (rows, columns, 3) as PNG."""
    Image.fromarray(picture).save(path, format="PNG", compress_level=4)


def _own_text(report: StudyReport, producer: Producer) -> str:
    """All text that this node adds, to check whether the source's character set can encode it."""
    models = [f"{model.manufacturer} {model.name} {model.version}" for model in report.bundle.models]
    return "\n".join(
        [
            _derivation(report),
            summary_sentence(report, producer.language),
            producer.institution,
            producer.station_name,
            *models,
        ]
    )


def _write_identity(made: Dataset, report: StudyReport, kind: ObjectKind) -> None:
    """SOP Common and file meta information (PS3.3 C.12.1, PS3.10 7.1)."""
    made.StudyInstanceUID = report.study_instance_uid
    uid = overlay_uid(report)
    if kind is ObjectKind.OVERLAY:
        identify(made, kind, uid)
        made.InstanceNumber = 1
    else:
        identify(made, kind, result_uid(report, "overlay detail"))
        made.SeriesInstanceUID = series_uid_of(uid)
        made.InstanceNumber = 2


def _write_series(made: Dataset, report: StudyReport, language: Language) -> None:
    """General Series, General Image and SC Equipment (PS3.3 C.7.3.1, C.7.6.1, C.8.6.1)."""
    made.ConversionType = "WSD"
    made.SeriesDescription = SERIES_DESCRIPTION
    made.PatientOrientation = None
    made.ImageComments = summary_sentence(report, language)[:10240]


def _write_derivation(
    made: Dataset, report: StudyReport, shown: Sequence[ImageFinding], sources: Mapping[str, Dataset]
) -> None:
    """General Reference and derivation (PS3.3 C.7.6.1.1.3, C.12.4)."""
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.BurnedInAnnotation = "YES"
    made.RecognizableVisualFeatures = "NO"
    made.DerivationDescription = _derivation(report)[:1024]
    if not shown:
        return
    made.DerivationCodeSequence = [code_item(SPATIAL_RESAMPLING)]
    made.SourceImageSequence = [_source_item(image) for image in shown]
    if any(_is_lossy(sources.get(image.sop_instance_uid)) for image in shown):
        made.LossyImageCompression = "01"


def _derivation(report: StudyReport) -> str:
    bundle = report.bundle
    return (
        "AI result, not verified: radiographs scaled, with outlines of hands and the results of"
        f" {bundle.name} {bundle.version}. {bundle.notice}"
    ).strip()


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
    """Image Laterality where every hand shown has a side; else empty (unknown).

    An empty value keeps Laterality (0020,0060) from being required (PS3.3 C.7.3.1).
    """
    made.BodyPartExamined = "HAND"
    sides = {hand.side.side for image in shown for hand in image.hands}
    if not sides or None in sides:
        made.ImageLaterality = None
    elif len(sides) == 2:
        made.ImageLaterality = "B"
    else:
        made.ImageLaterality = "R" if Side.RIGHT in sides else "L"


def _write_pixels(made: Dataset, picture: NDArray[np.uint8]) -> None:
    """Image Pixel module: RGB, colour by pixel (PS3.3 C.7.6.3), as JPEG-LS without loss (PS3.5 A.4.3)."""
    made.SamplesPerPixel = 3
    made.PhotometricInterpretation = "RGB"
    made.PlanarConfiguration = 0
    made.Rows, made.Columns = picture.shape[:2]
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit = 7
    made.PixelRepresentation = 0
    made.PixelData = encapsulate([_jpeg_ls(picture)])
    made["PixelData"].VR = "OB"
    made["PixelData"].is_undefined_length = True
    made.file_meta.TransferSyntaxUID = JPEGLSLossless


def _jpeg_ls(picture: NDArray[np.uint8]) -> bytes:
    """Encode sample-interleaved, the fastest and smallest mode for a nearly grey image.

    Uses the codec directly: `Dataset.compress` costs a fifth more for checks and copies.
    """
    rows, columns, samples = picture.shape
    return bytes(encode_buffer(picture.tobytes(), rows, columns, samples, 8, interleave_mode=_BY_PIXEL))
