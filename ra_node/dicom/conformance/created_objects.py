"""Created objects in the conformance statement, from the tables of the code that builds them."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.sr.coding import Code
from pydicom.uid import UID

from ra_node.dicom import concept_codes as codes
from ra_node.dicom.conformance.document import Section, TableBlock, prose
from ra_node.dicom.patient_study_modules import OPTIONAL, REQUIRED, UNICODE
from ra_node.domain.result_objects import RESULT_OBJECTS

_TEMPLATES = (
    ("TID 1500", "Measurement Report", "root"),
    ("TID 1204", "Language of Content Item and Descendants", "English"),
    ("TID 1001, 1002, 1004", "Observation Context", "the node with its models, as a device"),
    ("TID 1600, 1602, 1603", "Image Library", "the images of the study"),
    ("TID 1410", "Planar ROI Measurements", "one group per hand and per refused image"),
    ("TID 4108", "Tracking Identifier", "in each group; names the hand and its verdict"),
    ("TID 4019", "Algorithm Identification", "beneath probability and stage"),
    ("TID 2010", "Key Object Selection", "the key object"),
)


def made_objects() -> Section:
    """Created SOP instances (PS3.2)."""
    rows = tuple(
        (UID(row.sop_class_uid).name, row.sop_class_uid, row.modality, str(row.series_number), row.statement)
        for row in RESULT_OBJECTS
    )
    return Section(
        "Objects created",
        prose("objects", copied=", ".join([*REQUIRED, *OPTIONAL])),
        (TableBlock(("SOP class", "UID", "Modality", "Series number", "Purpose"), rows),),
    )


def report_content() -> Section:
    """Templates and codes of the report."""
    return Section(
        "Content of the structured report",
        prose("report"),
        (
            TableBlock(("Template", "Name", "Used for"), _TEMPLATES),
            TableBlock(
                ("Code", "Scheme", "Meaning"), tuple(sorted(_codes(), key=lambda row: (row[1], row[0])))
            ),
        ),
    )


def character_sets() -> Section:
    """PS3.2: support of character sets."""
    return Section("Support of character sets", prose("characters", unicode=UNICODE))


def private_attributes() -> Section:
    """PS3.2: extensions, specialisations, privatisations."""
    return Section("Extensions, specialisations, privatisations", prose("private"))


def _codes() -> Iterator[tuple[str, str, str]]:
    """Every code of the tables that the reports use."""
    seen: set[tuple[str, str]] = set()
    for value in vars(codes).values():
        for code in value if isinstance(value, tuple) and not isinstance(value, Code) else (value,):
            if isinstance(code, Code) and (code.value, code.scheme_designator) not in seen:
                seen.add((code.value, code.scheme_designator))
                yield code.value, code.scheme_designator, code.meaning
