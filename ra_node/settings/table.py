"""Base of every table of node.toml, and the types of its values.

Strict: `port = "104"` or `tls = 1` is a mistake, not a guess. TOML has no paths and no tuples, so these two
are made from text and lists.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field

_T = TypeVar("_T")

AeTitle = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[\x20-\x5b\x5d-\x7e]+$")]
"""PS3.5 table 6.2-1: at most 16 characters of the default repertoire without backslash."""
Port = Annotated[int, Field(ge=0, le=65535)]
FilePath = Annotated[Path, Field(strict=False)]
ListOf: TypeAlias = Annotated[tuple[_T, ...], Field(strict=False)]


class SettingsTable(BaseModel):
    """A table: no unknown keys, no conversion of types, no infinite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
