"""Blocks imports that only pixel decoding needs: saves a quarter of the listener's memory."""

from __future__ import annotations

import sys

IMAGING_LIBRARIES = ("gdcm", "jpeg_ls", "PIL", "requests")
"""Optional packages that pydicom imports where they are installed; `requests` is for its test files."""


def block_imaging_imports() -> None:
    """Hide these packages from pydicom; call it before anything imports pydicom."""
    for name in IMAGING_LIBRARIES:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # None is how Python says "not to be had"
