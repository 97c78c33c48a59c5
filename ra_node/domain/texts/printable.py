"""Safe display of foreign text (AE titles, UIDs, comments, file names): no control sequences, no formulas.

Otherwise a sender could control the operator's terminal, or place a formula in a spreadsheet.
"""

from __future__ import annotations

import unicodedata

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""First characters of a spreadsheet formula, including full-width forms (OWASP CSV injection)."""


def printable(text: str, *, lines: bool = False) -> str:
    r"""Write control, format and surrogate characters as numbers, e.g. `\x1b`; keep lines where asked."""
    if text.isprintable():
        return text
    return "".join(sign if _harmless(sign, lines=lines) else _numbered(sign) for sign in text)


def csv_cell(text: str) -> str:
    """Text of a cell that no spreadsheet evaluates as formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _harmless(sign: str, *, lines: bool) -> bool:
    return sign.isprintable() or unicodedata.category(sign) == "Zs" or (lines and sign in "\n\t")


def _numbered(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
