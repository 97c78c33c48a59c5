"""Header and footer: banner above the radiographs; model, time and legend below them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC

from ra_node import __version__
from ra_node.dicom.overlay.annotations import BOLD_PX, THIN_PX
from ra_node.dicom.overlay.elements import (
    AMBER,
    FINE_PX,
    HEAT,
    KEY_PX,
    MUTED,
    RULE,
    SMALL_PX,
    TEXT_PX,
    WHITE,
    ElementGroup,
    Outline,
    Part,
    Rectangle,
    moved,
    stacked,
)
from ra_node.dicom.overlay.joint_marks import ring_at
from ra_node.dicom.overlay.typesetting import Pen
from ra_node.domain.geometry import Box, Point
from ra_node.domain.image_groups import ranges
from ra_node.domain.prior_comparison import follow_up_sentences
from ra_node.domain.report import ImageFinding, StudyReport
from ra_node.domain.texts.model_sentences import model_sentence, used_models
from ra_node.domain.texts.report_sentences import hand_sentence, refusal_text, warnings_of
from ra_node.domain.texts.summary_sentence import summary_sentence
from ra_node.domain.texts.wording import told

BANNER_PX = 50
"""Width of the title lines: viewers place their cine bar over the middle of the top of an image."""

SUMMARY_PX = 35
MOST_LINES = 12
"""Of images that are not shown."""

SAMPLE_PX = 72
"""Length of the lines that the legend shows."""


def header(report: StudyReport, width_px: int, pen: Pen) -> ElementGroup:
    """Research label, notice of the bundle, title, summary, and change since the earlier report.

    A viewer's cine bar covers at most the end of the title lines.
    """
    blocks = [_caveat(report, width_px, pen), _ruled(_title(pen), width_px)]
    if report.version > 1:
        blocks.append(pen.paragraph(revision_words(report, pen), KEY_PX - 3, width_px, lines=2, bold=True))
    blocks.append(pen.paragraph(summary_sentence(report, pen.language), SUMMARY_PX, width_px, lines=5))
    changes = pen.language.say("sign.space").join(follow_up_sentences(report, pen.language))
    blocks += [pen.paragraph(changes, SMALL_PX, width_px, lines=9)] if changes else []
    return stacked(blocks, 8)


def _caveat(report: StudyReport, width_px: int, pen: Pen) -> ElementGroup:
    """Notices about intended use, on as few lines as possible."""
    warnings = [told(text, pen.language) for text in warnings_of(report)]
    text = "".join(_sentence(warning, pen) for warning in warnings).rstrip()
    return pen.paragraph(text, TEXT_PX, width_px, lines=6, ink=AMBER)


def _sentence(text: str, pen: Pen) -> str:
    """End a sentence before the next one, with the punctuation of its language."""
    plain = text.isascii()
    stop = "." if plain else pen.language.say("sign.stop")
    ended = text if text.endswith((stop, "!", "?")) else text + stop
    return ended + (" " if plain else pen.language.say("sign.space"))


def _title(pen: Pen) -> ElementGroup:
    lines = pen.say("banner").split(" - ", 1)
    return stacked([pen.line(line, BANNER_PX, ink=AMBER, bold=True) for line in lines])


def _ruled(block: ElementGroup, width_px: int) -> ElementGroup:
    foot = block.height_px + 4
    rule = Rectangle(Box(0, foot, width_px, foot + 6), fill=AMBER)
    return ElementGroup(width_px, foot + 6, (*block.parts, rule))


def revision_words(report: StudyReport, pen: Pen) -> str:
    """Report version, and the version that it replaces."""
    if report.version == 1:
        return pen.say("report_version", version=report.version)
    return pen.say("revision", version=report.version, earlier=report.version - 1)


def remarked(remarks: Sequence[str], width_px: int, pen: Pen) -> ElementGroup:
    """Remarks that apply to every image shown, once."""
    said = (told(remark, pen.language) for remark in remarks)
    return stacked([pen.paragraph(text, SMALL_PX, width_px, lines=3) for text in said], 3)


def listed(images: Sequence[ImageFinding], report: StudyReport, width_px: int, pen: Pen) -> ElementGroup:
    """The images that are not shown: their numbers in the study, and their results or refusals.

    Images with the same text are grouped. Of very many, results come first and the rest is counted.
    """
    lines = _lines(images, report, pen)
    if len(lines) > MOST_LINES:
        lines.sort(key=lambda line: line.refused)
    said = [line.text for line in lines[:MOST_LINES]]
    if len(lines) > MOST_LINES:
        said.append(pen.say("not_listed", count=len(lines) - MOST_LINES))
    blocks = [pen.line(pen.say("not_shown"), TEXT_PX, bold=True)]
    return stacked([*blocks, *(pen.paragraph(text, SMALL_PX, width_px, lines=3) for text in said)], 4)


@dataclass(frozen=True, slots=True)
class _Line:
    refused: bool
    text: str


def _lines(images: Sequence[ImageFinding], report: StudyReport, pen: Pen) -> list[_Line]:
    numbers = {image.sop_instance_uid: n for n, image in enumerate(report.images, 1)}
    found: dict[tuple[str, str], list[int]] = {}
    hopeless: set[tuple[str, str]] = set()
    for image in images:
        for key, text, refused in _said(image, pen):
            found.setdefault((key, text), []).append(numbers[image.sop_instance_uid])
            hopeless |= {(key, text)} if refused else set()
    return [_Line(said in hopeless, _told_of(said, told_of, pen)) for said, told_of in found.items()]


def _told_of(said: tuple[str, str], numbers: Sequence[int], pen: Pen) -> str:
    key, text = said
    each = list(dict.fromkeys(numbers))
    if len(each) == 1:
        return pen.say(key, number=each[0], text=text)
    return pen.say(f"{key}s", count=len(each), numbers=ranges(each), text=text)


def _said(image: ImageFinding, pen: Pen) -> list[tuple[str, str, bool]]:
    if image.refusal is not None:
        return [("not_shown_refusal", refusal_text(image.refusal, pen.language), True)]
    return [
        ("not_shown_result", hand_sentence(hand, pen.language), hand.refusal is not None)
        for hand in image.hands
    ]


def footer(report: StudyReport, width_px: int, pen: Pen) -> ElementGroup:
    """Legend, model, time and version."""
    rule: Part = Rectangle(Box(0, 0, width_px, 2), fill=RULE)
    made = pen.language.say("sign.space").join(_made(report, pen))
    body = stacked(
        [_legend(report, width_px, pen), pen.paragraph(made, FINE_PX, width_px, lines=9, ink=MUTED)], 3
    )
    return ElementGroup(width_px, body.height_px + 12, (rule, *moved(body.parts, 0, 12)))


def _made(report: StudyReport, pen: Pen) -> Iterator[str]:
    made, bundle = report.created_at.astimezone(UTC), report.bundle
    if not bundle.models:
        yield pen.say("no_model")
    for model in used_models(report):
        yield model_sentence(model, pen.language)
    version = revision_words(report, pen)
    if report.predecessor_sr_uid:
        version = pen.say("predecessor", version=version, uid=report.predecessor_sr_uid)
    yield pen.say(
        "made_with",
        bundle=bundle.name,
        bundle_version=bundle.version,
        sha256=bundle.sha256[:12],
        node_version=__version__,
        date=f"{made:%Y-%m-%d}",
        time=f"{made:%H:%M:%S}",
    )
    yield version + pen.language.say("sign.stop")
    yield pen.say("not_for_measurement")


def _legend(report: StudyReport, width_px: int, pen: Pen) -> ElementGroup:
    """The kinds of lines, each drawn beside its meaning, as many in a row as fit."""
    entries = [
        _entry([Outline(_across(0), WHITE, closed=False)], pen.say("legend_certain"), pen, width_px),
        _entry(
            [Outline(_across(0), WHITE, closed=False, dashed=True)], pen.say("legend_doubtful"), pen, width_px
        ),
    ]
    if any(joint.stage for hand in report.hands for joint in hand.joint_stages):
        entries.append(
            _entry([ring_at(Point(SAMPLE_PX / 2, 0), 11, 3)], pen.say("legend_joint"), pen, width_px)
        )
    if any(hand.explanation is not None and hand.explanation.contours for hand in report.hands):
        thin = Outline(_across(-7), HEAT, line_px=THIN_PX, closed=False, halo_px=1)
        bold = Outline(_across(7), HEAT, line_px=BOLD_PX, closed=False, halo_px=1)
        entries.append(_entry([thin, bold], pen.say("legend_attention"), pen, width_px))
    rows: list[ElementGroup] = []
    for entry in entries:
        x = rows[-1].width_px + 45 if rows else 0
        if rows and x + entry.width_px <= width_px:
            joined = (*rows[-1].parts, *moved(entry.parts, x, 0))
            rows[-1] = ElementGroup(x + entry.width_px, max(rows[-1].height_px, entry.height_px), joined)
        else:
            rows.append(entry)
    return stacked(rows)


def _across(dy: int) -> tuple[Point, Point]:
    return Point(0, dy), Point(SAMPLE_PX, dy)


def _entry(samples: Sequence[Outline], text: str, pen: Pen, width_px: int) -> ElementGroup:
    indent = SAMPLE_PX + 15
    words = pen.paragraph(text, FINE_PX, width_px - indent, lines=3)
    middle = words.words[0].box.height_px // 2
    parts = (*moved(samples, 0, middle), *moved(words.parts, indent, 0))
    return ElementGroup(indent + words.width_px, words.height_px, parts)
