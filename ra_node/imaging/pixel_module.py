"""Completes the Image Pixel Module (PS3.3 C.7.6.3) of an image from other attributes, with a remark.

An attribute is derived where only one value is possible, or where the pixels determine it; otherwise the
image is refused with the name of the attribute. Sizes are checked before decoding.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydicom import Dataset
from pydicom.datadict import dictionary_description, dictionary_VR, tag_for_keyword
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000TransferSyntaxes, RLELossless

from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.texts.defined_terms import photometric_interpretation
from ra_node.errors import Refused
from ra_node.imaging import codestream
from ra_node.imaging.lookup_tables import StoredFormat
from ra_node.imaging.pixel_attributes import number, term

MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR")
_ITEM = b"\xfe\xff\x00\xe0"
_OFFSET_TABLES = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")


class PixelsRefused(Refused):
    """An image whose pixels cannot be used; `refusal` is the reason for the report."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class PixelLimits:
    """Size limits: at least `side_px` a side, at most `area_px` in all."""

    side_px: int = 128
    area_px: int = 120_000_000


@dataclass(frozen=True, slots=True)
class PixelModule:
    """Pixel attributes of an image after `complete`."""

    interpretation: str
    format: StoredFormat
    syntax: UID
    remarks: tuple[str, ...]


def complete(dataset: Dataset, limits: PixelLimits) -> PixelModule:
    """Check the module, write derived attributes to the data set, and re-encapsulate its only frame.

    Raises PixelsRefused with what was expected and found.
    """
    _expect_pixels(dataset)
    remarks: list[str] = []
    rows, columns = _size(dataset, limits)
    _expect_one_frame(dataset)
    interpretation, samples = _samples(dataset, remarks)
    value = bytes(dataset["PixelData"].value)
    frame = _frame(dataset, value, rows * columns * samples * (_whole(dataset, "BitsAllocated") or 8) // 8)
    allocated = _allocated(dataset, frame, len(value) // (rows * columns * samples), remarks)
    native_bytes = rows * columns * (2 if interpretation == "YBR_FULL_422" else samples) * allocated // 8
    syntax = _encode(dataset, value, frame, native_bytes, remarks)
    form = _stored_format(dataset, allocated, syntax, frame, remarks)
    true: dict[str, int | str] = {
        "Rows": rows,
        "Columns": columns,
        "NumberOfFrames": 1,
        "SamplesPerPixel": samples,
        "PhotometricInterpretation": interpretation,
        "BitsAllocated": form.allocated,
        "BitsStored": form.bits,
        "PixelRepresentation": int(form.signed),
    }
    if samples > 1:
        true["PlanarConfiguration"] = int(number(dataset, "PlanarConfiguration") == 1)
    for keyword, found in true.items():
        dataset.add_new(keyword, dictionary_VR(keyword), found)
    return PixelModule(interpretation, form, syntax, tuple(remarks))


def unreadable(expected_and_found: str) -> PixelsRefused:
    """The refusal of unreadable pixels, with expected and found as a sentence."""
    text = f"{expected_and_found[0].upper()}{expected_and_found[1:]}."
    return PixelsRefused(Refusal(Reason.UNREADABLE_PIXELS, text))


def check_size(rows: int, columns: int, limits: PixelLimits) -> None:
    """Refuse an image that is too small to show a hand or too large for memory."""
    found = f"found {rows} rows and {columns} columns"
    if min(rows, columns) < limits.side_px:
        text = f"Expected an image of at least {limits.side_px} pixels a side, {found}."
        raise PixelsRefused(Refusal(Reason.TOO_SMALL, text))
    if rows * columns > limits.area_px:
        text = f"Expected an image of at most {limits.area_px / 1e6:g} megapixels, {found}."
        raise PixelsRefused(Refusal(Reason.TOO_LARGE, text))


def _expect_pixels(dataset: Dataset) -> None:
    if "PixelData" in dataset and dataset["PixelData"].value:
        return
    text = "Expected pixel data, found none."
    for keyword in ("FloatPixelData", "DoubleFloatPixelData"):
        if keyword in dataset:
            text = f"Expected Pixel Data (7FE0,0010), found {_named(keyword)}."
    raise PixelsRefused(Refusal(Reason.NO_PIXELS, text))


def _size(dataset: Dataset, limits: PixelLimits) -> tuple[int, int]:
    rows, columns = (_whole(dataset, keyword) or 0 for keyword in ("Rows", "Columns"))
    check_size(rows, columns, limits)
    return rows, columns


def _expect_one_frame(dataset: Dataset) -> None:
    """Number of Frames that is missing or below 1 means one frame, because pixels are present."""
    frames = int(number(dataset, "NumberOfFrames") or 1)
    if frames > 1:
        text = f"Expected a radiograph of one frame, found {frames} frames."
        raise PixelsRefused(Refusal(Reason.NOT_A_RADIOGRAPH, text))


def _samples(dataset: Dataset, remarks: list[str]) -> tuple[str, int]:
    interpretation = term(dataset, "PhotometricInterpretation")
    wanted = 1 if interpretation in (*MONOCHROME, "PALETTE COLOR") else 3
    samples = _whole(dataset, "SamplesPerPixel")
    known = interpretation in (*MONOCHROME, *_COLOUR)
    if known and samples is None:
        samples = wanted
        remarks.append(_assumed("SamplesPerPixel", wanted))
    if not known or samples != wanted:
        name = (
            "no photometric interpretation"
            if not interpretation
            else photometric_interpretation(interpretation)
        )
        found = f"{name} with {samples or 0} samples per pixel"
        raise unreadable(f"expected a grey or colour photometric interpretation, found {found}")
    return interpretation, wanted


def _frame(dataset: Dataset, value: bytes, native_bytes: int) -> bytes | None:
    """The one compressed frame in its fragments, or without these; None for native pixels."""
    if dataset["PixelData"].is_undefined_length or value.startswith(_ITEM):
        try:
            return next(iter(generate_frames(value, number_of_frames=1)), b"")
        except Exception as error:  # for any fragments
            raise unreadable("expected pixels in fragments, found none that can be read") from error
    return value if len(value) < native_bytes and codestream.fitting_syntaxes(value) else None


def _allocated(dataset: Dataset, frame: bytes | None, bytes_each: int, remarks: list[str]) -> int:
    allocated = _whole(dataset, "BitsAllocated")
    if allocated is None:
        bits = 8 * bytes_each if frame is None else codestream.declared_bits(frame) or 0
        allocated = 8 if 0 < bits <= 8 else 16 if bits == 16 or (frame is not None and bits) else 0
        if allocated:
            remarks.append(_assumed("BitsAllocated", allocated))
    if allocated not in (8, 16):
        found = f"{_whole(dataset, 'BitsStored') or 0} bits stored in {allocated} allocated"
        raise unreadable(f"expected 8 or 16 bits allocated and no more stored, found {found}")
    return allocated


def _encode(
    dataset: Dataset, value: bytes, frame: bytes | None, native_bytes: int, remarks: list[str]
) -> UID:
    """Encapsulate the frame, and set its actual transfer syntax where the header names another."""
    stated = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    if stated is None:
        raise unreadable("expected a transfer syntax, found none")
    syntax = found = UID(stated)
    if frame is not None:
        found = _syntax_of(frame, syntax, native_bytes)
    elif is_encapsulated(syntax) or not syntax.is_transfer_syntax:
        found = ExplicitVRLittleEndian
    if found != syntax:
        remarks.append(f"The pixels are encoded as {found.name}, not as the transfer syntax says.")
    if frame is not None and is_encapsulated(found):
        _check_size_of_frame(dataset, frame, found)
        whole = frame if found == RLELossless else codestream.whole(frame)
        if whole is None:
            raise unreadable("expected a complete compressed frame, found one that was cut off")
        dataset.PixelData = encapsulate([whole], has_bot=False)
    else:
        native = value if frame is None else frame
        if len(native) < native_bytes:
            raise unreadable(f"expected {native_bytes} bytes of pixels, found {len(native)}")
        dataset.PixelData = native
    dataset["PixelData"].is_undefined_length = is_encapsulated(found)
    for keyword in _OFFSET_TABLES:
        dataset.pop(keyword, None)
    dataset.file_meta.TransferSyntaxUID = found
    return found


def _syntax_of(frame: bytes, stated: UID, native_bytes: int) -> UID:
    fitting = codestream.fitting_syntaxes(frame)
    if stated in fitting or (fitting and {stated, *fitting} <= set(JPEG2000TransferSyntaxes)):
        return stated
    if fitting:
        return fitting[0]
    return stated if is_encapsulated(stated) or len(frame) < native_bytes else ExplicitVRLittleEndian


def is_encapsulated(syntax: UID) -> bool:
    """Whether a transfer syntax is encapsulated; False for a UID that is not a transfer syntax."""
    return bool(syntax.is_transfer_syntax and syntax.is_encapsulated)


def _check_size_of_frame(dataset: Dataset, frame: bytes, syntax: UID) -> None:
    """Refuse a frame whose decoded size differs from that of the header."""
    rows, columns = _whole(dataset, "Rows"), _whole(dataset, "Columns")
    found = None if syntax == RLELossless else codestream.declared_size(frame)
    if found is not None and found != (rows, columns):
        expected = f"expected a compressed frame of {rows} rows and {columns} columns"
        raise unreadable(f"{expected}, found {found[0]} rows and {found[1]} columns")


def _stored_format(
    dataset: Dataset, allocated: int, syntax: UID, frame: bytes | None, remarks: list[str]
) -> StoredFormat:
    bits = _whole(dataset, "BitsStored")
    if bits is None:
        bits = min(allocated, (codestream.declared_bits(frame) if frame else None) or allocated)
        remarks.append(_assumed("BitsStored", bits))
    if not 1 <= bits <= allocated:
        found = f"{bits} bits stored in {allocated} allocated"
        raise unreadable(f"expected 8 or 16 bits allocated and no more stored, found {found}")
    high = _whole(dataset, "HighBit")
    if high is None:
        high = bits - 1
        remarks.append(_assumed("HighBit", high))
    signed = _whole(dataset, "PixelRepresentation")
    if signed is None:
        remarks.append(_assumed("PixelRepresentation", 0))
    packed_as_stored = not is_encapsulated(syntax) or syntax == RLELossless
    # A codec encodes values, not words: only native and RLE words keep the unused low bits of an odd HighBit.
    shift = high - bits + 1 if packed_as_stored and bits - 1 <= high < allocated else 0
    return StoredFormat(allocated, bits, shift, signed == 1)


def _whole(dataset: Dataset, keyword: str) -> int | None:
    value = number(dataset, keyword)
    if value is None and keyword in dataset and term(dataset, keyword):
        raise unreadable(f"expected a number in {_named(keyword)}, found another value")
    return None if value is None else int(value)


def _assumed(keyword: str, value: int) -> str:
    return f"{_named(keyword)} is missing in the header; {value} was assumed."


def _named(keyword: str) -> str:
    tag = tag_for_keyword(keyword) or 0
    return f"{dictionary_description(tag)} ({tag >> 16:04X},{tag & 0xFFFF:04X})"
