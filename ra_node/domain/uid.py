"""Which received UIDs created objects can reference (PS3.5 9.1)."""

from __future__ import annotations

import re

_REPEATABLE = re.compile(r"[!-\[\]-~]{1,64}")


def can_be_repeated(uid: str) -> bool:
    """Whether created objects can reference a study, series or instance by this UID.

    The standard allows digits and dots, without empty components and leading zeros. Other printable ASCII,
    which some modalities write, is repeated unchanged; a backslash or more than 64 characters is impossible.
    """
    return _REPEATABLE.fullmatch(uid) is not None
