"""Defined terms of the header that reach a report: quoted only where they are one.

A free text in their place may be anything, a patient's name included, and reports, logs and tables keep it.
"""

from __future__ import annotations

import re

NOT_A_TERM = "not a defined term"

PHOTOMETRIC_INTERPRETATIONS = frozenset(
    {
        "MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422",
        "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "XYB", "HSV", "ARGB", "CMYK",
    }
)  # fmt: skip
"""PS3.3 C.7.6.3.1.2, retired ones included."""

_LATERALITIES = frozenset({"R", "L", "B", "U", "RIGHT", "LEFT", "BOTH", "BILATERAL", "UNPAIRED"})
"""PS3.3 C.7.3.1 and C.8.11.7, and what is written in their place."""

_DIRECTIONS = re.compile(r"[RLAPHF]{1,3}|[A-Z]?")
"""PS3.3 C.7.6.1.1.1; another single letter names nobody and is quoted."""


def photometric_interpretation(value: str) -> str:
    """The value in quotes where it is a defined term, else that it is none."""
    return f'"{value}"' if value in PHOTOMETRIC_INTERPRETATIONS else NOT_A_TERM


def laterality(value: str) -> str:
    """Image Laterality (0020,0062) or Laterality (0020,0060), upper case."""
    return value if not value or value in _LATERALITIES else NOT_A_TERM


def direction(value: str) -> str:
    """One value of Patient Orientation (0020,0020), upper case."""
    return value if _DIRECTIONS.fullmatch(value) else NOT_A_TERM
