"""Created objects: one table row per kind, used by every part of the node.

A new kind needs a row here, a builder in `services.reporting.render_objects` and, if it is optional, a key of
the same name in `[[peer]]`; a test names missing parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ObjectKind(StrEnum):
    """A kind of DICOM object, as the ledger and, for optional ones, the key of `[[peer]]` name it."""

    SR = "sr"
    SR_FALLBACK = "sr_comprehensive"
    OVERLAY = "overlay"
    OVERLAY_DETAIL = "overlay_detail"
    PRESENTATION_STATE = "presentation_state"
    KEY_OBJECT = "key_object"
    PDF = "pdf"
    REJECTION_NOTE = "rejection_note"


@dataclass(frozen=True, slots=True)
class ResultObjectClass:
    """Properties of a kind: negotiation, equipment, page and conformance statement."""

    kind: ObjectKind
    sop_class_uid: str
    modality: str
    series_number: int
    """Series Number, high enough to sort behind the acquired series."""
    label: str
    """On the operator page."""
    statement: str
    """In the conformance statement (PS3.2, SOP instances created)."""
    optional: bool = False
    """Whether it is optional by the configuration of a destination."""
    withdraws: bool = False
    """Whether it takes earlier results back; no ordinary report has it."""
    basic: bool = True
    """Whether it is made of every report, even of a reduced one or where no destination takes it."""


RESULT_OBJECTS = (
    ResultObjectClass(
        ObjectKind.SR,
        "1.2.840.10008.5.1.4.1.1.88.34",  # Comprehensive 3D SR Storage
        "SR",
        9701,
        "Structured report",
        "Report, TID 1500",
    ),
    ResultObjectClass(
        ObjectKind.SR_FALLBACK,
        "1.2.840.10008.5.1.4.1.1.88.33",  # Comprehensive SR Storage
        "SR",
        9701,
        "Structured report (Comprehensive)",
        "The same content for a peer that refuses the other class",
    ),
    ResultObjectClass(
        ObjectKind.OVERLAY,
        "1.2.840.10008.5.1.4.1.1.7",  # Secondary Capture Image Storage
        "OT",
        9702,
        "Overlay",
        "Overlay, first image: the radiographs with the verdict of each hand",
    ),
    ResultObjectClass(
        ObjectKind.OVERLAY_DETAIL,
        "1.2.840.10008.5.1.4.1.1.7",  # Secondary Capture Image Storage
        "OT",
        9702,
        "Overlay (how the result came about)",
        "Overlay, second image: probabilities, joints, heat map and models; where a hand has a result",
        basic=False,
    ),
    ResultObjectClass(
        ObjectKind.PRESENTATION_STATE,
        "1.2.840.10008.5.1.4.1.1.11.1",  # Grayscale Softcopy Presentation State Storage
        "PR",
        9703,
        "Presentation state",
        "Outlines and labels over the original image; option of a destination",
        optional=True,
    ),
    ResultObjectClass(
        ObjectKind.KEY_OBJECT,
        "1.2.840.10008.5.1.4.1.1.88.59",  # Key Object Selection Document Storage
        "KO",
        9704,
        "Key object selection",
        "The overlay as key image; option of a destination",
        optional=True,
    ),
    ResultObjectClass(
        ObjectKind.PDF,
        "1.2.840.10008.5.1.4.1.1.104.1",  # Encapsulated PDF Storage
        "DOC",
        9705,
        "Report to print (PDF)",
        "The report to print; option of a destination",
        optional=True,
    ),
    ResultObjectClass(
        ObjectKind.REJECTION_NOTE,
        "1.2.840.10008.5.1.4.1.1.88.59",  # Key Object Selection Document Storage
        "KO",
        9706,
        "Rejection note",
        "Withdrawn results in place of a new version (IHE IOCM); option of a destination",
        optional=True,
        withdraws=True,
    ),
)

OPTIONS = tuple(row.kind for row in RESULT_OBJECTS if row.optional and not row.withdraws)
"""Optional objects of every report by their configuration key in [[peer]]."""
BASIC_KINDS = tuple(row.kind for row in RESULT_OBJECTS if row.basic and not row.optional)
"""Kinds made of every report."""

_ROWS = {row.kind: row for row in RESULT_OBJECTS}


def class_of(kind: ObjectKind) -> ResultObjectClass:
    """The row of a kind."""
    return _ROWS[kind]
