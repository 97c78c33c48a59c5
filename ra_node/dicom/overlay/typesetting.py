"""Typesetting of the overlay: one language in one font, measured before painting."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ra_node.dicom.overlay.elements import WHITE, ElementGroup, Ink, Words, stacked
from ra_node.dicom.overlay.fonts import Face, drawable, face_of, line_height_px, text_width_px
from ra_node.domain.geometry import Box
from ra_node.domain.texts.translations import Language

_ASIAN = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
_CLOSING = "，。；：、！？）》」』】”’％%,.;:!?)"  # noqa: RUF001 - these begin no line
_OPENING = "（《「『【“‘("  # noqa: RUF001 - these end no line
_PIECE = re.compile(
    rf"\s*(?:[{re.escape(_OPENING)}]*(?:[{_ASIAN}]|[^\s{_ASIAN}]+)[{re.escape(_CLOSING)}]*|\S)"
    rf"(?: %[{re.escape(_CLOSING)}]*)?"
)
"""Unit without line break: a CJK character with its punctuation, or a word; with the space before it."""


@dataclass(frozen=True, slots=True)
class Pen:
    """The language and the font of one overlay."""

    language: Language
    face: Face

    def say(self, key: str, **values: object) -> str:
        """Text of the overlay by its key in [overlay]."""
        return self.language.say(f"overlay.{key}", **values)

    def line(self, text: str, size_px: int, *, ink: Ink = WHITE, bold: bool = False) -> ElementGroup:
        """Set one line of text."""
        text = drawable(self.face, text)
        width = text_width_px(self.face, text, size_px, bold=bold)
        height = line_height_px(self.face, size_px)
        return ElementGroup(
            width, height, (Words(text, Box(0, 0, width, height), size_px, ink, bold, self.face),)
        )

    def paragraph(
        self,
        text: str,
        size_px: int,
        width_px: int,
        *,
        lines: int = 6,
        ink: Ink = WHITE,
        bold: bool = False,
    ) -> ElementGroup:
        """Set text in at most `lines` lines of at most `width_px`; what does not fit ends in "..."."""
        rows = self._broken(drawable(self.face, text), size_px, width_px, bold=bold)
        if 1 < len(rows) <= lines and text_width_px(self.face, rows[-1], size_px, bold=bold) < width_px / 3:
            rows = self._balanced(rows, drawable(self.face, text), size_px, bold=bold)
        if len(rows) > lines:
            rows = [*rows[: lines - 1], self._shortened(rows[lines - 1], size_px, width_px, bold=bold)]
        return stacked([self.line(row, size_px, ink=ink, bold=bold) for row in rows])

    def _broken(self, text: str, size_px: int, width_px: int, *, bold: bool) -> list[str]:
        rows: list[str] = []
        for piece in _PIECE.findall(text):
            joined = rows[-1] + piece if rows else piece.lstrip()
            if rows and text_width_px(self.face, joined, size_px, bold=bold) <= width_px:
                rows[-1] = joined
                continue
            rows.extend(self._chopped(piece.lstrip(), size_px, width_px, bold=bold))
        return rows

    def _balanced(self, rows: list[str], text: str, size_px: int, *, bold: bool) -> list[str]:
        """Break text into the same number of lines of about the same width: no word alone on the last line.

        A word that is wider than the mean line, such as a UID, keeps the lines as they are.
        """
        widest = max(text_width_px(self.face, row, size_px, bold=bold) for row in rows)
        mean = sum(text_width_px(self.face, row, size_px, bold=bold) for row in rows) // len(rows)
        pieces = max(
            text_width_px(self.face, piece.lstrip(), size_px, bold=bold) for piece in _PIECE.findall(text)
        )
        for width in range(max(mean, pieces), widest, max(size_px // 4, 1)):
            narrower = self._broken(text, size_px, width, bold=bold)
            if len(narrower) == len(rows):
                return narrower
        return rows

    def _chopped(self, word: str, size_px: int, width_px: int, *, bold: bool) -> list[str]:
        """Break a word that is longer than a line, such as a UID."""
        pieces = [""]
        for character in word:
            wider = pieces[-1] + character
            if pieces[-1] and text_width_px(self.face, wider, size_px, bold=bold) > width_px:
                pieces.append("")
            pieces[-1] += character
        return pieces

    def _shortened(self, row: str, size_px: int, width_px: int, *, bold: bool) -> str:
        while row and text_width_px(self.face, row + " ...", size_px, bold=bold) > width_px:
            row = row[:-1].rstrip()
        return row + " ..."


def pen_of(language: Language) -> Pen:
    """The pen of a language; raises Fatal where its font is not installed."""
    return Pen(language, face_of(language))
