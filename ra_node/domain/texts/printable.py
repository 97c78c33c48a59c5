"""Foreign text as it may be shown: AE titles, UIDs, comments and file names are never control sequences.

Whoever may send to the node, or name a file, would else move the cursor of the operator's terminal, or write
a formula into a spreadsheet.
"""

from __future__ import annotations

import unicodedata

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""With what a spreadsheet takes a cell for a formula, full-width forms included (OWASP CSV injection)."""


def printable(text: str, *, lines: bool = False) -> str:
    r"""Write control, format and surrogate characters as numbers, e.g. `\x1b`; keep lines where asked."""
    if text.isprintable():
        return text
    return "".join(sign if _harmless(sign, lines=lines) else _numbered(sign) for sign in text)


def csv_cell(text: str) -> str:
    """The text of a cell that no spreadsheet runs."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _harmless(sign: str, *, lines: bool) -> bool:
    return sign.isprintable() or unicodedata.category(sign) == "Zs" or (lines and sign in "\n\t")


def _numbered(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
