"""What a UID may be made of (PS3.5 9.1)."""

from __future__ import annotations

import re

LONGEST = 64
_CHARACTERS = re.compile(r"[0-9.]+")


def uid_fault(uid: str) -> str | None:
    """Say what keeps a text from naming a study, a series or an instance; None: nothing.

    Components that are empty or begin with 0 pass: results repeat them as they came. What passes can be
    written into every result; other characters cannot.
    """
    if len(uid) > LONGEST:
        return f"expected at most {LONGEST} characters, found {len(uid)}"
    if not _CHARACTERS.fullmatch(uid):
        return "expected digits and dots, found other characters" if uid else "expected a UID, found none"
    return None
