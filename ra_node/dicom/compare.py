"""Tells a resent instance from another one that came under the same UID."""

from __future__ import annotations

from pathlib import Path

from pydicom import Dataset

from ra_node.dicom.read import read_loosely

_SHAPE = ("Rows", "Columns", "SamplesPerPixel", "BitsStored", "PixelRepresentation")


def same_pixels(first: Path, second: Path) -> bool:
    """True where two files hold the same picture.

    A resend may differ in its header (a corrected name) and in its compression (another route). Equal
    compression must mean equal bytes; with another compression only the shape is compared, because
    decoding has no place in a handler that a peer waits for.
    """
    a, b = read_loosely(first), read_loosely(second)
    if a.file_meta.get("TransferSyntaxUID") != b.file_meta.get("TransferSyntaxUID"):
        return all(a.get(keyword) == b.get(keyword) for keyword in _SHAPE)
    return _pixels(a) == _pixels(b)


def _pixels(dataset: Dataset) -> object:
    element = dataset.get_item("PixelData")
    return None if element is None else element.value
