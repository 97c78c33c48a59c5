"""The parts of a laid-out picture, and how words are measured before anything is painted.

Boxes and points are canvas pixels at full size. A block is a finished piece (a panel, a header) with
its own origin; blocks are stacked and moved until the whole picture is one block.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from PIL import ImageFont

from ra_node.domain.geometry import Box, Point

Ink = tuple[int, int, int]
"""Red, green and blue, 0 to 255. Every pair of ink and ground also differs in brightness."""

GROUND: Ink = (10, 12, 15)
WHITE: Ink = (244, 244, 244)
MUTED: Ink = (186, 190, 196)
RULE: Ink = (92, 98, 106)
AMBER: Ink = (255, 200, 70)
SKY: Ink = (140, 212, 255)

KEY_PX = 60
"""Smallest size of what must be read when the picture is shown at a quarter of its size."""
TEXT_PX = 44
SMALL_PX = 34

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
class Words:
    """One line of text; `box` is its line box, from ascender to descender."""

    text: str
    box: Box
    size_px: int
    ink: Ink = WHITE
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """A rectangle that is filled, outlined, or both."""

    box: Box
    fill: Ink | None = None
    line: Ink | None = None
    line_px: int = 3
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Outline:
    """An open or closed line over a radiograph or between it and a panel."""

    points: tuple[Point, ...]
    ink: Ink = WHITE
    line_px: int = 3
    closed: bool = True
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Photo:
    """Where one radiograph is shown."""

    sop_instance_uid: str
    box: Box


Part = Words | Frame | Outline | Photo


@dataclass(frozen=True, slots=True)
class Block:
    """Parts inside a rectangle from (0, 0) to (width_px, height_px)."""

    width_px: int
    height_px: int
    parts: tuple[Part, ...] = ()

    @property
    def words(self) -> tuple[Words, ...]:
        return tuple(part for part in self.parts if isinstance(part, Words))

    @property
    def photos(self) -> tuple[Photo, ...]:
        return tuple(part for part in self.parts if isinstance(part, Photo))

    @property
    def outlines(self) -> tuple[Outline, ...]:
        return tuple(part for part in self.parts if isinstance(part, Outline))

    @property
    def frames(self) -> tuple[Frame, ...]:
        return tuple(part for part in self.parts if isinstance(part, Frame))


def moved(parts: Iterable[Part], dx: int, dy: int) -> tuple[Part, ...]:
    """Return the same parts, `dx` to the right and `dy` down."""
    return tuple(_moved(part, dx, dy) for part in parts)


def _moved(part: Part, dx: int, dy: int) -> Part:
    if isinstance(part, Outline):
        return replace(part, points=tuple(Point(p.x + dx, p.y + dy) for p in part.points))
    box = part.box
    return replace(part, box=Box(box.x0 + dx, box.y0 + dy, box.x1 + dx, box.y1 + dy))


def stacked(blocks: Sequence[Block], gap_px: int = 0) -> Block:
    """Put blocks under one another, flush left."""
    parts: list[Part] = []
    y = 0
    for block in blocks:
        parts.extend(moved(block.parts, 0, y))
        y += block.height_px + gap_px
    width = max((block.width_px for block in blocks), default=0)
    return Block(width, max(y - gap_px, 0), tuple(parts))


def over(*blocks: Block) -> Block:
    """Put blocks on one another at the same origin."""
    return Block(
        max(block.width_px for block in blocks),
        max(block.height_px for block in blocks),
        tuple(part for block in blocks for part in block.parts),
    )


def framed(block: Block, width_px: int, height_px: int, *, pad_px: int, frame: Frame) -> Block:
    """Put a block into a frame of the given outer size; the style is that of `frame`."""
    outer = replace(frame, box=Box(0, 0, width_px, height_px))
    return Block(width_px, height_px, (outer, *moved(block.parts, pad_px, pad_px)))


@lru_cache(maxsize=32)
def font(size_px: int) -> ImageFont.FreeTypeFont:
    """Return Pillow's own scalable font (Aileron, CC0), so that every installation has it."""
    loaded = ImageFont.load_default(size_px)
    if not isinstance(loaded, ImageFont.FreeTypeFont):
        raise TypeError(f"expected a scalable font from Pillow with FreeType, found {type(loaded).__name__}")
    return loaded


def stroke_px(size_px: int, *, bold: bool) -> int:
    """Return the stroke that makes the regular weight bold, in pixels on every side of a line."""
    return max(1, round(size_px / 40)) if bold else 0


def line_height_px(size_px: int) -> int:
    """Return the height of a line of text from ascender to descender."""
    ascent, descent = font(size_px).getmetrics()
    return ascent + descent


def text_width_px(text: str, size_px: int, *, bold: bool = False) -> int:
    """Return the width that a line of text takes, its stroke included."""
    return round(font(size_px).getlength(text)) + 1 + 2 * stroke_px(size_px, bold=bold)


def drawable(text: str) -> str:
    """Spell `text` with the printable ASCII that the font has; accents fall away."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_PLAIN))
    kept = (character for character in decomposed if not unicodedata.combining(character))
    return "".join(c if " " <= c <= "~" else " " if c.isspace() else "?" for c in kept)


def line(text: str, size_px: int, *, ink: Ink = WHITE, bold: bool = False) -> Block:
    """Set one line of text."""
    text = drawable(text)
    width, height = text_width_px(text, size_px, bold=bold), line_height_px(size_px)
    return Block(width, height, (Words(text, Box(0, 0, width, height), size_px, ink, bold),))


def paragraph(
    text: str, size_px: int, width_px: int, *, lines: int = 6, ink: Ink = WHITE, bold: bool = False
) -> Block:
    """Set text in at most `lines` lines of at most `width_px`; what does not fit ends in "..."."""
    rows = _broken(drawable(text), size_px, width_px, bold=bold)
    if len(rows) > lines:
        rows = [*rows[: lines - 1], _shortened(rows[lines - 1], size_px, width_px, bold=bold)]
    return stacked([line(row, size_px, ink=ink, bold=bold) for row in rows])


def _broken(text: str, size_px: int, width_px: int, *, bold: bool) -> list[str]:
    rows: list[str] = []
    for word in text.split():
        joined = f"{rows[-1]} {word}" if rows else word
        if rows and text_width_px(joined, size_px, bold=bold) <= width_px:
            rows[-1] = joined
            continue
        rows.extend(_chopped(word, size_px, width_px, bold=bold))
    return rows


def _chopped(word: str, size_px: int, width_px: int, *, bold: bool) -> list[str]:
    """Break a word that is longer than a line, such as a UID."""
    pieces = [""]
    for character in word:
        if pieces[-1] and text_width_px(pieces[-1] + character, size_px, bold=bold) > width_px:
            pieces.append("")
        pieces[-1] += character
    return pieces


def _shortened(row: str, size_px: int, width_px: int, *, bold: bool) -> str:
    while row and text_width_px(row + " ...", size_px, bold=bold) > width_px:
        row = row[:-1].rstrip()
    return row + " ..."
