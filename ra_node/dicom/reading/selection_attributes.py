"""Reads the selection attributes of a data set, also from invalid values.

Values are decoded here from their stored bytes: pydicom's own conversion warns or fails on a value
that breaks its VR, and its switches for that are global, which a listener with threads cannot use.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from struct import calcsize, unpack

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from ra_node.dicom.reading.identity_attributes import IDENTITY_TAGS, identity_of
from ra_node.dicom.reading.side_evidence import SIDE_TAGS, side_header
from ra_node.domain.patient.age import Age, age_of
from ra_node.domain.study import ImageHeader

FLOAT_PIXELS, _DOUBLE_PIXELS, _PIXELS = 0x7FE00008, 0x7FE00009, 0x7FE00010
PIXEL_TAGS = frozenset({FLOAT_PIXELS, _DOUBLE_PIXELS, _PIXELS})
"""Float, double float and ordinary pixel data."""

_TEXTS = {
    "modality": 0x00080060,
    "body_part": 0x00180015,
    "presentation_intent": 0x00080068,
    "manufacturer": 0x00080070,
    "series_description": 0x0008103E,
    "burned_in_annotation": 0x00280301,
    "device_serial": 0x00181000,
    "station_name": 0x00081010,
    "patient_age": 0x00101010,
    "view_position": 0x00185101,
}
_UIDS = {
    "sop_class_uid": 0x00080016,
    "sop_instance_uid": 0x00080018,
    "study_instance_uid": 0x0020000D,
    "series_instance_uid": 0x0020000E,
}
_IMAGE_TYPE = 0x00080008
_FRAMES = 0x00280008
_ROWS, _COLUMNS = 0x00280010, 0x00280011
_DESCRIPTIONS = (0x0008103E, 0x00081030, 0x00181030, 0x00400254)
_IMAGE_TEXTS = (0x0008103E, 0x00181030, 0x00181400)
"""Series, protocol and processing descriptions."""
_REGION = 0x00082218
_PRIMARY_REGION = 0x00082228
_VIEW_CODES, _VIEW_MODIFIERS = 0x00540220, 0x00540222
_BIRTH_DATE, _STUDY_DATE = 0x00100030, 0x00080020
_ACQUIRED = ((0x0008002A, None), (0x00080022, 0x00080032), (0x00080023, 0x00080033))
"""Acquisition date and time in one, then apart, then those of the content."""
_INSTANCE_NUMBER = 0x00200013
_SERIES_NUMBER = 0x00200011
_DECIMAL = (_FRAMES, _INSTANCE_NUMBER, _SERIES_NUMBER)
"""Numbers stored as decimal strings (IS)."""
_PIXEL_SHAPES = (0x00280030, 0x00181164, 0x00182010, 0x00280034)
"""Pixel Spacing, Imager Pixel Spacing, Nominal Scanned Pixel Spacing, Pixel Aspect Ratio: rows first."""
_CODE_MEANING = 0x00080104
_CONTRIBUTING = 0x0018A001
_PURPOSE = 0x0040A170
_DEVICE_UID = 0x00181002
_MANUFACTURER = 0x00080070
_CODE_VALUE, _CODE_SCHEME = 0x00080100, 0x00080102

HEADER_TAGS: tuple[int, ...] = (
    *SIDE_TAGS, *_TEXTS.values(), *_UIDS.values(), _IMAGE_TYPE, _FRAMES, _ROWS, _COLUMNS, *_DESCRIPTIONS,
    _REGION, _PRIMARY_REGION, _CONTRIBUTING, *_IMAGE_TEXTS,
    _VIEW_CODES, _BIRTH_DATE, _STUDY_DATE, _INSTANCE_NUMBER, *_PIXEL_SHAPES,
    *(tag for pair in _ACQUIRED for tag in pair if tag is not None), *IDENTITY_TAGS,
)  # fmt: skip


def header_of(dataset: Dataset, *, has_pixels: bool | None = None) -> ImageHeader:
    """The selection attributes of a data set; `has_pixels` for a reader that stopped before the pixels."""
    seen = any(tag in dataset for tag in PIXEL_TAGS) if has_pixels is None else has_pixels
    equipment = _items(dataset, _CONTRIBUTING)
    return ImageHeader(
        **{name: _first(dataset, tag) for name, tag in _TEXTS.items()},
        **{name: _uid(dataset, tag) for name, tag in _UIDS.items()},
        transfer_syntax_uid=_transfer_syntax(dataset),
        image_type=_texts(dataset, _IMAGE_TYPE),
        anatomic_region_codes=tuple(_codes(dataset, (_REGION, _PRIMARY_REGION))),
        descriptions=tuple(text for tag in _DESCRIPTIONS if (text := _first(dataset, tag))),
        image_texts=tuple(_image_texts(dataset)),
        view_codes=tuple(_view_codes(dataset)),
        age=_age(dataset),
        acquired_at=_acquired_at(dataset),
        instance_number=_number(dataset, _INSTANCE_NUMBER),
        contributing_purposes=tuple(code for item in equipment for code in _codes(item, (_PURPOSE,))),
        contributing_manufacturers=tuple(_first(item, _MANUFACTURER) for item in equipment),
        processing_device_uids=tuple(_processing_devices(equipment)),
        rows=_number(dataset, _ROWS),
        columns=_number(dataset, _COLUMNS),
        frames=_number(dataset, _FRAMES) or 1,
        has_pixels=seen,
        identity=identity_of(dataset),
        side=side_header(dataset, _texts, _items),
        pixel_aspects=tuple(_pixel_aspects(dataset)),
    )


def _image_texts(dataset: Dataset) -> Iterator[str]:
    """Texts about this image alone, including the meanings of its region codes."""
    yield from (text for tag in _IMAGE_TEXTS if (text := _first(dataset, tag)))
    for tag in (_REGION, _PRIMARY_REGION):
        yield from (text for item in _items(dataset, tag) if (text := _first(item, _CODE_MEANING)))


def _view_codes(dataset: Dataset) -> Iterator[str]:
    yield from _codes(dataset, (_VIEW_CODES,))
    for item in _items(dataset, _VIEW_CODES):
        yield from _codes(item, (_VIEW_MODIFIERS,))


def _age(dataset: Dataset) -> Age:
    """Age by Patient's Age, and by birth date at the dates of study and exposure."""
    taken_on = (_first(dataset, _STUDY_DATE), _acquired_at(dataset)[:8])
    return age_of(_first(dataset, _TEXTS["patient_age"]), _first(dataset, _BIRTH_DATE), taken_on)


def _acquired_at(dataset: Dataset) -> str:
    """Year to fraction of the exposure, without zone: only images of one study are compared."""
    for day, hour in _ACQUIRED:
        text = _first(dataset, day) + (_first(dataset, hour) if hour is not None else "")
        digits = re.match(r"[\d.]*", text)
        if digits and len(digits[0]) >= 8:
            return digits[0]
    return ""


def _pixel_aspects(dataset: Dataset) -> Iterator[float]:
    for tag in _PIXEL_SHAPES:
        pair = [_decimal(text) for text in _texts(dataset, tag)[:2]]
        if len(pair) == 2 and min(pair) > 0:
            yield pair[0] / pair[1]


def _decimal(text: str) -> float:
    """A positive decimal number, else 0."""
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return 0.0
    return number if 1e-6 < number < 1e6 else 0.0


def _processing_devices(equipment: Iterable[Dataset]) -> Iterable[str]:
    for item in equipment:
        uid = _first(item, _DEVICE_UID)
        if uid and "109102 DCM" in _codes(item, (_PURPOSE,)):
            yield uid


def _transfer_syntax(dataset: Dataset) -> str:
    meta = getattr(dataset, "file_meta", None)
    return "" if meta is None else _first(meta, 0x00020010)


def _codes(dataset: Dataset, tags: Iterable[int]) -> list[str]:
    """Each code of the sequences as "value scheme"."""
    items = (item for tag in tags for item in _items(dataset, tag))
    return [f"{_first(item, _CODE_VALUE)} {_first(item, _CODE_SCHEME)}".strip() for item in items]


def _items(dataset: Dataset, tag: int) -> list[Dataset]:
    """The items of a sequence, none where it is absent or no sequence."""
    if tag not in dataset:
        return []
    value = dataset[tag].value
    return [item for item in value if isinstance(item, Dataset)] if isinstance(value, Iterable) else []


def _first(dataset: Dataset, tag: int) -> str:
    return next(iter(_texts(dataset, tag)), "")


def _uid(dataset: Dataset, tag: int) -> str:
    """A UID as stored; a second value makes it invalid."""
    return "\\".join(_texts(dataset, tag))


def _texts(dataset: Dataset, tag: int, codec: str = "utf-8") -> tuple[str, ...]:
    """The values of a text element, stripped of padding; () where it is absent or empty."""
    element = dataset.get_item(BaseTag(tag)) if tag in dataset else None
    if element is None or element.value is None:
        return ()
    values = _stored(element.value, codec) if isinstance(element.value, bytes) else _converted(element)
    texts = tuple(str(value).strip(" \0\t\r\n") for value in values)
    return texts if any(texts) else ()


def _stored(value: bytes, codec: str) -> list[str]:
    """Decode as ASCII: selection compares ASCII words only, so a wrong character set has no effect."""
    return value.decode(codec, errors="replace").split("\\")


def _converted(element: DataElement | RawDataElement) -> list[object]:
    value = element.value
    return [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)


def _number(dataset: Dataset, tag: int) -> int:
    """A whole number stored as US, UL, SS, SL or IS; 0 where absent or no number."""
    element = dataset.get_item(BaseTag(tag)) if tag in dataset else None
    if isinstance(element, RawDataElement) and isinstance(element.value, bytes):
        binary = _binary(element)
        if binary is not None:
            return binary
    try:
        return int(float(_first(dataset, tag) or 0))
    except (ValueError, OverflowError):
        return 0


def number_of(dataset: Dataset, keyword: str) -> int:
    """A whole number by its keyword, from whatever bytes are stored; 0 where absent or no number."""
    tag = tag_for_keyword(keyword)
    return 0 if tag is None else _number(dataset, tag)


def _binary(element: RawDataElement) -> int | None:
    """The first number of a binary element, or None for a decimal string (IS)."""
    known = element.VR not in (None, "UN", "OB", "OW")
    vr = element.VR if known else ("IS" if element.tag in _DECIMAL else "US")
    form = {"US": "H", "SS": "h", "UL": "L", "SL": "l"}.get(str(vr))
    if form is None or element.value is None:
        return None
    packed = ("<" if element.is_little_endian else ">") + form
    size = calcsize(packed)
    return int(unpack(packed, element.value[:size])[0]) if len(element.value) >= size else 0
