"""Header values in reports: quoted only where they are defined terms.

Free text in their place may be anything, including a patient's name, and would end up in reports and logs.
"""

from __future__ import annotations

NOT_A_TERM = "not a defined term"

PHOTOMETRIC_INTERPRETATIONS = frozenset(
    {
        "MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422",
        "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "XYB", "HSV", "ARGB", "CMYK",
    }
)  # fmt: skip
"""PS3.3 C.7.6.3.1.2, retired ones included."""


def photometric_interpretation(value: str) -> str:
    """The value where it is a defined term, else "not a defined term"."""
    return f'"{value}"' if value in PHOTOMETRIC_INTERPRETATIONS else NOT_A_TERM
