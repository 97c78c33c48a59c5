"""The one phantom image of the node, drawn by `training.phantom.node_image`: valid DICOM, of no patient.

Two hands, the right one (image left) with changes of stage 3, the left one healthy; 1000 by 1200 pixels of 10
bits in JPEG-LS, 0.5 MB.
"""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

from pydicom import Dataset, dcmread

from ra_node.dicom.uids import derive_uid

FILE = Path(__file__).with_name("phantom_hands.dcm")
BORN_ON = date(2011, 1, 1)
"""A patient of 15 years, as the demonstration bundle knows them."""


def phantom_image(key: str, *, born_on: date = BORN_ON) -> Dataset:
    """Read the image; its UIDs, Patient ID and accession number follow from `key`. Ready to save or send."""
    image = dcmread(FILE)
    number = hashlib.sha256(key.encode()).hexdigest()[:8].upper()
    image.PatientID = f"PHANTOM-{number}"
    image.PatientBirthDate = f"{born_on:%Y%m%d}"
    image.PatientAge = f"{_years(born_on, date.fromisoformat(image.StudyDate)):03d}Y"
    image.StudyID, image.AccessionNumber = number, f"PH{number}"
    image.StudyInstanceUID = derive_uid("phantom study", key)
    image.SeriesInstanceUID = derive_uid("phantom series", key)
    image.SOPInstanceUID = derive_uid("phantom image", key)
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    return image


def _years(born: date, day: date) -> int:
    """Completed years."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
