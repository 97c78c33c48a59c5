"""Observation context, procedure and image library of the report tree (TID 1500 rows 2 to 5)."""

from __future__ import annotations

from collections.abc import Mapping

import highdicom.sr as hd
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from ra_node.dicom import concept_codes
from ra_node.dicom.provenance import Producer, observer_uid
from ra_node.dicom.reading.selection_attributes import header_of
from ra_node.dicom.sr.content_item import CONTAINS, Item, Relation, code, container, item, text
from ra_node.domain.bundle_identity import BundleIdentity
from ra_node.domain.image_groups import grouped_numbers, groups_of
from ra_node.domain.laterality.evidence import UNDEFINED
from ra_node.domain.refusal import Reason
from ra_node.domain.report import ImageFinding, StudyReport

_ACQUISITION = Relation.HAS_ACQ_CONTEXT


def language_and_observer(producer: Producer, bundle: BundleIdentity) -> list[Item]:
    """Language English (TID 1204); observer: this installation and its models (TID 1001, 1002, 1004)."""
    device = item(
        _device,
        uid=observer_uid(producer, bundle),
        name=producer.station_name,
        manufacturer_name=producer.manufacturer,
        model_name=producer.model_name,
        serial_number=producer.device_serial,
    )
    return [item(_language, language=concept_codes.ENGLISH), device]


def _language(language: Code) -> hd.LanguageOfContentItemAndDescendants:
    return hd.LanguageOfContentItemAndDescendants(_concept(language))


def _device(
    uid: str, name: str, manufacturer_name: str, model_name: str, serial_number: str
) -> hd.ObserverContext:
    attributes = hd.DeviceObserverIdentifyingAttributes(
        uid, name, manufacturer_name, model_name, serial_number
    )
    return hd.ObserverContext(
        observer_type=_concept(concept_codes.DEVICE), observer_identifying_attributes=attributes
    )


def procedure_reported() -> Item:
    """An imaging procedure (row 4; CID 100 has no plain radiograph); the image library has the modality."""
    return code(concept_codes.PROCEDURE_REPORTED, concept_codes.IMAGING_PROCEDURE, Relation.HAS_CONCEPT_MOD)


def image_library(report: StudyReport, sources: Mapping[str, Dataset]) -> Item | None:
    """Image library (TID 1600) with attributes from the headers; None without images.

    Grouped images without a result are only referenced.
    """
    told_together = grouped_numbers(groups_of(report))
    entries = [
        _entry(image, sources.get(image.sop_instance_uid))
        for number, image in enumerate(report.images, start=1)
        if is_image(image) and number not in told_together
    ]
    if not entries:
        return None
    return container(concept_codes.IMAGE_LIBRARY, [container(concept_codes.IMAGE_LIBRARY_GROUP, entries)])


def is_image(image: ImageFinding) -> bool:
    """Whether an image has rows and columns, so that a region of it can be shown."""
    return image.rows > 0 and image.columns > 0 and is_referenced(image)


def is_referenced(image: ImageFinding) -> bool:
    """False for an image of a patient conflict: a viewer would open it under the patient of the report."""
    return image.refusal is None or image.refusal.reason is not Reason.PATIENT_CONFLICT


def _entry(image: ImageFinding, source: Dataset | None) -> Item:
    return item(
        hd.ImageContentItem,
        _descriptors(image, source),
        name=concept_codes.SOURCE,
        referenced_sop_class_uid=image.sop_class_uid,
        referenced_sop_instance_uid=image.sop_instance_uid,
        relationship_type=CONTAINS,
    )


def _descriptors(image: ImageFinding, source: Dataset | None) -> list[Item]:
    """TID 1602 and 1603, with the attributes present in the header."""
    header = None if source is None else header_of(source)
    items = [
        code(
            concept_codes.MODALITY,
            concept_codes.modality_code(header.modality if header else ""),
            _ACQUISITION,
        )
    ]
    laterality = concept_codes.LATERALITY_CODES.get(header.side.image_laterality) if header else None
    if laterality is not None:
        items.append(code(concept_codes.IMAGE_LATERALITY, laterality, _ACQUISITION))
    items.append(_number(concept_codes.PIXEL_DATA_ROWS, image.rows, concept_codes.PIXELS))
    items.append(_number(concept_codes.PIXEL_DATA_COLUMNS, image.columns, concept_codes.PIXELS))
    if source is not None and header is not None:
        items.extend([*_orientation(header.side.patient_orientation), *_spacing(source)])
    return items


def _orientation(directions: tuple[str, ...]) -> list[Item]:
    if len(directions) != 2 or not all(directions) or UNDEFINED in directions:
        return []
    names = (concept_codes.PATIENT_ORIENTATION_ROW, concept_codes.PATIENT_ORIENTATION_COLUMN)
    return [text(name, value, _ACQUISITION) for name, value in zip(names, directions, strict=True)]


def _spacing(source: Dataset) -> list[Item]:
    """Pixel spacing in mm, at the detector where it is not calibrated (PS3.3 10.7.1.3)."""
    value = source.get("PixelSpacing") or source.get("ImagerPixelSpacing")
    try:
        vertical, horizontal = (float(part) for part in value or ())
    except (TypeError, ValueError):
        return []
    return [
        _number(concept_codes.HORIZONTAL_PIXEL_SPACING, horizontal, concept_codes.MILLIMETER),
        _number(concept_codes.VERTICAL_PIXEL_SPACING, vertical, concept_codes.MILLIMETER),
    ]


def _concept(code: Code) -> hd.CodedConcept:
    return hd.CodedConcept.from_code(code)


def _number(name: Code, value: float, unit: Code) -> Item:
    return item(_num, name=name, value=value, unit=unit, whole=isinstance(value, int))


def _num(name: Code, value: float, unit: Code, *, whole: bool) -> hd.NumContentItem:
    made = hd.NumContentItem(name=name, value=value, unit=unit, relationship_type=_ACQUISITION)
    if whole:
        made.MeasuredValueSequence[0].NumericValue = str(value)
    return made
