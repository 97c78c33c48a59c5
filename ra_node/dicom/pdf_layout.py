"""The report on A4 pages: banner, summary, a table of the hands, remarks, models, and the overlay.

The same report makes the same bytes. Names no patient.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures
from reportlab import rl_config  # type: ignore[import-untyped]
from reportlab.lib import colors  # type: ignore[import-untyped]
from reportlab.lib.pagesizes import A4  # type: ignore[import-untyped]
from reportlab.lib.styles import ParagraphStyle  # type: ignore[import-untyped]
from reportlab.lib.units import mm  # type: ignore[import-untyped]
from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]
from reportlab.platypus import (  # type: ignore[import-untyped]
    Flowable,
    Image,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
)

from ra_node.dicom.pdf_fonts import fitting
from ra_node.domain.image_groups import Group, grouped_numbers, groups_of, ranges
from ra_node.domain.prior_comparison import follow_up_sentences
from ra_node.domain.report import ImageFinding, StudyReport
from ra_node.domain.texts.model_sentences import model_sentence, used_models
from ra_node.domain.texts.report_sentences import (
    caveat,
    distribution_sentence,
    hand_sentence,
    refusal_text,
    side_sentence,
)
from ra_node.domain.texts.summary_sentence import summary_sentence
from ra_node.domain.texts.translations import Language, english
from ra_node.domain.texts.wording import told

MOST_PRINTED = 60
"""Images with a result, or few without one, that are printed: about twenty pages."""

rl_config.useA85 = 0
"""Streams are binary: ASCII85 in pure Python made a document a fifth larger and took a third of its time."""

_MARGIN = 18 * mm
_PICTURE_SHARE = 0.45
_WIDTH, _HEIGHT = A4[0] - 2 * _MARGIN, A4[1] - 2 * _MARGIN - 12 * mm


def report_pdf(report: StudyReport, picture: NDArray[np.uint8], language: Language | None = None) -> bytes:
    """Give the pages as PDF; `picture` is the overlay (rows, columns, 3)."""
    words = language or english()
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=_MARGIN,
        title=words.say("overlay.banner"),
        author=f"{report.bundle.name} {report.bundle.version}",
        subject=report.study_instance_uid,
        initialFontName=fitting("", words)[
            0
        ],  # otherwise reportlab references a font of its own that is not embedded
        invariant=1,
    )

    def foot(canvas: Canvas, _document: object) -> None:
        _foot(canvas, report, words)

    document.build(list(_flow(report, picture, words)), onFirstPage=foot, onLaterPages=foot)
    return buffer.getvalue()


def _flow(report: StudyReport, picture: NDArray[np.uint8], words: Language) -> Iterator[Flowable]:
    yield _paragraph(summary_sentence(report, words), 16, words, bold=True)
    yield _paragraph(caveat(report, words), 10, words, colour=colors.HexColor("#8a4b00"))
    for sentence in follow_up_sentences(report, words):
        yield _paragraph(sentence, 11, words)
    yield Spacer(1, 3 * mm)
    yield _picture(picture)
    groups = groups_of(report)
    alone = [n for n in range(1, len(report.images) + 1) if n not in grouped_numbers(groups)]
    for number in alone[:MOST_PRINTED]:
        yield from _image(report, report.images[number - 1], number, words)
    yield from _told_together(groups, len(alone) - MOST_PRINTED, words)
    yield _paragraph(words.say("overlay.how_to_read"), 9, words)
    if any(hand.recognition is not None for hand in report.hands):
        yield Spacer(1, 4 * mm)
        for model in used_models(report):
            yield _paragraph(model_sentence(model, words), 9, words)


def _told_together(groups: Sequence[Group], left_out: int, words: Language) -> Iterator[Flowable]:
    """Images without a result grouped by reason, and the number of those that are not printed."""
    if left_out > 0:
        yield _paragraph(words.say("overlay.not_printed", count=left_out), 11, words, bold=True)
    for group in groups:
        text = " ".join(refusal_text(refusal, words) for refusal in group.refusals)
        said = {"count": len(group.numbers), "numbers": ranges(group.numbers), "text": text}
        yield _paragraph(words.say("overlay.not_shown_refusals", **said), 11, words)


def _image(report: StudyReport, image: ImageFinding, number: int, words: Language) -> Iterator[Flowable]:
    yield Spacer(1, 4 * mm)
    if len(report.images) > 1 or image.refusal is not None:
        title = words.say("overlay.image_of", number=number, count=len(report.images))
        yield _paragraph(title, 11, words, bold=True)
    if image.refusal is not None:
        yield _paragraph(refusal_text(image.refusal, words), 11, words)
    for hand in image.hands:
        yield _paragraph(hand_sentence(hand, words), 11, words, bold=True)
        for sentence in (
            distribution_sentence(hand.staging, words) if hand.rated and hand.staging is not None else "",
            side_sentence(hand, words),
        ):
            if sentence:
                yield _paragraph(sentence, 10, words)
        yield Spacer(1, 2 * mm)
    for remark in image.remarks:
        yield _paragraph(told(remark, words), 10, words)


def _picture(picture: NDArray[np.uint8]) -> Image:
    """The overlay at less than half of a page: a page of its own would be printed black."""
    buffer = io.BytesIO()
    Pictures.fromarray(picture).save(buffer, format="PNG", compress_level=0)  # reportlab unpacks and packs it
    scale = min(_WIDTH / picture.shape[1], _PICTURE_SHARE * _HEIGHT / picture.shape[0])
    return Image(buffer, picture.shape[1] * scale, picture.shape[0] * scale)


def _paragraph(
    text: str, size: float, words: Language, *, bold: bool = False, colour: colors.Color = colors.black
) -> Paragraph:
    font, text = fitting(text, words, bold=bold)
    style = ParagraphStyle(
        f"{size} {bold}",
        fontName=font,
        fontSize=size,
        leading=size * 1.3,
        textColor=colour,
        spaceAfter=size * 0.3,
        wordWrap="CJK" if any(unicodedata.east_asian_width(sign) in "WF" for sign in text) else None,
    )
    return Paragraph(escape(text), style)


def _foot(canvas: Canvas, report: StudyReport, words: Language) -> None:
    """Study UID, version and time on each page, so that a loose sheet can be identified."""
    made = f"{report.created_at:%Y-%m-%d %H:%M %z}"
    version = words.say("overlay.report_version", version=report.version)
    text = f"{report.study_instance_uid}   {version}   {made}   {canvas.getPageNumber()}"
    canvas.saveState()
    font, text = fitting(text, words)
    canvas.setFont(font, 8)
    canvas.drawString(_MARGIN, 10 * mm, text)
    canvas.restoreState()
