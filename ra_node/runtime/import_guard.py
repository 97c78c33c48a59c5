"""Keeps what only pixels need out of a process that never opens any: a quarter of the listener's memory."""

from __future__ import annotations

import sys

PIXELS_ONLY = ("gdcm", "jpeg_ls", "PIL", "requests")
"""What pydicom loads where it is installed and works without; `requests` fetches its test files."""


def leave_pixels_out() -> None:
    """Let pydicom find none of them; call it before anything imports pydicom."""
    for name in PIXELS_ONLY:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # None is how Python says "not to be had"
