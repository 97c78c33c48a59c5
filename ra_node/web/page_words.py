"""Texts of the reader study pages in the language of the site: English, or Chinese where results are."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "languages"
DEFAULT = "en"


@cache
def page_words(language: str) -> Mapping[str, Mapping[str, str]]:
    """Texts by table and key; English for a language that the page does not have."""
    path = FOLDER / f"{page_language(language)}.toml"
    found: Mapping[str, Mapping[str, str]] = tomllib.loads(path.read_text(encoding="utf-8"))
    return found


def page_language(language: str) -> str:
    """The language of the page: "en" or "zh"."""
    return language if language in {path.stem for path in FOLDER.glob("*.toml")} else DEFAULT
