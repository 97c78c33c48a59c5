"""Wraps pixels of hands as valid CR and DX studies of a patient who does not exist.

Every object has a complete header (PS3.3 A.2, A.26) and says in it that it is a phantom.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from ra_node.phantom.draw import draw_hands
from ra_node.phantom.recipe import PhantomRecipe

COMPUTED_RADIOGRAPHY = "1.2.840.10008.5.1.4.1.1.1"
DIGITAL_X_RAY = "1.2.840.10008.5.1.4.1.1.1.1"

FULL_BITS, PHANTOM_BITS = 16, 12
_OPPOSITE = {"R": "L", "L": "R", "F": "H", "H": "F"}

Modality = Literal["DX", "CR"]
Photometric = Literal["MONOCHROME2", "MONOCHROME1"]


@dataclass(frozen=True, slots=True)
class Header:
    """What an image says about itself.

    laterality is "B" for both hands, "R" or "L" for one, "" for nothing said. patient_orientation
    holds the directions of rows and columns (PS3.3 C.7.6.1.1.1), () for nothing said, which only a CR
    image may leave out; real DX images do all the same. `study` and
    `number` make the UIDs: equal ones give equal UIDs.
    """

    study: str = "phantom"
    number: int = 1
    modality: Modality = "DX"
    laterality: str = "B"
    patient_orientation: tuple[str, ...] = ("L", "F")
    photometric: Photometric = "MONOCHROME2"
    bits_stored: int = 12
    spacing_mm: float = 0.143
    patient_name: str = "PHANTOM^HAND"
    patient_id: str = "PHANTOM"
    taken_at: datetime = datetime(2026, 1, 2, 8, 30)  # noqa: DTZ001 - DICOM times of a study are local
    description: str = "Phantom hands, simulated"


def phantom_study(recipe: PhantomRecipe, header: Header) -> list[Dataset]:
    """Draw a recipe and wrap it as a study of one image whose header tells its sides truly.

    Laterality, orientation and spacing of `header` are replaced by those of the recipe.
    """
    phantom = draw_hands(recipe)
    sides = {hand.side for hand in recipe.hands}
    truth = replace(
        header,
        laterality="B" if len(sides) == 2 else sides.pop(),
        patient_orientation=_orientation(recipe),
        spacing_mm=phantom.spacing_mm,
    )
    return [wrap(phantom.pixels << np.uint16(FULL_BITS - PHANTOM_BITS), truth)]


def _orientation(recipe: PhantomRecipe) -> tuple[str, str]:
    """Directions of rows and columns (PS3.3 C.7.6.1.1.1) after the recipe's quarter turns.

    Unturned, fingers are up, and the last hand (or the thumb's side of a single one) tells what lies right.
    """
    right = recipe.hands[-1].side if len(recipe.hands) == 2 else _OPPOSITE[recipe.hands[0].side]
    to_right, down = str(right), "F"
    for _ in range(recipe.rotation // 90):
        to_right, down = _OPPOSITE[down], to_right
    return to_right, down


def wrap(pixels: NDArray[np.uint16], header: Header) -> Dataset:
    """Wrap pixels (rows, columns), bone bright, 0 to 65535 over the whole range, as one image.

    They are scaled to the header's bits, and turned round for MONOCHROME1.
    """
    made = Dataset()
    _identify(made, header)
    _describe(made, header)
    if header.modality == "DX":
        _describe_dx(made, header)
    else:
        _describe_cr(made, header)
    _put_pixels(made, pixels, header)
    _put_meta(made)
    return made


def derived_uid(*parts: object) -> str:
    """A UID that only these parts give (PS3.5 B.2)."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def _identify(made: Dataset, header: Header) -> None:
    """Patient and study modules (PS3.3 C.7.1.1, C.7.2.1), and the names of the instance."""
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID = DIGITAL_X_RAY if header.modality == "DX" else COMPUTED_RADIOGRAPHY
    made.SOPInstanceUID = derived_uid("phantom instance", header.study, header.number)
    made.SeriesInstanceUID = derived_uid("phantom series", header.study)
    made.StudyInstanceUID = derived_uid("phantom study", header.study)
    made.PatientName, made.PatientID = header.patient_name, header.patient_id
    made.PatientBirthDate, made.PatientSex, made.PatientAge = "19660101", "O", "060Y"
    made.StudyDate = made.AcquisitionDate = made.ContentDate = header.taken_at.strftime("%Y%m%d")
    made.StudyTime = made.AcquisitionTime = made.ContentTime = header.taken_at.strftime("%H%M%S")
    made.StudyID, made.AccessionNumber, made.ReferringPhysicianName = "1", "PHANTOM", ""
    made.StudyDescription = header.description
    made.SeriesNumber, made.InstanceNumber = 1, header.number


def _describe(made: Dataset, header: Header) -> None:
    """What CR and DX images have in common."""
    made.Modality = header.modality
    made.Manufacturer, made.ManufacturerModelName = "phantom", "drawn hand radiograph"
    made.SeriesDescription = header.description
    made.BodyPartExamined = "HAND"
    if header.patient_orientation:
        made.PatientOrientation = list(header.patient_orientation)
    made.BurnedInAnnotation = "NO"
    made.ImagerPixelSpacing = [header.spacing_mm, header.spacing_mm]


def _describe_dx(made: Dataset, header: Header) -> None:
    """DX anatomy, image and detector (PS3.3 C.8.11.2, C.8.11.3, C.8.11.4)."""
    made.PresentationIntentType = "FOR PRESENTATION"
    made.ImageType = ["ORIGINAL", "PRIMARY", ""]
    made.ImageLaterality = header.laterality or "U"
    made.AnatomicRegionSequence = [_code("85562004", "SCT", "Hand")]
    made.ViewCodeSequence = [_code("272479002", "SCT", "postero-anterior")]
    made.ViewCodeSequence[0].ViewModifierCodeSequence = []
    made.PositionerType, made.DetectorType = None, "SCINTILLATOR"
    made.PixelIntensityRelationship, made.PixelIntensityRelationshipSign = "LOG", -1
    made.RescaleIntercept, made.RescaleSlope, made.RescaleType = 0, 1, "US"
    made.LossyImageCompression = "00"
    made.AcquisitionContextSequence = []


def _describe_cr(made: Dataset, header: Header) -> None:
    """CR series and image (PS3.3 C.8.1.1, C.8.1.2)."""
    made.ImageType = ["ORIGINAL", "PRIMARY"]
    if header.laterality in ("R", "L"):
        made.Laterality = header.laterality
    elif header.laterality == "B":
        made.ImageLaterality = "B"
    else:
        made.Laterality = None
    if not header.patient_orientation:
        made.PatientOrientation = None
    made.PlateType, made.ViewPosition = "", "PA"


def _put_pixels(made: Dataset, pixels: NDArray[np.uint16], header: Header) -> None:
    """Image pixel and VOI modules (PS3.3 C.7.6.3, C.11.2); MONOCHROME1 shows small values white."""
    top = (1 << header.bits_stored) - 1
    stored = pixels >> np.uint16(16 - header.bits_stored)
    inverted = header.photometric == "MONOCHROME1"
    if inverted:
        stored = np.uint16(top) - stored
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, header.photometric
    made.Rows, made.Columns = pixels.shape
    made.BitsAllocated = 8 if header.bits_stored == 8 else 16
    made.BitsStored, made.HighBit = header.bits_stored, header.bits_stored - 1
    made.PixelRepresentation = 0
    made.WindowCenter, made.WindowWidth = (top + 1) / 2, top + 1
    if header.modality == "DX":
        made.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    made.PixelData = _padded(stored.astype(np.uint8 if header.bits_stored == 8 else np.uint16).tobytes())
    made["PixelData"].VR = "OB" if header.bits_stored == 8 else "OW"


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (len(data) % 2)


def _put_meta(made: Dataset) -> None:
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item
