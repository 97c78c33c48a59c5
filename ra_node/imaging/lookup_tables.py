"""Lookup tables from stored pixel words to modality values and display grey levels.

A radiograph has at most 65,536 different pixel words, so every step of the grey-scale pipeline (PS3.3
C.11, PS3.4 N.2) is computed once per possible word, whatever the number of pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from ra_node.imaging.pixel_attributes import number, numbers, term

_LEAST_CONTRAST = 0.25
"""A VOI must give the image at least this share of the grey scale: a table of 12 bits whose descriptor or one
odd entry claims more shows a nearly black image."""
_MOST_VALUE = 1e30
"""Modality values are single precision, and are squared."""

Curve = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StoredFormat:
    """How a pixel word holds its value (PS3.5 8.1.1): `shift` bits below it, `bits` of its own."""

    allocated: int
    bits: int
    shift: int
    signed: bool

    @property
    def words(self) -> int:
        return 1 << self.allocated

    def stored_values(self) -> Curve:
        """Give the stored value of every possible pixel word, shape (words,)."""
        raw = np.arange(self.words, dtype=np.int64)
        value = (raw >> self.shift) & ((1 << self.bits) - 1)
        if self.signed:
            value -= (value >> (self.bits - 1)) << self.bits
        return value.astype(np.float64)


def modality_curve(dataset: Dataset, stored: Curve, remarks: list[str]) -> Curve:
    """Apply Modality LUT or rescale (C.11.1) to an array of stored values.

    An unusable table is left out, with a remark: the networks depend on contrast, not units.
    """
    for item in _items(dataset, "ModalityLUTSequence"):
        found = _lookup(item, signed=bool(stored.min() < 0))
        if isinstance(found, Table):
            return _picked(found.entries, stored - found.first)
        remarks.append(f"The Modality LUT was not used: {found}.")
    slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept")
    values = stored * (slope or 1.0) + (intercept or 0.0)
    if np.abs(values).max() > _MOST_VALUE:
        remarks.append("The rescale slope and intercept were not used: their values are out of range.")
        return stored
    return values


def is_inverted(dataset: Dataset) -> bool:
    """Whether small values are displayed white.

    MONOCHROME1 and PresentationLUTShape INVERSE are redundant in DX (C.8.11.3.1.2), so together they invert
    once.
    """
    shape = term(dataset, "PresentationLUTShape")
    return dataset.PhotometricInterpretation == "MONOCHROME1" or shape == "INVERSE"


def padding_words(dataset: Dataset, form: StoredFormat) -> NDArray[np.bool_] | None:
    """Mark the words that PixelPaddingValue and its range limit (C.7.5.1.1.2) exclude; None without one."""
    first = number(dataset, "PixelPaddingValue")
    if first is None:
        return None
    limit = number(dataset, "PixelPaddingRangeLimit")
    last = first if limit is None else limit
    low, high = sorted((_as_signed(first, form), _as_signed(last, form)))
    raw = np.arange(form.words, dtype=np.int64)
    if form.signed:
        raw = np.where(raw >= form.words // 2, raw - form.words, raw)
    marked: NDArray[np.bool_] = (raw >= low) & (raw <= high)
    return marked


def voi_curve(dataset: Dataset, values: Curve, sample: NDArray[Any], remarks: list[str]) -> Curve | None:
    """Apply the header's first usable VOI (C.11.2): 0..1, or None without one.

    `values` are those of all possible pixel words, `sample` some words of the image. A VOI is used for
    display only, so one that is broken, or shows nearly everything in one grey, is left out with a remark.
    """
    found = False
    for item in _items(dataset, "VOILUTSequence"):
        table = _lookup(item, signed=bool(values.min() < 0))
        if isinstance(table, Table):
            curve = np.clip(_picked(table.entries, values - table.first) / table.top, 0, 1)
            if _shows(curve, sample):
                return curve
        why = table if isinstance(table, str) else "it shows nearly everything in one grey"
        remarks.append(f"The VOI LUT was not used for display: {why}.")
    function = term(dataset, "VOILUTFunction") or "LINEAR"
    for centre, width in zip(numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth"), strict=False):
        found = True
        curve_or_none = windowed(values, centre, width, function)
        if curve_or_none is not None and _shows(curve_or_none, sample):
            return curve_or_none
    if found:
        remarks.append(
            "The window in the header was not used for display: it shows nearly everything in one grey."
        )
    return None


def _shows(curve: Curve, sample: NDArray[Any]) -> bool:
    """Whether a VOI gives the image enough contrast, without its extremes."""
    if sample.size == 0:
        return True
    low, high = np.percentile(curve[sample.reshape(-1)], (0.5, 99.5))
    return bool(high - low >= _LEAST_CONTRAST)


def windowed(values: Curve, centre: float, width: float, function: str = "LINEAR") -> Curve | None:
    """Apply a window (C.11.2.1.2, C.11.2.1.3) to values: 0..1, or None where it is not valid."""
    if math.isnan(centre) or math.isnan(width) or width <= 0 or (width < 1 and function == "LINEAR"):
        return None
    if function == "SIGMOID":
        exponent = np.clip(-4 * (values - centre) / width, -60, 60)
        return np.asarray(1 / (1 + np.exp(exponent)))
    if function == "LINEAR_EXACT":
        return np.clip((values - centre) / width + 0.5, 0, 1)
    if width == 1:
        return np.where(values > centre - 0.5, 1.0, 0.0)
    return np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)


def spread_curve(values: Curve, counts: NDArray[np.float64]) -> Curve:
    """Stretch the central 99 % of the counted values over 0..1, for images without a VOI."""
    order = np.argsort(values, kind="stable")
    share = np.cumsum(counts[order]) / max(counts.sum(), 1)
    low, high = values[order][np.minimum(np.searchsorted(share, (0.005, 0.995)), len(order) - 1)]
    return np.asarray(np.clip((values - low) / max(high - low, 1e-6), 0, 1))


@dataclass(frozen=True, slots=True)
class Table:
    """A LUT item (C.11.1.1): first mapped value, outputs, and the largest possible output."""

    first: float
    entries: Curve
    top: int


def _lookup(item: Dataset, *, signed: bool) -> Table | str:
    """Read a LUT item, or return a text with expected and found.

    The number of bits is derived from the data, because descriptors state too many or too few.
    """
    descriptor = numbers(item, "LUTDescriptor")
    if len(descriptor) != 3:
        return f"expected 3 numbers in its LUT Descriptor (0028,3002), found {len(descriptor)}"
    entries = int(descriptor[0]) % 65536 or 65536
    first = descriptor[1] - 65536 if signed and descriptor[1] >= 32768 else descriptor[1]
    table = _lookup_data(item, entries, wide=descriptor[2] > 8)
    if len(table) < entries:
        return f"expected {entries} entries in its LUT Data (0028,3006), found {len(table)}"
    table = table[:entries]
    return Table(first, table.astype(np.float64), max(1, (1 << int(table.max()).bit_length()) - 1))


def _lookup_data(item: Dataset, entries: int, *, wide: bool) -> NDArray[Any]:
    """The data of a LUT: words, or bytes where it is only long enough for bytes."""
    element = item.get_item("LUTData")
    data: Any = None if element is None else element.value
    if isinstance(data, bytes):
        order = "<" if getattr(element, "is_little_endian", True) else ">"
        wide = len(data) >= 2 * entries or (wide and len(data) != entries)
        return np.frombuffer(data[: len(data) // (1 + wide) * (1 + wide)], dtype=f"{order}u{1 + wide}")
    return np.asarray(numbers(item, "LUTData"), dtype=np.float64).astype(np.int64) & 0xFFFF


def _items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; none where it is absent or no sequence."""
    try:
        value = dataset.get(keyword)
    except Exception:  # noqa: BLE001 - whatever stands there, it is no sequence
        return []
    return [item for item in value if isinstance(item, Dataset)] if isinstance(value, Sequence) else []


def _picked(table: Curve, index: Curve) -> Curve:
    """Look up with both ends of the table extended (C.11.1.1.1)."""
    picked: Curve = table[np.clip(index, 0, len(table) - 1).astype(np.intp)]
    return picked


def _as_signed(value: float, form: StoredFormat) -> float:
    """Correct a padding value that was read as US in a signed image."""
    return value - form.words if form.signed and value >= form.words // 2 else value
