"""Which UIDs the objects of an answer can repeat (PS3.5 9.1)."""

from __future__ import annotations

import re

_REPEATABLE = re.compile(r"[!-\[\]-~]{1,64}")


def can_be_repeated(uid: str) -> bool:
    """Whether an answer can refer to a study, series or instance by this UID.

    The standard allows digits and dots, without empty components and without leading zeros. Other printable
    ASCII, which some modalities write, is repeated as it came; a backslash or more than 64 characters
    cannot be.
    """
    return _REPEATABLE.fullmatch(uid) is not None
