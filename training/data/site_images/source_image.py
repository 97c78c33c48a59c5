"""Reads one image of a training set, DICOM or PNG, as the node does, with the attributes that may be kept."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset

from ra_node.dicom.reading.file import DatasetRefused, read_dataset, read_header
from ra_node.domain.laterality.evidence import Convention, SideHeader
from ra_node.domain.refusal import Refusal
from ra_node.domain.study import NO_HEADER
from ra_node.imaging.hand_detection import HandFinder
from ra_node.imaging.hand_extraction import Extraction, extract_from_dataset, extract_hands
from ra_node.imaging.pixels import PNG_SIGNATURE, PixelsRefused, read_png

OLDEST_YEARS = 90
"""Greater ages are capped to this one, because few patients have them (de-identification)."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """An image with its hands, and attributes of its header.

    `patient_id` must not be written or logged; it is "" for a PNG.
    """

    extraction: Extraction
    side: SideHeader
    patient_id: str
    sex: str
    age_years: int | None
    burned_in: bool


def sha256_of(path: Path) -> str:
    """The hash of a file, 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_image_file(path: Path) -> bool:
    """Whether a file has the signature of PNG, or the DICOM preamble and prefix (PS3.10 7.1)."""
    with path.open("rb") as stream:
        start = stream.read(132)
    return start.startswith(PNG_SIGNATURE) or start[128:] == b"DICM"


def read_source(path: Path, finder: HandFinder, convention: Convention = "none") -> Source | Refusal:
    """Read an image and detect its hands, or return the reason why the node would refuse it."""
    with path.open("rb") as stream:
        is_png = stream.read(len(PNG_SIGNATURE)) == PNG_SIGNATURE
    try:
        return _of_png(path, finder, convention) if is_png else _of_dicom(path, finder, convention)
    except (DatasetRefused, PixelsRefused) as error:
        return error.refusal


def _of_png(path: Path, finder: HandFinder, convention: Convention) -> Source:
    extraction = extract_hands(read_png(path), NO_HEADER, finder, convention)
    return Source(extraction, NO_HEADER.side, "", "", None, burned_in=False)


def _of_dicom(path: Path, finder: HandFinder, convention: Convention) -> Source | Refusal:
    dataset = read_dataset(path)
    header = read_header(dataset)
    extraction = extract_from_dataset(dataset, header, finder, convention)
    if isinstance(extraction, Refusal):
        return extraction
    return Source(
        extraction,
        header.side,
        _text(dataset, "PatientID"),
        sex if (sex := _text(dataset, "PatientSex").upper()) in ("M", "F", "O") else "",
        None if header.age.years is None else capped(int(header.age.years)),
        burned_in=header.burned_in_annotation.upper() == "YES",
    )


def capped(age_years: int | None) -> int | None:
    """The age, capped at `OLDEST_YEARS`."""
    return None if age_years is None else min(age_years, OLDEST_YEARS)


def _text(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    return "" if value is None else str(value).strip(" \0")
