"""Embedded fonts of the PDF, so that it looks the same where no font is installed.

Latin text is set in Bitstream Vera, which comes with the PDF library; other scripts in the font of the
overlay, as a subset with the characters of the language (1 s once a process for Chinese).
"""

from __future__ import annotations

import hashlib
import io
from functools import lru_cache

from fontTools import subset  # type: ignore[import-untyped]
from fontTools.pens.cu2quPen import Cu2QuPen  # type: ignore[import-untyped]
from fontTools.pens.ttGlyphPen import TTGlyphPen  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont, newTable  # type: ignore[import-untyped]
from reportlab.pdfbase import pdfmetrics, ttfonts  # type: ignore[import-untyped]

from ra_node.dicom.overlay.fonts import OWN, drawable, face_of
from ra_node.domain.texts.translations import Language

_LATIN = {False: "Vera", True: "VeraBd"}
_MOST_OFF = 1.0
"""Largest deviation of an approximated curve, in units of a font with 1,000 units per em."""


def fitting(text: str, language: Language, *, bold: bool = False) -> tuple[str, str]:
    """Name of a registered font, and the text with replacements for missing glyphs.

    Raises Fatal where the font of the language is not installed.
    """
    latin = _registered_latin(bold=bold)
    if all(ord(sign) in pdfmetrics.getFont(latin).face.charToGlyph for sign in text):
        return latin, text
    face = face_of(language)
    if not face.installed:
        return latin, drawable(OWN, text)
    spelt = drawable(face, text)
    return _embedded(*(face.bold if bold else face.regular), _characters(spelt, language)), spelt


@lru_cache(maxsize=2)
def _registered_latin(*, bold: bool) -> str:
    name = _LATIN[bold]
    pdfmetrics.registerFont(ttfonts.TTFont(name, f"{name}.ttf"))
    return name


def _characters(text: str, language: Language) -> frozenset[str]:
    """Characters of the language, enough for most texts, and others in this text."""
    return _of_language(tuple(language.texts.values())) | frozenset(text)


@lru_cache(maxsize=4)
def _of_language(texts: tuple[str, ...]) -> frozenset[str]:
    return frozenset("".join(texts)) | frozenset(map(chr, range(0x20, 0x7F))) - {"\n"}


@lru_cache(maxsize=32)
def _embedded(file: str, number: int, characters: frozenset[str]) -> str:
    """Register a font subset of these characters; its name depends on nothing else."""
    key = hashlib.sha256(f"{file}#{number}{sorted(characters)}".encode()).hexdigest()[:12]
    pdfmetrics.registerFont(ttfonts.TTFont(f"text-{key}", io.BytesIO(_truetype(file, number, characters))))
    return f"text-{key}"


def _truetype(file: str, number: int, characters: frozenset[str]) -> bytes:
    """Subset a font and convert it to quadratic curves: reportlab embeds no others."""
    options = subset.Options(layout_features=[], hinting=False, notdef_outline=True, glyph_names=False)
    taken = subset.Subsetter(options)
    taken.populate(unicodes=[ord(sign) for sign in characters])
    written = io.BytesIO()
    with TTFont(file, fontNumber=number if file.endswith((".ttc", ".otc")) else -1, lazy=True) as font:
        taken.subset(font)
        if "CFF " in font or "CFF2" in font:
            _make_quadratic(font)
        font.save(written)
    return written.getvalue()


def _make_quadratic(font: TTFont) -> None:
    glyphs, order = font.getGlyphSet(), font.getGlyphOrder()
    most_off = _MOST_OFF * font["head"].unitsPerEm / 1000
    outlines = {}
    for name in order:
        pen = TTGlyphPen(glyphs)
        glyphs[name].draw(Cu2QuPen(pen, most_off, reverse_direction=True))
        outlines[name] = pen.glyph()
    font["glyf"], font["loca"] = newTable("glyf"), newTable("loca")
    font["glyf"].glyphOrder, font["glyf"].glyphs = order, outlines
    maxp = font["maxp"]
    maxp.tableVersion = 0x00010000
    for field in ("maxTwilightPoints", "maxStorage", "maxFunctionDefs", "maxInstructionDefs"):
        setattr(maxp, field, 0)
    for field in ("maxStackElements", "maxSizeOfInstructions", "maxComponentElements"):
        setattr(maxp, field, 0)
    maxp.maxZones = 1
    font["post"].formatType = 3.0
    for table in ("CFF ", "CFF2", "VORG"):
        if table in font:
            del font[table]
    font.sfntVersion = "\x00\x01\x00\x00"
