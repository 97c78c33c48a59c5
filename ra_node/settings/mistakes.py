"""Mistakes in node.toml in plain words: key, expectation and, where it is no secret, what was found."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_SECRET = (
    ("ledger", "url"),
    ("audit", "syslog"),
    ("tls", "key"),
    ("web", "password_file"),
    ("web", "proxy_secret_file"),
)
"""Keys whose value is never quoted: a password may be in it."""
_HARMLESS = re.compile(r"[A-Za-z0-9 ._/+-]{0,80}")
_WORDS = {
    "bool_type": "expected true or false",
    "int_type": "expected a whole number without quotes",
    "float_type": "expected a number without quotes",
    "string_type": "expected a text in quotes",
    "path_type": "expected a path in quotes",
    "tuple_type": 'expected a list, as ["a", "b"]',
    "finite_number": "expected a finite number",
    "missing": "is missing",
}
_PREFIXES = (
    ("Value error, ", ""),
    ("Input should be ", "expected "),
    ("String should match pattern ", "expected a text that matches "),
    ("String should have ", "expected "),
)


def mistakes_of(error: ValidationError, root: type[BaseModel]) -> list[str]:
    """One line a mistake."""
    return [f"  {_line(one, root)}" for one in error.errors(include_url=False, include_context=False)]


def _line(mistake: ErrorDetails, root: type[BaseModel]) -> str:
    where, kind = mistake["loc"], mistake["type"]
    name = ".".join(map(_key, where))
    if kind == "extra_forbidden":
        return f"{name}: no such key{_nearest(root, where)}"
    if kind == "tuple_type" and isinstance(mistake["input"], dict):
        return f"[{name}] needs double brackets, [[{name}]]: there may be several"
    if kind.startswith("model_") and len(where) == 1:
        if isinstance(mistake["input"], list):
            return f"[[{name}]] needs single brackets, [{name}]: there is one"
        return f"{name}: expected a table, [{name}] on a line of its own with its keys below"
    return f"{name + ': ' if name else ''}{_expected(mistake)}{_found(mistake)}"


def _expected(mistake: ErrorDetails) -> str:
    words = _WORDS.get(mistake["type"], mistake["msg"])
    for prefix, plain in _PREFIXES:
        if words.startswith(prefix):
            return plain + words.removeprefix(prefix)
    return words


def _found(mistake: ErrorDetails) -> str:
    """Quote a value only where it cannot be a secret: a number, or a short text without URL characters."""
    found, where = mistake["input"], mistake["loc"]
    harmless = isinstance(found, int | float) or (isinstance(found, str) and _HARMLESS.fullmatch(found))
    if not harmless or where[:2] in _SECRET or len(where) < 2:  # a value in place of a table may be a URL
        return ""
    shown = str(found).lower() if isinstance(found, bool) else repr(found).replace("'", '"')
    return f", found {shown}"


def _key(part: int | str) -> str:
    """A key by its name; text that does not look like a key may be a misplaced value and is not quoted."""
    return str(part) if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", str(part)) else "(not a key)"


def _nearest(root: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """Name the known key that is closest to an unknown one."""
    table = root
    for part in location[:-1]:
        if isinstance(part, str):
            table = _table_of(table, part)
    close = difflib.get_close_matches(str(location[-1]), table.model_fields, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known are {', '.join(table.model_fields)}"


def _table_of(table: type[BaseModel], key: str) -> type[BaseModel]:
    """The table of a key: its type, or that of the members of a list."""
    annotation = table.model_fields[key].annotation
    candidates = (annotation, *get_args(annotation))
    return next(one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel))
