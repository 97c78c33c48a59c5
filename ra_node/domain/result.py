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
