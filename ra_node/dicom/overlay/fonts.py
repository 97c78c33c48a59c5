"""Fonts of the overlay: the bundled one for Latin letters, an installed one for other scripts."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ra_node.domain.texts.translations import Fonts, Language
from ra_node.errors import Fatal

FOLDERS = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path("~/.local/share/fonts"),
    Path("~/.fonts"),
)
"""Where fonts are installed (freedesktop.org), the system's first."""

_NO_CHARACTER = "\uffff"
"""A character that no font has: shows the glyph for missing characters."""

_ASCENT, _DESCENT = 0.98, 0.28
"""Line height of an installed font relative to its size: CJK fonts declare half a line more than needed."""

_PLAIN = str.maketrans(
    {
        "\N{EN DASH}": "-",
        "\N{EM DASH}": "-",
        "\N{MINUS SIGN}": "-",
        "\N{GREATER-THAN OR EQUAL TO}": ">=",
        "\N{LESS-THAN OR EQUAL TO}": "<=",
        "\N{MULTIPLICATION SIGN}": "x",
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{LEFT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
        "\N{LATIN SMALL LETTER SHARP S}": "ss",
    }
)


@dataclass(frozen=True, slots=True)
class Face:
    """A typeface: font files with the number of the face in each, or the node's own with ""."""

    regular: tuple[str, int] = ("", 0)
    bold: tuple[str, int] = ("", 0)

    @property
    def installed(self) -> bool:
        return bool(self.regular[0])


OWN = Face()


def face_of(language: Language, folders: tuple[Path, ...] = FOLDERS) -> Face:
    """Find the font of a language; raises Fatal with the package to install where it is missing."""
    return _found(language.fonts, language.name, folders)


@lru_cache(maxsize=8)
def _found(fonts: Fonts, name: str, folders: tuple[Path, ...]) -> Face:
    if not fonts.regular:
        return OWN
    regular = _first(fonts.regular, folders)
    if regular is None:
        package = f"; install {fonts.package}" if fonts.package else ""
        expected = ", ".join(fonts.regular)
        raise Fatal(f"the language {name} expects a font out of {expected}, found none{package}")
    return Face(regular, _first(fonts.bold, folders) or regular)


def _first(wanted: tuple[str, ...], folders: tuple[Path, ...]) -> tuple[str, int] | None:
    for entry in wanted:
        file, _, number = entry.partition("#")
        path = Path(file)
        found = path if path.is_absolute() and path.is_file() else _installed(path.name, folders)
        if found is not None:
            return str(found), int(number or 0)
    return None


def _installed(name: str, folders: tuple[Path, ...]) -> Path | None:
    return next((path for folder in folders for path in sorted(folder.expanduser().rglob(name))), None)


@lru_cache(maxsize=256)
def font(face: Face, size_px: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Load a face at a size; the bundled one is Pillow's (Aileron, CC0), present in every installation."""
    file, number = face.bold if bold else face.regular
    if file:
        return ImageFont.truetype(file, size_px, index=number)
    loaded = ImageFont.load_default(size_px)
    if not isinstance(loaded, ImageFont.FreeTypeFont):
        raise TypeError(f"expected a scalable font from Pillow with FreeType, found {type(loaded).__name__}")
    return loaded


def stroke_px(face: Face, size_px: int, *, bold: bool) -> int:
    """Return the stroke that makes a face without bold cut bold, in pixels on every side of a line."""
    return max(1, round(size_px / 40)) if bold and face.bold == face.regular else 0


def ascent_px(face: Face, size_px: int) -> int:
    """Return the distance from the top of a line to its baseline."""
    return round(_ASCENT * size_px) if face.installed else font(face, size_px).getmetrics()[0]


def line_height_px(face: Face, size_px: int) -> int:
    """Return the height of a line of text from ascender to descender."""
    if face.installed:
        return round(_ASCENT * size_px) + round(_DESCENT * size_px)
    ascent, descent = font(face, size_px).getmetrics()
    return ascent + descent


@lru_cache(maxsize=4096)
def text_width_px(face: Face, text: str, size_px: int, *, bold: bool = False) -> int:
    """Return the width that a line of text takes, its stroke included."""
    length = font(face, size_px, bold=bold).getlength(text)
    return round(length) + 1 + 2 * stroke_px(face, size_px, bold=bold)


@dataclass(frozen=True, slots=True)
class Letters:
    """How much of each pixel a line of text covers: `cover` (rows, columns), 0 to 255.

    Its first pixel lies `left` of where the line begins and `top` below its baseline (above: negative).
    """

    cover: NDArray[np.uint8]
    left: int
    top: int


@lru_cache(maxsize=256)
def letters(face: Face, text: str, size_px: int, *, bold: bool = False) -> Letters:
    """Draw a line of text; cached, because most lines are the same in every overlay."""
    drawing = font(face, size_px, bold=bold)
    stroke = stroke_px(face, size_px, bold=bold)
    x0, y0, x1, y1 = drawing.getbbox(text, anchor="ls", stroke_width=stroke)
    left, top = math.floor(x0), math.floor(y0)
    image = Image.new("L", (math.ceil(x1) - left, math.ceil(y1) - top))
    start = (-left, -top)
    ImageDraw.Draw(image).text(start, text, fill=255, font=drawing, anchor="ls", stroke_width=stroke)
    return Letters(np.asarray(image), left, top)


@lru_cache(maxsize=1024)
def drawable(face: Face, text: str) -> str:
    """Replace characters that the face lacks: the bundled one has ASCII only, so accents are removed."""
    if face.installed:
        kept = ("".join(c if has_glyph(face, c) else _spelt(c) for c in text.replace("\n", " "))).split()
        return " ".join(kept)
    return _spelt(text)


def _spelt(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.translate(_PLAIN))
    kept = (character for character in decomposed if not unicodedata.combining(character))
    return "".join(c if " " <= c <= "~" else " " if c.isspace() else "?" for c in kept)


@lru_cache(maxsize=8192)
def has_glyph(face: Face, character: str) -> bool:
    """Whether the face has a glyph for a character."""
    if character.isspace():
        return True
    drawn, lacking = (bytes(font(face, 32).getmask(each)) for each in (character, _NO_CHARACTER))
    return drawn != lacking
