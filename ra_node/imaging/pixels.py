"""Reads one radiograph into float values and a display picture in which bone is bright.

Sizes are checked before anything is decoded; whatever cannot be read is refused with a sentence that
names what was expected and found and nothing about the patient.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import (
    JPEG2000,
    UID,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from ra_node.domain.report import Reason, Refusal
from ra_node.errors import MachineFault, Refused
from ra_node.imaging import codestream, greyscale
from ra_node.imaging.greyscale import Curve, StoredFormat

Words = NDArray[Any]
"""Pixels as they are stored: uint8 or uint16, (rows, columns)."""

_MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR")
_OWN_SYNTAXES = frozenset(
    {
        JPEGBaseline8Bit, JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless,
        JPEG2000Lossless, JPEG2000, RLELossless,
    }
)  # fmt: skip
"""Compressed transfer syntaxes that the installed libraries decode."""
_PNG_START = b"\x89PNG\r\n\x1a\n"


class PixelsRefused(Refused):
    """An image whose pixels cannot be used; `refusal` is the answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class PixelLimits:
    """What is read: at least `side_px` a side, at most `area_px` in all."""

    side_px: int = 128
    area_px: int = 120_000_000


@dataclass(frozen=True, slots=True)
class Radiograph:
    """One image with bone bright.

    values: (rows, columns) modality values, mirrored within their range where the header displays small
    values white. display: (rows, columns) what a viewer shows with the header's own VOI.
    """

    values: NDArray[np.float32]
    display: NDArray[np.uint8]


DEFAULT_LIMITS = PixelLimits()


def read_radiograph(dataset: Dataset, limits: PixelLimits = DEFAULT_LIMITS) -> Radiograph:
    """Decode a single-frame image; raise PixelsRefused where that is not possible or not wise."""
    form = _checked_format(dataset, limits)
    if dataset.PhotometricInterpretation not in _MONOCHROME:
        return _from_grey(_decoded_colour(dataset))
    words = _decoded_words(dataset)
    try:
        return _from_words(words, dataset, form)
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise _unreadable(f"expected usable grey-scale tables, found {type(error).__name__}") from error


def read_png(path: Path, limits: PixelLimits = DEFAULT_LIMITS) -> Radiograph:
    """Read an 8 or 16 bit PNG, grey or colour, bone bright; raise PixelsRefused like read_radiograph."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(f"expected a readable PNG file, found {type(error).__name__}") from error
    if not content.startswith(_PNG_START) or len(content) < 24:
        raise _unreadable("expected a PNG file, found something else")
    columns, rows = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    _check_size(rows, columns, limits)
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.dtype not in (np.uint8, np.uint16):
        raise _unreadable("expected a PNG of 8 or 16 bits, found one that does not decode")
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_BGRA2GRAY if picture.shape[2] == 4 else cv2.COLOR_BGR2GRAY)
    return _from_grey(picture)


def _checked_format(dataset: Dataset, limits: PixelLimits) -> StoredFormat:
    """Check everything that the header says about the pixels before they are touched."""
    if "PixelData" not in dataset or not dataset["PixelData"].value:
        raise PixelsRefused(Refusal(Reason.NO_PIXELS, "Expected pixel data, found none."))
    _check_size(_integer(dataset, "Rows"), _integer(dataset, "Columns"), limits)
    frames = _integer(dataset, "NumberOfFrames", 1)
    if frames != 1:
        raise PixelsRefused(
            Refusal(Reason.NOT_A_RADIOGRAPH, f"Expected a radiograph of one frame, found {frames} frames.")
        )
    interpretation = str(dataset.get("PhotometricInterpretation") or "")
    samples = _integer(dataset, "SamplesPerPixel", 1)
    wanted = 1 if interpretation in (*_MONOCHROME, "PALETTE COLOR") else 3
    if interpretation not in (*_MONOCHROME, *_COLOUR) or samples != wanted:
        found = f'"{interpretation[:16]}" with {samples} samples per pixel'
        raise _unreadable(f"expected a grey or colour photometric interpretation, found {found}")
    return _stored_format(dataset)


def _check_size(rows: int, columns: int, limits: PixelLimits) -> None:
    found = f"found {rows} rows and {columns} columns"
    if min(rows, columns) < limits.side_px:
        text = f"Expected an image of at least {limits.side_px} pixels a side, {found}."
        raise PixelsRefused(Refusal(Reason.TOO_SMALL, text))
    if rows * columns > limits.area_px:
        text = f"Expected an image of at most {limits.area_px / 1e6:g} megapixels, {found}."
        raise PixelsRefused(Refusal(Reason.TOO_LARGE, text))


def _stored_format(dataset: Dataset) -> StoredFormat:
    allocated = _integer(dataset, "BitsAllocated")
    bits = _integer(dataset, "BitsStored", allocated)
    if allocated not in (8, 16) or not 1 <= bits <= allocated:
        found = f"{bits} bits stored in {allocated} allocated"
        raise _unreadable(f"expected 8 or 16 bits allocated and no more stored, found {found}")
    high = _integer(dataset, "HighBit", bits - 1)
    syntax = _transfer_syntax(dataset)
    packed_as_stored = not syntax.is_encapsulated or syntax == RLELossless
    # A codec carries values, not words, so only these keep the unused low bits of an odd HighBit.
    shift = high - bits + 1 if packed_as_stored and bits - 1 <= high < allocated else 0
    return StoredFormat(allocated, bits, shift, _integer(dataset, "PixelRepresentation", 0) == 1)


def _integer(dataset: Dataset, keyword: str, default: int = 0) -> int:
    value = dataset.get(keyword)
    try:
        return default if value is None else int(value)
    except (TypeError, ValueError):
        raise _unreadable(f"expected a number in {keyword}, found another value") from None


def _transfer_syntax(dataset: Dataset) -> UID:
    syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    if syntax is None:
        raise _unreadable("expected a transfer syntax, found none")
    return UID(syntax)


def _decoded_words(dataset: Dataset) -> Words:
    """Decode to pixel words, (rows, columns), without interpreting their bits."""
    syntax = _transfer_syntax(dataset)
    pixels = _decoded(
        dataset, {"raw": True, "view_only": True, "correct_unused_bits": syntax.is_encapsulated}
    )
    native = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))
    return native.view(np.uint8 if native.dtype.itemsize == 1 else np.uint16)


def _decoded_colour(dataset: Dataset) -> Words:
    """Decode a colour image to its grey values, (rows, columns)."""
    pixels = _decoded(dataset, {"raw": False, "as_rgb": True})
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        try:
            pixels = apply_color_lut(pixels, dataset)
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            found = type(error).__name__
            raise _unreadable(f"expected a usable colour palette, found {found}") from error
    grey = cv2.cvtColor(np.ascontiguousarray(pixels[..., :3]), cv2.COLOR_RGB2GRAY)
    return grey if grey.dtype == np.uint8 else grey.astype(np.uint16)


def _decoded(dataset: Dataset, options: dict[str, Any]) -> NDArray[Any]:
    """Run pydicom's decoder on the only frame; a failure is the image's fault.

    Except for what the system says: memory or handles ran out, or a library cannot be loaded (MachineFault).
    """
    syntax = _transfer_syntax(dataset)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about padding and odd headers; the result is checked instead
            decoder = get_decoder(syntax)
            if syntax.is_encapsulated:
                _expect_library(syntax, available=decoder.is_available)
                _check_codestream(dataset, syntax)
            pixels: NDArray[Any] = decoder.as_array(dataset, index=0, **options)[0]
    except (PixelsRefused, MachineFault, MemoryError):
        raise
    except Exception as error:  # codecs in C++ raise whatever they like
        if isinstance(error, OSError) and error.errno is not None:
            raise  # Pillow has errors of this type, without a number, for images that break off
        found = type(error).__name__
        raise _unreadable(
            f"expected pixels encoded as {syntax.name}, found {found} while decoding"
        ) from error
    return pixels


def _expect_library(syntax: UID, *, available: bool) -> None:
    """Raise MachineFault for what this installation decodes, where its library does not load now."""
    if syntax in _OWN_SYNTAXES and not available:
        raise MachineFault(f"expected a library that decodes {syntax.name}, found none that loads")


def _check_codestream(dataset: Dataset, syntax: UID) -> None:
    """Refuse a frame that would unpack to another size than the header's or that was cut off."""
    if syntax == RLELossless:
        return
    frame = next(iter(generate_frames(dataset.PixelData, number_of_frames=1)))
    expected = (int(dataset.Rows), int(dataset.Columns))
    found = codestream.declared_size(frame)
    if found is not None and found != expected:
        raise _unreadable(f"expected {expected} rows and columns in the compressed frame, found {found}")
    if not codestream.is_complete(frame):
        raise _unreadable("expected a complete compressed frame, found one that was cut off")


def _from_words(words: Words, dataset: Dataset, form: StoredFormat) -> Radiograph:
    """Take pixel words through modality, VOI and polarity, one table each."""
    if words.dtype.itemsize * 8 != form.allocated:
        form = StoredFormat(words.dtype.itemsize * 8, form.bits, form.shift, form.signed)
    values = greyscale.modality_curve(dataset, form.stored_values())
    grey = greyscale.voi_curve(dataset, values)
    padding = greyscale.padding_words(dataset, form)
    counts = None
    if grey is None or padding is not None:
        counts = np.bincount(words.reshape(-1), minlength=form.words).astype(np.float64)
        if padding is not None:
            counts[padding] = 0
    if grey is None:
        assert counts is not None
        grey = greyscale.spread_curve(values, counts)
    if greyscale.is_inverted(dataset):
        values, grey = values.min() + values.max() - values, 1 - grey
    if padding is not None and counts is not None and counts.any():
        present = counts > 0
        values[padding], grey[padding] = values[present].min(), 0
    return Radiograph(_looked_up(words, values.astype(np.float32)), _looked_up(words, _to_bytes(grey)))


def _from_grey(grey: Words) -> Radiograph:
    """Wrap a picture that is already in display order; 16 bits are stretched for display."""
    values = grey.astype(np.float32)
    if grey.dtype == np.uint8:
        return Radiograph(values, grey.astype(np.uint8, copy=False))
    counts = np.bincount(grey.reshape(-1), minlength=65536).astype(np.float64)
    table = greyscale.spread_curve(np.arange(65536, dtype=np.float64), counts)
    return Radiograph(values, _looked_up(grey, _to_bytes(table)))


def _to_bytes(grey: Curve) -> NDArray[np.uint8]:
    return np.rint(grey * 255).astype(np.uint8)


def _looked_up(words: NDArray[Any], table: NDArray[Any]) -> NDArray[Any]:
    """Give table[words], a table with an entry for every word; numpy takes three times as long."""
    return np.asarray(cv2.LUT(words, table), table.dtype)


def _unreadable(expected_and_found: str) -> PixelsRefused:
    text = f"{expected_and_found[0].upper()}{expected_and_found[1:]}."
    return PixelsRefused(Refusal(Reason.UNREADABLE_PIXELS, text))
