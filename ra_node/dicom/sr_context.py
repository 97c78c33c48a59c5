"""The part of the report tree that says who observed what in which images (TID 1500 rows 2 to 5)."""

from __future__ import annotations

from collections.abc import Mapping

import highdicom.sr as hd
from highdicom.sr.value_types import ContentItem
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from ra_node.dicom import codes
from ra_node.dicom.header import header_of
from ra_node.dicom.provenance import Producer, observer_uid
from ra_node.domain.report import BundleIdentity, ImageFinding, StudyReport

_ACQUISITION = hd.RelationshipTypeValues.HAS_ACQ_CONTEXT
_CONTAINS = hd.RelationshipTypeValues.CONTAINS


def language_and_observer(producer: Producer, bundle: BundleIdentity) -> list[ContentItem]:
    """English (TID 1204), seen by this installation with its models as a device (TID 1001, 1002, 1004)."""
    device = hd.DeviceObserverIdentifyingAttributes(
        uid=observer_uid(producer, bundle),
        name=producer.station_name,
        manufacturer_name=producer.manufacturer,
        model_name=producer.model_name,
        serial_number=producer.device_serial,
    )
    observer = hd.ObserverContext(
        observer_type=_concept(codes.DEVICE), observer_identifying_attributes=device
    )
    return [*hd.LanguageOfContentItemAndDescendants(_concept(codes.ENGLISH)), *observer]


def procedure_reported() -> ContentItem:
    """An imaging procedure (row 4, CID 100 knows no plain radiograph); the library tells the modality."""
    return hd.CodeContentItem(
        name=codes.PROCEDURE_REPORTED,
        value=codes.IMAGING_PROCEDURE,
        relationship_type=hd.RelationshipTypeValues.HAS_CONCEPT_MOD,
    )


def image_library(report: StudyReport, sources: Mapping[str, Dataset]) -> ContentItem | None:
    """The images of the report with what their headers say of them (TID 1600); None without images."""
    entries = [
        _entry(image, sources.get(image.sop_instance_uid)) for image in report.images if is_image(image)
    ]
    if not entries:
        return None
    group = hd.ContainerContentItem(
        codes.IMAGE_LIBRARY_GROUP, is_content_continuous=False, relationship_type=_CONTAINS
    )
    group.ContentSequence = hd.ContentSequence(entries)
    library = hd.ContainerContentItem(
        codes.IMAGE_LIBRARY, is_content_continuous=False, relationship_type=_CONTAINS
    )
    library.ContentSequence = hd.ContentSequence([group])
    return library


def is_image(image: ImageFinding) -> bool:
    """True for what has rows and columns, so that a region of it can be shown."""
    return image.rows > 0 and image.columns > 0


def _entry(image: ImageFinding, source: Dataset | None) -> ContentItem:
    entry = hd.ImageContentItem(
        name=codes.SOURCE,
        referenced_sop_class_uid=image.sop_class_uid,
        referenced_sop_instance_uid=image.sop_instance_uid,
        relationship_type=_CONTAINS,
    )
    entry.ContentSequence = hd.ContentSequence(_descriptors(image, source))
    return entry


def _descriptors(image: ImageFinding, source: Dataset | None) -> list[ContentItem]:
    """TID 1602 and 1603, with what the header really holds."""
    header = None if source is None else header_of(source)
    items = [_code(codes.MODALITY, codes.modality_code(header.modality if header else ""))]
    laterality = codes.LATERALITY_CODES.get(header.side.image_laterality) if header else None
    if laterality is not None:
        items.append(_code(codes.IMAGE_LATERALITY, laterality))
    items.append(_number(codes.PIXEL_DATA_ROWS, image.rows, codes.PIXELS))
    items.append(_number(codes.PIXEL_DATA_COLUMNS, image.columns, codes.PIXELS))
    if source is not None and header is not None:
        items.extend([*_orientation(header.side.patient_orientation), *_spacing(source)])
    return items


def _orientation(directions: tuple[str, ...]) -> list[ContentItem]:
    if len(directions) != 2 or not all(directions):
        return []
    names = (codes.PATIENT_ORIENTATION_ROW, codes.PATIENT_ORIENTATION_COLUMN)
    return [
        hd.TextContentItem(name=name, value=value, relationship_type=_ACQUISITION)
        for name, value in zip(names, directions, strict=True)
    ]


def _spacing(source: Dataset) -> list[ContentItem]:
    """Pixel spacing in mm, at the detector where it is not calibrated (PS3.3 10.7.1.3)."""
    value = source.get("PixelSpacing") or source.get("ImagerPixelSpacing")
    try:
        vertical, horizontal = (float(part) for part in value or ())
    except (TypeError, ValueError):
        return []
    return [
        _number(codes.HORIZONTAL_PIXEL_SPACING, horizontal, codes.MILLIMETER),
        _number(codes.VERTICAL_PIXEL_SPACING, vertical, codes.MILLIMETER),
    ]


def _concept(code: Code) -> hd.CodedConcept:
    return hd.CodedConcept.from_code(code)


def _code(name: Code, value: Code) -> ContentItem:
    return hd.CodeContentItem(name=name, value=value, relationship_type=_ACQUISITION)


def _number(name: Code, value: float, unit: Code) -> ContentItem:
    item = hd.NumContentItem(name=name, value=value, unit=unit, relationship_type=_ACQUISITION)
    if isinstance(value, int):
        item.MeasuredValueSequence[0].NumericValue = str(value)
    return item
