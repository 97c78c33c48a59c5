"""Creates complete DICOM studies of phantoms with valid attributes and an artificial patient.

`wrap` does the same for any given pixels, such as composed real radiographs.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import UID

from ra_node.domain.laterality.evidence import Side
from training.phantom.draw import draw_hands
from training.phantom.film import WHITE
from training.phantom.header import Laterality, Modality, described
from training.phantom.recipe import PhantomRecipe

Photometric = Literal["MONOCHROME1", "MONOCHROME2"]
Pixels = NDArray[np.uint8] | NDArray[np.uint16]

_OPPOSITE = {"L": "R", "R": "L", "F": "H", "H": "F", "A": "P", "P": "A"}
_NO_SIDE = ("P", "F")
"""Patient Orientation without a side, because a DX object must have one (PS3.3 C.8.11.3)."""
_TAKEN_AT = datetime.fromisoformat("2026-01-05T09:30:00")
BORN_ON = date(2011, 1, 1)
"""A patient of 15 years, inside the domain of the demonstration bundle."""


@dataclass(frozen=True, slots=True)
class ImageRecipe:
    """Header of one image; UIDs derive from `study_key` and the numbers only.

    `laterality` is R, L or B (both), "" without side; `orientation` is Patient
    Orientation (0020,0020), () to omit it. `spacing_mm` is that of the detector. The Patient ID,
    the accession number and the study's UID follow from `study_key`.
    """

    study_key: str
    modality: Modality = "DX"
    laterality: Laterality = "B"
    orientation: tuple[str, ...] = ("L", "F")
    spacing_mm: float = 0.143
    photometric: Photometric = "MONOCHROME2"
    bits_stored: int = 12
    series_number: int = 1
    instance_number: int = 1
    taken_at: datetime = _TAKEN_AT
    born_on: date = BORN_ON


def phantom_study(
    recipe: PhantomRecipe | None = None,
    *,
    modality: Modality = "DX",
    uid_key: str | None = None,
    one_image_per_hand: bool = False,
    side_evidence: bool = True,
    photometric: Photometric = "MONOCHROME2",
    bits_stored: int = 12,
    taken_at: datetime = _TAKEN_AT,
    born_on: date = BORN_ON,
) -> list[Dataset]:
    """Draw a study, ready to save or send as explicit VR little endian.

    Equal arguments give equal UIDs and pixels; `uid_key` makes the same picture another study. Without
    `side_evidence` the header has no laterality; a DX object must have it for a single hand
    (PS3.3 C.8.11.2, Image Laterality type 1), so ValueError is raised for that.
    """
    recipe = recipe or PhantomRecipe()
    pictures = _single_hands(recipe) if one_image_per_hand else [recipe]
    header = ImageRecipe(
        uid_key if uid_key is not None else repr(recipe),
        modality,
        photometric=photometric,
        bits_stored=bits_stored,
        taken_at=taken_at,
        born_on=born_on,
    )
    return [
        _image(picture, replace(header, instance_number=number), side_evidence=side_evidence)
        for number, picture in enumerate(pictures, start=1)
    ]


def _single_hands(recipe: PhantomRecipe) -> list[PhantomRecipe]:
    columns = recipe.columns // len(recipe.hands)
    return [
        replace(recipe, hands=(hand,), columns=columns, seed=recipe.seed + at)
        for at, hand in enumerate(recipe.hands)
    ]


def _image(picture: PhantomRecipe, header: ImageRecipe, *, side_evidence: bool) -> Dataset:
    phantom = draw_hands(picture)
    first = picture.hands[0].side
    laterality: Laterality = "B" if len(picture.hands) == 2 else first.value
    orientation = turned_orientation(("L" if first is Side.RIGHT else "R", "F"), picture.rotation)
    if not side_evidence:
        laterality = "B" if len(picture.hands) == 2 else ""
        orientation = _NO_SIDE
    header = replace(
        header,
        laterality=laterality,
        orientation=orientation,
        spacing_mm=phantom.spacing_mm,
        taken_at=header.taken_at + timedelta(minutes=header.instance_number - 1),
    )
    return wrap(phantom.pixels, header, white=WHITE)


def turned_orientation(orientation: tuple[str, str], rotation: int) -> tuple[str, str]:
    """Patient Orientation of a picture turned clockwise (PS3.3 C.7.6.1.1.1)."""
    row, column = orientation
    for _ in range(rotation // 90):
        row, column = _OPPOSITE[column], row
    return row, column


def wrap(pixels: Pixels, header: ImageRecipe, *, white: int | None = None) -> Dataset:
    """Make a DX or CR object of pixels (rows, columns), bone bright, with meta information set.

    `white` is the value of the brightest possible pixel, by default that of the array's type.
    """
    image = described(header, _uid)
    top = 2**header.bits_stored - 1
    full = white if white is not None else int(np.iinfo(pixels.dtype).max)
    shown = np.round(pixels.astype(np.float32) * (top / full)).clip(0, top)
    stored = top - shown if header.photometric == "MONOCHROME1" else shown
    wide = header.bits_stored > 8
    image.Rows, image.Columns = pixels.shape
    image.SamplesPerPixel, image.PixelRepresentation = 1, 0
    image.PhotometricInterpretation = header.photometric
    image.BitsAllocated = 16 if wide else 8
    image.BitsStored, image.HighBit = header.bits_stored, header.bits_stored - 1
    image.WindowCenter, image.WindowWidth = _window(stored)
    data = stored.astype("<u2" if wide else "u1").tobytes()
    image.PixelData = data + b"\0" * (len(data) % 2)
    image["PixelData"].VR = "OW" if wide else "OB"
    return image


def _window(stored: NDArray[np.float32]) -> tuple[float, float]:
    """Window centre and width (PS3.3 C.11.2.1.2) for all but the outermost values."""
    low, high = np.percentile(stored[::4, ::4], (0.5, 99.8))
    width = max(2.0, float(np.round(high - low)))
    return float(np.round((low + high) / 2)), width


def _uid(*parts: str) -> UID:
    """A UID of a UUID (PS3.5 B.2) that depends on its parts alone."""
    digest = hashlib.sha256("\x1f".join(("ra-node phantom", *parts)).encode()).digest()
    return UID(f"2.25.{int.from_bytes(digest[:16], 'big')}")
