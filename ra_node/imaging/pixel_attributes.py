"""Reads numbers and terms of a data set, tolerant of wrong VRs and formats.

Known attributes arrive as UN, numbers with a decimal comma or as text, terms in lower case or padded by NUL.
None of this changes the meaning, so none of it prevents reading.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable

from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

_BINARY = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d", "US or SS": "H"}
_MEANINGLESS = (None, "UN", "OB", "OW")
"""VRs that are less specific than that of the dictionary (PS3.6)."""


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """The finite numbers of an attribute; () where it is absent or holds none."""
    found = (_number(value) for value in _values(dataset, keyword))
    return tuple(value for value in found if value is not None)


def number(dataset: Dataset, keyword: str) -> float | None:
    """The first number of an attribute; None without one."""
    return next(iter(numbers(dataset, keyword)), None)


def term(dataset: Dataset, keyword: str) -> str:
    """The first value of a coded string in upper case without padding; "" where absent."""
    first = next(iter(_values(dataset, keyword)), "")
    return str(first).strip(" \0\t\r\n").upper()


def _values(dataset: Dataset, keyword: str) -> list[object]:
    tag = tag_for_keyword(keyword)
    element = dataset.get_item(Tag(tag)) if tag is not None and tag in dataset else None
    if element is None or element.value is None:
        return []
    if isinstance(element, RawDataElement) and isinstance(element.value, bytes):
        vr = dictionary_VR(element.tag) if element.VR in _MEANINGLESS else element.VR
        return _decoded(element.value, str(vr), little=element.is_little_endian)
    value = element.value
    if isinstance(value, bytes):
        vr = dictionary_VR(element.tag) if element.VR in _MEANINGLESS else element.VR
        return _decoded(value, str(vr), little=True)
    return [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)


def _decoded(value: bytes, vr: str, *, little: bool) -> list[object]:
    form = _BINARY.get(vr)
    if form is None:
        return list(value.decode("ascii", "replace").split("\\"))
    packed = struct.Struct(("<" if little else ">") + form)
    return [packed.unpack_from(value, at)[0] for at in range(0, len(value) - packed.size + 1, packed.size)]


def _number(value: object) -> float | None:
    text = str(value).strip(" \0\t\r\n").replace(",", ".")
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None
