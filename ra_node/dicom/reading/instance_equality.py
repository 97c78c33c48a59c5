"""Distinguishes resent, corrected and other instances with the same UID.

Ignored, because a PACS may change it: character set, institution, transfer dates, private attributes, series,
lossless compression. Compared, because the result depends on it: patient, study, side and view, spacing,
display transformations, and pixels.
"""

from __future__ import annotations

import re
import resource
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pydicom.valuerep import PersonName

from ra_node.dicom.reading.file import read_header, read_loosely
from ra_node.dicom.reading.selection_attributes import PIXEL_TAGS
from ra_node.domain.eligibility import calls_for_answer, header_refusal

COMPARED = (
    "SOPClassUID", "StudyInstanceUID",
    "PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex", "PatientAge",
    "AccessionNumber", "StudyDate",
    "ImageLaterality", "Laterality", "PatientOrientation", "ViewPosition", "ViewCodeSequence",
    "BodyPartExamined", "AnatomicRegionSequence", "PrimaryAnatomicStructureSequence",
    "PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio",
    "Rows", "Columns", "SamplesPerPixel", "NumberOfFrames", "BitsStored", "HighBit", "PixelRepresentation",
    "PixelPaddingValue", "PixelPaddingRangeLimit",
    "RescaleIntercept", "RescaleSlope", "ModalityLUTSequence", "WindowCenter", "WindowWidth",
    "VOILUTFunction", "VOILUTSequence", "PresentationLUTShape",
    "ImageType", "Modality", "PresentationIntentType",
)  # fmt: skip
"""The attributes that must be equal; letters of either case are equal, and so are 1 and 1.0."""

NOT_CORRECTABLE = frozenset({
    "SOPClassUID", "StudyInstanceUID", "Rows", "Columns", "SamplesPerPixel", "NumberOfFrames", "BitsStored",
    "HighBit", "PixelRepresentation",
})  # fmt: skip
"""A copy that differs in one of these is another instance, not the same one with a corrected header."""

IDENTIFYING = frozenset({"PatientID", "IssuerOfPatientID", "PatientName", "PatientSex", "AccessionNumber"})
"""Whose image it is and for which order: a correction needs a new report, but no new analysis."""

SIDE_TEXTS = (
    "SeriesDescription", "StudyDescription", "ProtocolName", "RequestedProcedureDescription",
    "PerformedProcedureStepDescription",
)  # fmt: skip
"""Of these only the named side must be equal: a PACS rewrites descriptions."""

MOST_DECODED_BYTES = 2**30
MOST_MEMORY_BYTES = 6 * 2**30
SAME_PIXELS, OTHER_PIXELS, UNKNOWN_PIXELS = 0, 3, 4
"""Exit codes of this module as a program."""
_RIGHT = {"r", "rt", "right", "re", "rechts", "droite", "droit", "dx", "derecha", "destra", "右"}
_LEFT = {"l", "lt", "left", "li", "links", "gauche", "sin", "izquierda", "sinistra", "左"}
_NOT_COMPARED = {"CodeMeaning", "MappingResource", "ContextIdentifier", "ContextUID", "CodingSchemeVersion",
                 "ContextGroupVersion", "LUTExplanation"}  # fmt: skip
_PLAIN = {ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian}


def differences(first: Dataset, second: Dataset) -> list[str]:
    """Keywords of relevant attributes in which two data sets differ, never values; [] where they agree."""
    found = [keyword for keyword in COMPARED if _value(first, keyword) != _value(second, keyword)]
    found += [keyword for keyword in SIDE_TEXTS if _sides(first, keyword) != _sides(second, keyword)]
    if _interpretation(first) != _interpretation(second):
        found.append("PhotometricInterpretation")
    if not found and _selection(first) != _selection(second):
        found.append("what the header says of the kind of image")
    return found


def header_values(dataset: Dataset) -> bytes:
    """Everything that `differences` compares, in a form of which a digest can be kept.

    Two data sets have equal values exactly where `differences` finds none.
    """
    sides = [sorted(_sides(dataset, keyword)) for keyword in SIDE_TEXTS]
    values = [_value(dataset, keyword) for keyword in COMPARED]
    return repr((values, sides, _interpretation(dataset), _selection(dataset))).encode()


def same_pixel_bytes(first: Dataset, second: Dataset) -> bool | None:
    """Whether two data sets hold the same pixels by their bytes; None: they must be decoded."""
    a, b = _pixels(first), _pixels(second)
    if a is None or b is None or a == b:
        return a == b
    syntaxes = {_syntax(first), _syntax(second)}
    if not syntaxes <= _PLAIN:
        return None
    return a.rstrip(b"\0") == b.rstrip(b"\0") and abs(len(a) - len(b)) <= 1


def same_decoded_pixels(first: Path, second: Path) -> bool:
    """Decode both and compare; runs in a process of its own with limits. Raises the decoder's exceptions."""
    from pydicom.pixels.decoders.base import get_decoder  # noqa: PLC0415 - the listener decodes nothing

    arrays = []
    for path in (first, second):
        dataset = read_loosely(path)
        samples = int(dataset.get("SamplesPerPixel") or 1) * int(dataset.get("NumberOfFrames") or 1)
        size = int(dataset.Rows) * int(dataset.Columns) * samples * int(dataset.BitsAllocated) // 8
        if size > MOST_DECODED_BYTES:
            raise ValueError(f"expected at most {MOST_DECODED_BYTES} bytes of pixels, found {size}")
        arrays.append(get_decoder(_syntax(dataset)).as_array(dataset)[0])
    return arrays[0].shape == arrays[1].shape and bool((arrays[0] == arrays[1]).all())


def same_pixels(first: Path, second: Path) -> bool:
    """Whether two files hold the same pixels; False also where they would have to be decoded."""
    return same_pixel_bytes(read_loosely(first), read_loosely(second)) is True


def _pixels(dataset: Dataset) -> bytes | None:
    """The stored pixel data, of any of the three kinds."""
    for tag in sorted(PIXEL_TAGS):
        element = dataset.get_item(tag) if tag in dataset else None
        if element is not None:
            return bytes(element.value or b"")
    return None


def _syntax(dataset: Dataset) -> UID:
    return UID(str(dataset.file_meta.get("TransferSyntaxUID") or ""))


def _value(dataset: Dataset, keyword: str) -> object:
    """The normalised value of an attribute; () where absent or empty."""
    if keyword not in dataset:
        return ()
    try:
        return _normal(dataset[keyword].value)
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError, NotImplementedError):
        return ("unreadable", bytes(getattr(dataset.get_item(keyword), "value", None) or b""))


def _normal(value: object) -> object:
    if value is None:
        return ()
    if isinstance(value, Sequence):
        return tuple(tuple(_item(item)) for item in value)
    if isinstance(value, MultiValue | list | tuple):
        return tuple(_normal(part) for part in value)
    if isinstance(value, bytes):
        return value.rstrip(b"\0 ")
    if isinstance(value, int | float):
        return float(value)
    text = str(value).rstrip("^= ") if isinstance(value, PersonName) else str(value)
    return " ".join(unicodedata.normalize("NFC", text).replace("\0", " ").split()).casefold() or ()


def _item(item: Dataset) -> Iterator[tuple[str, object]]:
    for element in item:
        if element.keyword and element.keyword not in _NOT_COMPARED:
            yield element.keyword, _normal(element.value)


def _sides(dataset: Dataset, keyword: str) -> set[str]:
    """The sides that a description names."""
    words = set(re.findall(r"[^\W\d_]+", str(_value(dataset, keyword) or "")))
    chinese = {sign for word in words for sign in word if sign in "右左"}
    return {side for side, names in (("R", _RIGHT), ("L", _LEFT)) if names & (words | chinese)}


def _interpretation(dataset: Dataset) -> object:
    """Normalised photometric interpretation; that of colour images changes with the compression."""
    found = _value(dataset, "PhotometricInterpretation")
    return found if str(found).startswith("monochrome") else "colour"


def _selection(dataset: Dataset) -> tuple[object, ...]:
    """Eligibility of the image by its header."""
    header = read_header(dataset)
    return calls_for_answer(header), header_refusal(header)


def main(first: str, second: str) -> int:
    """Compare the decoded pixels of two files; entry point of the child process, returns its exit code."""
    with suppress(OSError, ValueError):  # the service manager may not permit it
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    try:
        return SAME_PIXELS if same_decoded_pixels(Path(first), Path(second)) else OTHER_PIXELS
    except Exception:  # noqa: BLE001 - decoders raise whatever they like
        return UNKNOWN_PIXELS


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
