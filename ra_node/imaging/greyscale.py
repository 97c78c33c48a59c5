"""The tables that take stored pixel words to modality values and to display grey levels.

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


def modality_curve(dataset: Dataset, stored: Curve) -> Curve:
    """Apply Modality LUT or rescale (C.11.1) to an array of stored values."""
    sequence = dataset.get("ModalityLUTSequence")
    if sequence:
        first, table, _ = _lookup(sequence[0], signed=bool(stored.min() < 0))
        return _picked(table, stored - first)
    slope = _number(dataset.get("RescaleSlope"), 1.0)
    intercept = _number(dataset.get("RescaleIntercept"), 0.0)
    return stored * (slope or 1.0) + intercept


def is_inverted(dataset: Dataset) -> bool:
    """Say whether small values are displayed white.

    MONOCHROME1 and PresentationLUTShape INVERSE state one fact twice in DX (C.8.11.3.1.2), so together
    they invert once.
    """
    shape = str(dataset.get("PresentationLUTShape") or "").upper()
    return dataset.PhotometricInterpretation == "MONOCHROME1" or shape == "INVERSE"


def padding_words(dataset: Dataset, form: StoredFormat) -> NDArray[np.bool_] | None:
    """Mark the words that PixelPaddingValue and its range limit (C.7.5.1.1.2) exclude; None without one."""
    first = _number(dataset.get("PixelPaddingValue"), math.nan)
    if math.isnan(first):
        return None
    last = _number(dataset.get("PixelPaddingRangeLimit"), first)
    low, high = sorted((_as_signed(first, form), _as_signed(last, form)))
    raw = np.arange(form.words, dtype=np.int64)
    if form.signed:
        raw = np.where(raw >= form.words // 2, raw - form.words, raw)
    marked: NDArray[np.bool_] = (raw >= low) & (raw <= high)
    return marked


def voi_curve(dataset: Dataset, values: Curve) -> Curve | None:
    """Apply the header's first VOI (C.11.2) to modality values: 0..1, or None without a usable one."""
    sequence = dataset.get("VOILUTSequence")
    if sequence:
        first, table, bits = _lookup(sequence[0], signed=bool(values.min() < 0))
        return np.clip(_picked(table, values - first) / ((1 << bits) - 1), 0, 1)
    centre = _number(dataset.get("WindowCenter"), math.nan)
    width = _number(dataset.get("WindowWidth"), math.nan)
    function = str(dataset.get("VOILUTFunction") or "LINEAR").upper()
    return windowed(values, centre, width, function)


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


def _lookup(item: Dataset, *, signed: bool) -> tuple[int, Curve, int]:
    """Read a LUT item (C.11.1.1): first value mapped, output values, bits of an output value."""
    entries, first, bits = (int(value) for value in item.LUTDescriptor)
    entries = entries % 65536 or 65536
    if signed and first >= 32768:
        first -= 65536
    data: Any = item.LUTData
    if isinstance(data, bytes):
        table = np.frombuffer(data, dtype="<u1" if len(data) < 2 * entries else "<u2")
    else:
        table = np.atleast_1d(np.asarray(data)).astype(np.uint16)
    if len(table) < entries:
        raise ValueError(f"expected a lookup table of {entries} entries, found {len(table)}")
    return first, table[:entries].astype(np.float64), min(max(bits, 1), 16)


def _picked(table: Curve, index: Curve) -> Curve:
    """Look up with both ends of the table extended, as C.11.1.1.1 asks."""
    picked: Curve = table[np.clip(index, 0, len(table) - 1).astype(np.intp)]
    return picked


def _number(value: object, default: float) -> float:
    """Give the first number of a possibly empty or multiple DS or US value."""
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        value = next(iter(value), None)
    if not isinstance(value, (str, int, float)):
        return default
    try:
        number = float(value)
    except ValueError:
        return default
    return number if math.isfinite(number) else default


def _as_signed(value: float, form: StoredFormat) -> float:
    """Mend a padding value that was read as US in a signed image."""
    return value - form.words if form.signed and value >= form.words // 2 else value
