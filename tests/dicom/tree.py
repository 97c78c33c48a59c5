"""Reads a made report back: its content items, and the tree as lines of text for goldens."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

from pydicom import dcmread
from pydicom.dataset import Dataset


def saved(made: Dataset) -> bytes:
    """The bytes of the file."""
    buffer = BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def read_back(made: Dataset) -> Dataset:
    """The data set as a peer reads it."""
    return dcmread(BytesIO(saved(made)))


def items(root: Dataset, name: str | None = None) -> Iterator[Dataset]:
    """All content items below `root`, in order, or those whose concept name has this code value."""
    for child in root.get("ContentSequence", []):
        if name is None or concept(child) == name:
            yield child
        yield from items(child, name)


def concept(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence")
    return names[0].CodeValue if names else ""


def groups(root: Dataset) -> list[Dataset]:
    """The measurement groups of a report."""
    return list(items(root, "125007"))


def comments(root: Dataset) -> list[str]:
    """The texts of Comment and Summary items."""
    return [str(item.TextValue) for name in ("121111", "121106") for item in items(root, name)]


def codes_of(root: Dataset, name: str) -> list[str]:
    """The values of all CODE items of that name, as code values."""
    return [
        item.ConceptCodeSequence[0].CodeValue for item in items(root, name) if "ConceptCodeSequence" in item
    ]


def points(region: Dataset) -> list[tuple[float, float]]:
    """The points of an SCOORD."""
    data = list(region.GraphicData)
    return list(zip(data[::2], data[1::2], strict=True))


def tree_text(root: Dataset) -> str:
    """The content tree, an item a line, indented; what a golden file holds."""
    return "\n".join(_lines(root, 0)) + "\n"


def _lines(item: Dataset, depth: int) -> Iterator[str]:
    relation = item.get("RelationshipType", "")
    name = item.ConceptNameCodeSequence[0].CodeMeaning if "ConceptNameCodeSequence" in item else ""
    head = f"{relation.lower()} {item.ValueType} {name}".strip()
    value = _value(item)
    yield "  " * depth + head + (f" = {value}" if value else "")
    for child in item.get("ContentSequence", []):
        yield from _lines(child, depth + 1)


def _value(item: Dataset) -> str:
    if "ConceptCodeSequence" in item:
        code = item.ConceptCodeSequence[0]
        return f"({code.CodeValue}, {code.CodingSchemeDesignator}, {code.CodeMeaning})"
    if "MeasuredValueSequence" in item:
        measured = item.MeasuredValueSequence[0]
        return f"{measured.NumericValue} {measured.MeasurementUnitsCodeSequence[0].CodeValue}"
    if "GraphicData" in item:
        return f"{item.GraphicType} {' '.join(f'{x:g},{y:g}' for x, y in points(item))}"
    if "ReferencedSOPSequence" in item:
        return str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
    return str(item.get("TextValue") or item.get("UID") or item.get("ContinuityOfContent") or "")
