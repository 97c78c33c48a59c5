"""Reads one radiograph into float values and a display image with bright bone.

Sizes are checked before decoding; an unreadable image is refused with a sentence with expected and found and
without patient attributes.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
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

from ra_node.errors import MachineFault
from ra_node.imaging import lookup_tables
from ra_node.imaging.lookup_tables import Curve, StoredFormat
from ra_node.imaging.pixel_module import (
    MONOCHROME,
    PixelLimits,
    PixelModule,
    PixelsRefused,
    check_size,
    complete,
    is_encapsulated,
    unreadable,
)

__all__ = ["DEFAULT_LIMITS", "PixelLimits", "PixelsRefused", "Radiograph", "read_png", "read_radiograph"]

Words = NDArray[Any]
"""Pixels as they are stored: uint8 or uint16, (rows, columns)."""

_SAMPLES = 128
"""Number of rows and columns sampled to check whether a VOI is usable."""
_OWN_SYNTAXES = frozenset(
    {
        JPEGBaseline8Bit, JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless,
        JPEG2000Lossless, JPEG2000, RLELossless,
    }
)  # fmt: skip
"""Compressed transfer syntaxes that the installed libraries decode."""
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
"""The first bytes of every PNG file (RFC 2083, 12.12)."""


@dataclass(frozen=True, slots=True)
class Radiograph:
    """One image with bone bright.

    values: (rows, columns) modality values, mirrored within their range where the header displays small
    values white. display: (rows, columns) what a viewer shows with the header's own VOI.
    """

    values: NDArray[np.float32]
    display: NDArray[np.uint8]
    remarks: tuple[str, ...] = ()
    """Assumptions and omissions as sentences for the report."""
    digest: str = ""
    """See `pixel_digest`; "" for pixels that come from no DICOM file."""


DEFAULT_LIMITS = PixelLimits()


def read_radiograph(dataset: Dataset, limits: PixelLimits = DEFAULT_LIMITS) -> Radiograph:
    """Decode a single-frame image; raises PixelsRefused where that is impossible or unsafe.

    Completes the Image Pixel Module in `dataset` where attributes are missing.
    """
    module = complete(dataset, limits)
    if module.interpretation not in MONOCHROME:
        grey = _decoded_colour(dataset, module)
        return replace(_from_grey(grey), remarks=module.remarks, digest=_digest(grey))
    words = _decoded_words(dataset, module)
    return replace(_from_words(words, dataset, module), digest=_digest_of_words(words, module))


def pixel_digest(dataset: Dataset, limits: PixelLimits = DEFAULT_LIMITS) -> str:
    """SHA-256 of the decoded pixels of a single-frame image, equal for every lossless transfer syntax.

    Of grey images the bits of the stored values count (PS3.5 8.1.1), not those beside them; of colour images
    their grey values. Raises PixelsRefused like read_radiograph.
    """
    module = complete(dataset, limits)
    if module.interpretation not in MONOCHROME:
        return _digest(_decoded_colour(dataset, module))
    return _digest_of_words(_decoded_words(dataset, module), module)


def _digest_of_words(words: Words, module: PixelModule) -> str:
    form = module.format
    shift = form.shift if words.dtype.itemsize * 8 >= form.shift + form.bits else 0
    stored = words if shift == 0 else words >> shift
    return _digest(stored & words.dtype.type((1 << form.bits) - 1))


def _digest(values: Words) -> str:
    """Of the shape and of 16-bit values, whatever the size in which they were decoded."""
    made = hashlib.sha256(repr(values.shape).encode())
    made.update(np.ascontiguousarray(values, dtype="<u2").data)
    return made.hexdigest()


def read_png(path: Path, limits: PixelLimits = DEFAULT_LIMITS) -> Radiograph:
    """Read an 8 or 16 bit PNG, grey or colour, bone bright; raise PixelsRefused like read_radiograph."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(f"expected a readable PNG file, found none: {error.strerror}") from error
    if not content.startswith(PNG_SIGNATURE) or len(content) < 24:
        raise unreadable("expected a PNG file, found something else")
    columns, rows = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    check_size(rows, columns, limits)
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.dtype not in (np.uint8, np.uint16):
        raise unreadable("expected a PNG of 8 or 16 bits, found one that does not decode")
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_BGRA2GRAY if picture.shape[2] == 4 else cv2.COLOR_BGR2GRAY)
    return _from_grey(picture)


def _decoded_words(dataset: Dataset, module: PixelModule) -> Words:
    """Decode to pixel words, (rows, columns), without interpreting their bits."""
    packed = is_encapsulated(module.syntax)
    pixels = _decoded(dataset, module, {"raw": True, "view_only": True, "correct_unused_bits": packed})
    native = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))
    return native.view(np.uint8 if native.dtype.itemsize == 1 else np.uint16)


def _decoded_colour(dataset: Dataset, module: PixelModule) -> Words:
    """Decode a colour image to its grey values, (rows, columns)."""
    pixels = _decoded(dataset, module, {"raw": False, "as_rgb": True})
    if module.interpretation == "PALETTE COLOR":
        try:
            pixels = apply_color_lut(pixels, dataset)
        except Exception as error:  # for any palette tables
            raise unreadable("expected a usable colour palette, found none") from error
    grey = cv2.cvtColor(np.ascontiguousarray(pixels[..., :3]), cv2.COLOR_RGB2GRAY)
    return grey if grey.dtype == np.uint8 else grey.astype(np.uint16)


def _decoded(dataset: Dataset, module: PixelModule, options: dict[str, Any]) -> NDArray[Any]:
    """Run pydicom's decoder on the only frame; a failure is a fault of the image.

    Errors of the system (no memory, no handles, a library that cannot be loaded) give MachineFault instead.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about padding and odd headers; the result is checked instead
            decoder = get_decoder(module.syntax)
            _expect_library(module.syntax, available=decoder.is_available)
            pixels: NDArray[Any] = decoder.as_array(dataset, index=0, **options)[0]
    except (MachineFault, MemoryError):
        raise
    except Exception as error:  # codecs in C++ raise any exception
        if isinstance(error, OSError) and error.errno is not None:
            raise  # Pillow raises this type without errno for truncated images
        raise unreadable(
            f"expected pixels encoded as {module.syntax.name}, found some that do not decode"
        ) from error
    return pixels


def _expect_library(syntax: UID, *, available: bool) -> None:
    """Raise MachineFault for a transfer syntax of this installation whose library does not load now."""
    if syntax in _OWN_SYNTAXES and not available:
        raise MachineFault(f"expected a library that decodes {syntax.name}, found none that loads")


def _from_words(words: Words, dataset: Dataset, module: PixelModule) -> Radiograph:
    """Apply modality, VOI and polarity to pixel words, one table each."""
    form, remarks = module.format, list(module.remarks)
    if words.dtype.itemsize * 8 != form.allocated:
        form = StoredFormat(words.dtype.itemsize * 8, form.bits, form.shift, form.signed)
    values = lookup_tables.modality_curve(dataset, form.stored_values(), remarks)
    padding = lookup_tables.padding_words(dataset, form)
    step = max(1, max(words.shape) // _SAMPLES)
    sample = words[::step, ::step]
    grey = lookup_tables.voi_curve(
        dataset, values, sample if padding is None else sample[~padding[sample]], remarks
    )
    counts = None
    if grey is None or padding is not None:
        counts = np.bincount(words.reshape(-1), minlength=form.words).astype(np.float64)
        if padding is not None:
            counts[padding] = 0
    if grey is None:
        assert counts is not None
        grey = lookup_tables.spread_curve(values, counts)
    if lookup_tables.is_inverted(dataset):
        values, grey = values.min() + values.max() - values, 1 - grey
    if padding is not None and counts is not None and counts.any():
        present = counts > 0
        values[padding], grey[padding] = values[present].min(), 0
    shown = _looked_up(words, _to_bytes(grey))
    return Radiograph(_looked_up(words, values.astype(np.float32)), shown, tuple(remarks))


def _from_grey(grey: Words) -> Radiograph:
    """Wrap an image that is already in display polarity; 16 bits are stretched for display."""
    values = grey.astype(np.float32)
    if grey.dtype == np.uint8:
        return Radiograph(values, grey.astype(np.uint8, copy=False))
    counts = np.bincount(grey.reshape(-1), minlength=65536).astype(np.float64)
    table = lookup_tables.spread_curve(np.arange(65536, dtype=np.float64), counts)
    return Radiograph(values, _looked_up(grey, _to_bytes(table)))


def _to_bytes(grey: Curve) -> NDArray[np.uint8]:
    return np.rint(grey * 255).astype(np.uint8)


def _looked_up(words: NDArray[Any], table: NDArray[Any]) -> NDArray[Any]:
    """table[words] by cv2.LUT; numpy indexing takes three times as long."""
    return np.asarray(cv2.LUT(words, table), table.dtype)
