"""The header of a phantom image: Digital X-Ray for presentation or Computed Radiography (PS3.3 A.26, A.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date, datetime
from typing import Literal, Protocol

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
)

Modality = Literal["DX", "CR"]
Laterality = Literal["R", "L", "B", ""]

_MAGNIFICATION = 1.02
"""Magnification, because the hand is above the sensitive layer of the detector."""
_HAND = ("85562004", "Hand")
_POSTERO_ANTERIOR = ("272479007", "postero-anterior")


class HeaderAttributes(Protocol):
    """Attributes of an image that its header needs."""

    @property
    def study_key(self) -> str: ...
    @property
    def modality(self) -> Modality: ...
    @property
    def laterality(self) -> Laterality: ...
    @property
    def orientation(self) -> tuple[str, ...]: ...
    @property
    def spacing_mm(self) -> float: ...
    @property
    def photometric(self) -> str: ...
    @property
    def series_number(self) -> int: ...
    @property
    def instance_number(self) -> int: ...
    @property
    def taken_at(self) -> datetime: ...
    @property
    def born_on(self) -> date: ...


def described(recipe: HeaderAttributes, uid: Callable[..., UID]) -> Dataset:
    """All modules except Image Pixel, with file meta information; `uid` derives UIDs from parts."""
    image = Dataset()
    image.SpecificCharacterSet = "ISO_IR 192"
    _add_patient_and_study(image, recipe, uid)
    _add_series_and_equipment(image, recipe, uid)
    _add_image(image, recipe)
    if recipe.modality == "DX":
        _add_digital_x_ray(image, recipe)
    else:
        _add_computed_radiography(image, recipe)
    _identify(image, recipe, uid)
    return image


def _identify(image: Dataset, recipe: HeaderAttributes, uid: Callable[..., UID]) -> None:
    sop_class: UID = ComputedRadiographyImageStorage
    if recipe.modality == "DX":
        sop_class = DigitalXRayImageStorageForPresentation
    image.SOPClassUID = sop_class
    numbers = (str(recipe.series_number), str(recipe.instance_number))
    image.SOPInstanceUID = uid("instance", recipe.study_key, recipe.modality, *numbers)
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = uid("implementation")
    image.file_meta = meta


def _add_patient_and_study(image: Dataset, recipe: HeaderAttributes, uid: Callable[..., UID]) -> None:
    number = hashlib.sha256(recipe.study_key.encode()).hexdigest()[:8].upper()
    image.PatientName = "PHANTOM^HAND"
    image.PatientID = f"PHANTOM-{number}"
    image.PatientBirthDate = f"{recipe.born_on:%Y%m%d}"
    image.PatientSex = "O"
    image.PatientAge = f"{_years(recipe.born_on, recipe.taken_at.date()):03d}Y"
    image.PatientComments = "Drawn by a program; no patient."
    image.StudyInstanceUID = uid("study", recipe.study_key)
    image.StudyDate, image.StudyTime = _moment(recipe.taken_at.replace(minute=0, second=0))
    image.StudyID = number
    image.AccessionNumber = f"PH{number}"
    image.StudyDescription = "Phantom radiograph of the hand"
    image.ReferringPhysicianName = ""


def _years(born: date, day: date) -> int:
    """Completed years."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def _add_series_and_equipment(image: Dataset, recipe: HeaderAttributes, uid: Callable[..., UID]) -> None:
    image.SeriesInstanceUID = uid("series", recipe.study_key, recipe.modality, str(recipe.series_number))
    image.SeriesNumber = recipe.series_number
    image.SeriesDescription = "Hand PA"
    image.Modality = recipe.modality
    image.SeriesDate, image.SeriesTime = _moment(recipe.taken_at.replace(minute=0, second=0))
    image.BodyPartExamined = "HAND"
    image.Manufacturer = "Phantom"  # not the manufacturer of this node, whose objects are never analysed
    image.ManufacturerModelName = "Drawn hand radiograph"
    image.InstitutionName = "No hospital"
    image.SoftwareVersions = "1"


def _add_image(image: Dataset, recipe: HeaderAttributes) -> None:
    image.InstanceNumber = recipe.instance_number
    image.AcquisitionDate, image.AcquisitionTime = _moment(recipe.taken_at)
    image.ContentDate, image.ContentTime = _moment(recipe.taken_at)
    image.PatientOrientation = list(recipe.orientation)
    image.BurnedInAnnotation = "NO"
    image.LossyImageCompression = "00"
    image.PresentationLUTShape = "INVERSE" if recipe.photometric == "MONOCHROME1" else "IDENTITY"
    image.ViewPosition = "PA"
    image.AnatomicRegionSequence = [_code(_HAND)]
    spacing = round(recipe.spacing_mm, 6)
    image.ImagerPixelSpacing = [spacing, spacing]


def _add_digital_x_ray(image: Dataset, recipe: HeaderAttributes) -> None:
    if recipe.laterality == "":
        raise ValueError('a DX object needs Image Laterality "R", "L" or "B", found none (PS3.3 C.8.11.2)')
    image.ImageType = ["ORIGINAL", "PRIMARY", ""]
    image.ImageLaterality = recipe.laterality
    image.PresentationIntentType = "FOR PRESENTATION"
    image.PositionerType = ""
    image.ViewCodeSequence = [_code(_POSTERO_ANTERIOR)]
    image.ViewCodeSequence[0].ViewModifierCodeSequence = []
    image.DetectorType = "SCINTILLATOR"
    image.PixelIntensityRelationship = "LOG"
    image.PixelIntensityRelationshipSign = 1 if recipe.photometric == "MONOCHROME1" else -1
    image.RescaleIntercept, image.RescaleSlope, image.RescaleType = 0, 1, "US"
    image.AcquisitionContextSequence = []
    spacing = round(recipe.spacing_mm / _MAGNIFICATION, 6)
    image.PixelSpacing = [spacing, spacing]
    image.PixelSpacingCalibrationType = "GEOMETRY"
    image.PixelSpacingCalibrationDescription = f"Hand on the detector, magnification {_MAGNIFICATION}"
    image.EstimatedRadiographicMagnificationFactor = _MAGNIFICATION


def _add_computed_radiography(image: Dataset, recipe: HeaderAttributes) -> None:
    image.ImageType = ["ORIGINAL", "PRIMARY"]
    image.PlateType = ""
    if recipe.laterality:
        image.ImageLaterality = recipe.laterality
    else:
        image.Laterality = ""


def _code(value_and_meaning: tuple[str, str]) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodeMeaning = value_and_meaning
    item.CodingSchemeDesignator = "SCT"
    return item


def _moment(at: datetime) -> tuple[str, str]:
    return at.strftime("%Y%m%d"), at.strftime("%H%M%S")
