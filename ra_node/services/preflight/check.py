"""One row of the preflight."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """What was checked, what was found, and, where it failed, what to do."""

    name: str
    ok: bool
    found: str
    hint: str = ""
