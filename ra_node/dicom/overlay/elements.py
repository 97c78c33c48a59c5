"""Elements of the layout.

Boxes and points are canvas pixels at full size. A block is a finished piece (a panel, a header) with
its own origin; blocks are stacked and shifted into one block for the whole image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import UnionType
from typing import Literal

from ra_node.dicom.overlay.fonts import OWN, Face
from ra_node.domain.geometry import Box, Point

Ink = tuple[int, int, int]
"""Red, green and blue, 0 to 255. Every pair of foreground and background also differs in brightness."""

GROUND: Ink = (10, 12, 15)
WHITE: Ink = (244, 244, 244)
MUTED: Ink = (186, 190, 196)
RULE: Ink = (92, 98, 106)
AMBER: Ink = (255, 200, 70)
SUSPECTED: Ink = (255, 122, 92)
"""Only of disease; amber is the colour of caveats."""
SKY: Ink = (140, 212, 255)

HEAT: Ink = (255, 140, 225)
"""Model attention; its lines are also thinner than those of the hands, and lie inside them."""

KEY_PX = 45
"""Smallest size of a result: 15 pixels where the picture is shown at a third of its size."""
TEXT_PX = 35
SMALL_PX = 30
"""Smallest size of text that belongs to a result: 10 pixels at a third."""

FINE_PX = 24
"""Smallest size of any text, for model and version: 8 pixels at a third."""


@dataclass(frozen=True, slots=True)
class Words:
    """One line of text; `box` is its line box, from ascender to descender."""

    text: str
    box: Box
    size_px: int
    ink: Ink = WHITE
    bold: bool = False
    face: Face = OWN


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A rectangle that is filled, outlined, or both."""

    box: Box
    fill: Ink | None = None
    line: Ink | None = None
    line_px: int = 2
    dashed: bool = False


Role = Literal["hand", "attention", "joint", "line"]
"""A hand, attention, the ring at a named joint, or a connecting line."""


@dataclass(frozen=True, slots=True)
class Outline:
    """An open or closed line over a radiograph or between it and a panel."""

    points: tuple[Point, ...]
    ink: Ink = WHITE
    line_px: int = 3
    closed: bool = True
    dashed: bool = False
    role: Role = "line"
    halo_px: int = 2
    """Width of the dark halo on both sides, which makes the line visible on bone."""


@dataclass(frozen=True, slots=True)
class Photo:
    """Where one radiograph is shown."""

    sop_instance_uid: str
    box: Box


@dataclass(frozen=True, slots=True)
class Shifted:
    """Parts with a pending shift of `dx` to the right and `dy` down."""

    parts: tuple[Part, ...]
    dx: int
    dy: int


Solid = Words | Rectangle | Outline | Photo
Part = Solid | Shifted


@dataclass(frozen=True, slots=True)
class ElementGroup:
    """Parts inside a rectangle from (0, 0) to (width_px, height_px)."""

    width_px: int
    height_px: int
    parts: tuple[Part, ...] = ()

    @property
    def words(self) -> tuple[Words, ...]:
        return tuple(part for part in settled(self.parts, Words) if isinstance(part, Words))

    @property
    def photos(self) -> tuple[Photo, ...]:
        return tuple(part for part in settled(self.parts, Photo) if isinstance(part, Photo))

    @property
    def outlines(self) -> tuple[Outline, ...]:
        return tuple(part for part in settled(self.parts, Outline) if isinstance(part, Outline))

    @property
    def frames(self) -> tuple[Rectangle, ...]:
        return tuple(part for part in settled(self.parts, Rectangle) if isinstance(part, Rectangle))


def moved(parts: Iterable[Part], dx: int, dy: int) -> tuple[Part, ...]:
    """Return the same parts, `dx` to the right and `dy` down.

    The shift is applied lazily, because a text element is moved once for each block that contains it.
    """
    kept = tuple(parts)
    return (Shifted(kept, dx, dy),) if kept else ()


def settled(
    parts: Iterable[Part], kind: type[Solid] | UnionType = Solid, dx: int = 0, dy: int = 0
) -> Iterator[Solid]:
    """Parts of a kind with all shifts applied."""
    for part in parts:
        if isinstance(part, Shifted):
            yield from settled(part.parts, kind, dx + part.dx, dy + part.dy)
        elif isinstance(part, kind):
            yield _moved(part, dx, dy) if dx or dy else part


def _moved(part: Solid, dx: int, dy: int) -> Solid:
    if isinstance(part, Outline):
        return replace(part, points=tuple(Point(p.x + dx, p.y + dy) for p in part.points))
    box = part.box
    return replace(part, box=Box(box.x0 + dx, box.y0 + dy, box.x1 + dx, box.y1 + dy))


def stacked(blocks: Sequence[ElementGroup], gap_px: int = 0) -> ElementGroup:
    """Put blocks under one another, flush left."""
    parts: list[Part] = []
    y = 0
    for block in blocks:
        parts.extend(moved(block.parts, 0, y))
        y += block.height_px + gap_px
    width = max((block.width_px for block in blocks), default=0)
    return ElementGroup(width, max(y - gap_px, 0), tuple(parts))


def over(*blocks: ElementGroup) -> ElementGroup:
    """Put blocks on one another at the same origin."""
    return ElementGroup(
        max(block.width_px for block in blocks),
        max(block.height_px for block in blocks),
        tuple(part for block in blocks for part in block.parts),
    )


def framed(
    block: ElementGroup, width_px: int, height_px: int, *, pad_px: int, frame: Rectangle
) -> ElementGroup:
    """Put a block into a frame of the given outer size; the style is that of `frame`."""
    outer = replace(frame, box=Box(0, 0, width_px, height_px))
    return ElementGroup(width_px, height_px, (outer, *moved(block.parts, pad_px, pad_px)))
