"""Reads the evidence of sides in a header: attributes, codes and texts.

Order: attributes and codes of the image, texts of the image and its series, texts of the study. Of a text
only the side that it names is kept, never a word. Image Comments are not read, because they are prose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pydicom.dataset import Dataset

from ra_node.domain.laterality.evidence import (
    UNDEFINED,
    EvidenceReach,
    Laterality,
    SideHeader,
    SideStatement,
    defined_orientation,
)
from ra_node.domain.laterality.side_words import side_in_text

Texts = Callable[..., tuple[str, ...]]
"""Gives the values of a text element: data set, tag, codec."""
Items = Callable[[Dataset, int], Sequence[Dataset]]

_IMAGE_LATERALITY, _LATERALITY, _ORIENTATION = 0x00200062, 0x00200060, 0x00200020
_CHARACTER_SET = 0x00080005
_CODE_VALUE, _CODE_SCHEME, _CODE_MEANING = 0x00080100, 0x00080102, 0x00080104

_IMAGE_TEXTS = {
    0x0008103E: "SeriesDescription",
    0x00181030: "ProtocolName",
    0x00181400: "AcquisitionDeviceProcessingDescription",
    0x00180015: "BodyPartExamined",
}
_STUDY_TEXTS = {
    0x00081030: "StudyDescription",
    0x00321060: "RequestedProcedureDescription",
    0x00400254: "PerformedProcedureStepDescription",
}
_REGIONS = (0x00082218, 0x00082228)
_REGION_MODIFIERS = (0x00082220, 0x00082230)
_VIEW_CODES, _VIEW_MODIFIERS = 0x00540220, 0x00540222
_KEYWORDS = {
    0x00082218: "AnatomicRegionSequence",
    0x00082228: "PrimaryAnatomicStructureSequence",
    0x00082220: "AnatomicRegionModifierSequence",
    0x00082230: "PrimaryAnatomicStructureModifierSequence",
    0x00540220: "ViewCodeSequence",
    0x00540222: "ViewModifierCodeSequence",
}
_SERIES_CODES = 0x0008103F
_STUDY_CODES = {
    0x00081032: "ProcedureCodeSequence",
    0x00321064: "RequestedProcedureCodeSequence",
    0x00400260: "PerformedProtocolCodeSequence",
}
_REQUESTS = 0x00400275
_REQUEST_TEXTS = {
    0x00321060: "RequestedProcedureDescription",
    0x00400007: "ScheduledProcedureStepDescription",
}
_FUNCTIONAL_GROUPS = (0x52009229, 0x52009230)
_FRAME_ANATOMY, _FRAME_LATERALITY = 0x00209071, 0x00209072

SIDE_TAGS = (
    _CHARACTER_SET, _IMAGE_LATERALITY, _LATERALITY, _ORIENTATION, *_IMAGE_TEXTS, *_STUDY_TEXTS, *_REGIONS,
    *_REGION_MODIFIERS, _VIEW_CODES, _SERIES_CODES, *_STUDY_CODES, _REQUESTS, *_FUNCTIONAL_GROUPS,
)  # fmt: skip
"""Tags that `side_header` needs."""

_CODES: dict[str, Laterality] = {
    "24028007": "R", "7771000": "L", "51440002": "B", "G-A100": "R", "G-A101": "L", "G-A102": "B",
    "78791008": "R", "85151006": "L", "9736006": "R", "5951000": "L",
}  # fmt: skip
"""CID 244, then right and left hand, right and left wrist."""
_SCHEMES = frozenset(("SCT", "SRT", "SNM3", "99SDM", ""))

_TERMS = {"RIGHT": "R", "LEFT": "L", "BOTH": "B", "BILATERAL": "B", "R": "R", "L": "L", "U": "U", "B": "B"}
"""Defined terms of Image Laterality, and unambiguous variants."""

_CODECS = {
    "IR 100": "latin-1", "IR 101": "iso8859-2", "IR 109": "iso8859-3", "IR 110": "iso8859-4",
    "IR 144": "iso8859-5", "IR 126": "iso8859-7", "IR 148": "iso8859-9", "IR 203": "iso8859-15",
    "IR 87": "iso2022_jp_2", "IR 159": "iso2022_jp_2", "IR 13": "shift_jis", "IR 149": "euc_kr",
    "IR 58": "gb2312", "GB18030": "gb18030", "GBK": "gb18030",
}  # fmt: skip
"""Codecs by Specific Character Set; the last value is used."""


def side_header(dataset: Dataset, texts: Texts, items: Items) -> SideHeader:
    """Read the evidence of sides in a data set."""
    orientation = tuple(value.upper() for value in texts(dataset, _ORIENTATION))
    return SideHeader(
        _term(texts(dataset, _IMAGE_LATERALITY)),
        _term(texts(dataset, _LATERALITY)),
        defined_orientation(orientation),
        tuple(dict.fromkeys((*_coded(dataset, texts, items), *_written(dataset, texts, items)))),
    )


def _term(values: Sequence[str]) -> str:
    """The defined terms of an attribute joined by backslashes, "?" for any other value."""
    return "\\".join(dict.fromkeys(_TERMS.get(value.upper(), UNDEFINED) for value in values if value))


def _coded(dataset: Dataset, texts: Texts, items: Items) -> Iterator[SideStatement]:
    """Sides by codes of region, structure and view, of the image and of its frames."""
    for frame in (dataset, *_frames(dataset, items)):
        for tag in (*_REGIONS, *_REGION_MODIFIERS, _VIEW_CODES):
            for item in items(frame, tag):
                yield from _by_code(item, _KEYWORDS[tag], texts)
                for modifier in (*_REGION_MODIFIERS, _VIEW_MODIFIERS):
                    for each in items(item, modifier):
                        yield from _by_code(each, _KEYWORDS[modifier], texts)
    for anatomy in _frames(dataset, items):
        said = _term(texts(anatomy, _FRAME_LATERALITY))
        yield from (SideStatement("FrameLaterality", each) for each in _sides_in(said))


def _sides_in(term: str) -> Iterator[Laterality]:
    sides: tuple[Laterality, ...] = ("R", "L", "B")
    return (side for side in sides if side in term.split("\\"))


def _frames(dataset: Dataset, items: Items) -> Iterator[Dataset]:
    for tag in _FUNCTIONAL_GROUPS:
        for group in items(dataset, tag):
            yield from items(group, _FRAME_ANATOMY)


def _by_code(item: Dataset, keyword: str, texts: Texts) -> Iterator[SideStatement]:
    """Side by Code Value, and side by Code Meaning, which may contradict it."""
    value, scheme = (" ".join(texts(item, tag)).upper() for tag in (_CODE_VALUE, _CODE_SCHEME))
    if scheme in _SCHEMES and value in _CODES:
        yield SideStatement(keyword, _CODES[value])
    yield from _by_text(item, _CODE_MEANING, keyword, EvidenceReach.IMAGE, texts, _codec(item, texts))


def _written(dataset: Dataset, texts: Texts, items: Items) -> Iterator[SideStatement]:
    """Sides named in texts; texts of the image and its series first."""
    codec = _codec(dataset, texts)
    for tag, keyword in _IMAGE_TEXTS.items():
        yield from _by_text(dataset, tag, keyword, EvidenceReach.IMAGE, texts, codec)
    for item in items(dataset, _SERIES_CODES):
        yield from _by_text(
            item, _CODE_MEANING, "SeriesDescriptionCodeSequence", EvidenceReach.IMAGE, texts, codec
        )
    for tag, keyword in _STUDY_TEXTS.items():
        yield from _by_text(dataset, tag, keyword, EvidenceReach.STUDY, texts, codec)
    for tag, keyword in _STUDY_CODES.items():
        for item in items(dataset, tag):
            yield from _by_text(item, _CODE_MEANING, keyword, EvidenceReach.STUDY, texts, codec)
    for item in items(dataset, _REQUESTS):
        for tag, keyword in _REQUEST_TEXTS.items():
            yield from _by_text(item, tag, keyword, EvidenceReach.STUDY, texts, codec)


def _by_text(
    dataset: Dataset, tag: int, keyword: str, reach: EvidenceReach, texts: Texts, codec: str
) -> Iterator[SideStatement]:
    side = side_in_text(" / ".join(texts(dataset, tag, codec)))
    if side is not None:
        yield SideStatement(keyword, side.value, reach)


def _codec(dataset: Dataset, texts: Texts) -> str:
    sets = [value for value in texts(dataset, _CHARACTER_SET) if value]
    name = sets[-1].removeprefix("ISO 2022 ").removeprefix("ISO_") if sets else ""
    return _CODECS.get(name, "utf-8")
