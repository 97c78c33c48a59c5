"""Texts of one language by key, and translation of English report sentences by pattern.

Analysis code writes findings in English, which a report keeps. Another language recognises these sentences by
their patterns and has its own text for each.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ra_node.errors import Fatal

BUILT_IN = ("en", "zh")
"""Languages in `ra_node/domain/languages`."""

_FOUND = "found."
_REWORDED = "reworded."
"""English only: another language translates the sentences of `_FOUND` directly."""
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Fonts:
    """Font files by preference for regular and bold type, with "#n" for a face of a collection.

    Without any the bundled font is used. `package` is the package to install where none of them exists.
    """

    regular: tuple[str, ...] = ()
    bold: tuple[str, ...] = ()
    package: str = ""


@dataclass(frozen=True, slots=True)
class Language:
    """The texts of one language by key, such as "overlay.banner", with {placeholders}."""

    name: str
    texts: Mapping[str, str]
    fonts: Fonts

    def say(self, key: str, **values: object) -> str:
        """The text of a key with its placeholders filled in."""
        return self.texts[key].format(**values)

    def told(self, text: str) -> str | None:
        """Translate or reword an English sentence of a report; None where no pattern matches.

        Values of placeholders are translated too where they are known, else kept.
        """
        for key, pattern in _patterns():
            match = pattern.fullmatch(text)
            if match is not None:
                values = {name: self._told_part(value) for name, value in match.groupdict().items()}
                return self.say(self._display_key(key), **values)
        return text if self.name == "en" else None

    def _display_key(self, key: str) -> str:
        """English may word a sentence for its reader in another way than it is recorded."""
        reworded = _REWORDED + key.removeprefix(_FOUND)
        return reworded if reworded in self.texts else key

    def _told_part(self, value: str) -> str:
        """Value of a placeholder: a list of known parts, a known text, or the value itself."""
        parts = value.split(", ")
        said = [part for one in parts if (part := self.told(one)) is not None] if len(parts) > 1 else []
        if said and len(said) == len(parts):
            return self.say("sign.list").join(said)
        return self.told(value) or value


def load_language(name: str) -> Language:
    """Load "en", "zh", or the language file at a path.

    Raises Fatal that names the key for a file that lacks one, has one too many, or uses other
    placeholders than the English text.
    """
    if name in BUILT_IN:
        return _built_in(name)
    path = Path(name)
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(f'"{each}"' for each in BUILT_IN)
        raise Fatal(f"expected a language ({known}) or a language file, found {name}") from error
    return _parsed(content, str(path))


def english() -> Language:
    """The language in which reports are kept: English."""
    return _built_in("en")


@lru_cache(maxsize=len(BUILT_IN))
def _built_in(name: str) -> Language:
    content = files("ra_node.domain").joinpath("languages", f"{name}.toml").read_text(encoding="utf-8")
    return _parsed(content, name)


def _parsed(content: str, name: str) -> Language:
    try:
        tables = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise Fatal(f"the language file {name} is no TOML: {error}") from error
    fonts = _fonts(tables.pop("type", {}), name)
    texts = dict(_flat(tables, name))
    if name != "en":
        _compare(texts, english().texts, name)
    return Language(name, MappingProxyType(texts), fonts)


def _fonts(table: Mapping[str, Any], name: str) -> Fonts:
    if set(table) != {"fonts", "bold_fonts", "package"}:
        raise Fatal(f"expected fonts, bold_fonts and package in [type] of the language file {name}")
    return Fonts(tuple(table["fonts"]), tuple(table["bold_fonts"]), str(table["package"]))


def _flat(tables: Mapping[str, Any], name: str) -> Iterator[tuple[str, str]]:
    for table, entries in tables.items():
        if not isinstance(entries, dict):
            raise Fatal(f"expected tables of texts in the language file {name}, found {table} outside one")
        for key, text in entries.items():
            if not isinstance(text, str):
                raise Fatal(f"expected a text for {table}.{key} in the language file {name}")
            yield f"{table}.{key}", text


def _compare(texts: Mapping[str, str], expected: Mapping[str, str], name: str) -> None:
    """Refuse a table that could fail later, on the one study that needs the text."""
    for key, text in expected.items():
        if key.startswith(_REWORDED):
            continue
        if key not in texts:
            raise Fatal(f"the language file {name} lacks {key}, in English: {text}")
        wanted, found = (_placeholders(each) for each in (text, texts[key]))
        if wanted != found:
            raise Fatal(f"expected {wanted} in {key} of the language file {name}, found {found}")
    unknown = sorted(set(texts) - set(expected))
    if unknown:
        raise Fatal(f"the language file {name} has {unknown[0]}, which is no text of the node")


def _placeholders(text: str) -> list[str]:
    """Every brace must belong to one, or `str.format` would fail on the study that needs the text."""
    return sorted({*_PLACEHOLDER.findall(text), *re.findall(r"[{}]", _PLACEHOLDER.sub("", text))})


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The English sentences as patterns, most specific first."""
    found = [(key, text) for key, text in english().texts.items() if key.startswith(_FOUND)]
    found.sort(key=lambda entry: -len(_PLACEHOLDER.sub("", entry[1])))
    return tuple((key, _pattern(text)) for key, text in found)


def _pattern(text: str) -> re.Pattern[str]:
    parts = _PLACEHOLDER.split(text)
    return re.compile(
        "".join(f"(?P<{part}>.+?)" if n % 2 else re.escape(part) for n, part in enumerate(parts)), re.DOTALL
    )
