"""The kinds of object that an answer consists of."""

from __future__ import annotations

from enum import StrEnum


class ObjectKind(StrEnum):
    """A DICOM object of an answer."""

    SR = "sr"
    """Comprehensive 3D SR."""
    SR_FALLBACK = "sr_comprehensive"
    """Comprehensive SR with the same content, for peers that refuse the other class."""
    OVERLAY = "overlay"
    """Secondary capture."""
    PRESENTATION_STATE = "presentation_state"
    """Outlines and words over the original image; one for each greyscale image."""
    KEY_OBJECT = "key_object"
    """Key Object Selection with the overlay as key image."""
    PDF = "pdf"
    """The report to print."""


OPTIONS = (ObjectKind.PRESENTATION_STATE, ObjectKind.KEY_OBJECT, ObjectKind.PDF)
"""What a destination gets only where its configuration asks for it, by the names of the keys there."""
