"""One row of the preflight."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One check: subject, finding and, where it failed, what to do."""

    name: str
    ok: bool
    found: str
    hint: str = ""
