"""Panel of one hand, in words and shapes that are readable without colour."""

from __future__ import annotations

from collections.abc import Sequence

from ra_node.dicom.overlay.elements import (
    FINE_PX,
    GROUND,
    KEY_PX,
    MUTED,
    RULE,
    SKY,
    SMALL_PX,
    SUSPECTED,
    TEXT_PX,
    WHITE,
    ElementGroup,
    Ink,
    Rectangle,
    framed,
    moved,
    over,
    stacked,
)
from ra_node.dicom.overlay.typesetting import Pen
from ra_node.domain.caveats import Doubt, doubts_of
from ra_node.domain.geometry import Box
from ra_node.domain.refusal import OUTSIDE_DOMAIN, Reason, Refusal
from ra_node.domain.report import STAGES, HandFinding, HandVerdict, ImageFinding, Recognition, Staging
from ra_node.domain.texts.joint_sentences import attention_sentence, joints_sentence
from ra_node.domain.texts.report_sentences import (
    doubt_words,
    hand_name,
    marker_words,
    outside_sentence,
    presence,
    refusal_text,
)
from ra_node.domain.texts.wording import percent_words, told

PANEL_PX = 624
"""Width of a panel beside its radiograph, and minimum width below it."""

PAD_PX = 21
GAP_PX = 11
GAUGE_PX = 16
CHART_PX = 75
CHART_GAP_PX = 21
MOST_CHART_PX = 270
_TOLD_ELSEWHERE = frozenset({Doubt.NOT_JUDGED, Doubt.INCONCLUSIVE, Doubt.DOMAIN, Doubt.AGE})
"""Caveats that have a box of their own."""


def is_dashed(hand: HandFinding) -> bool:
    """Whether a hand has any caveat."""
    return bool(doubts_of(hand))


def ink_of(hand: HandFinding) -> Ink:
    """Colour of a hand, in addition to the words."""
    return {HandVerdict.PRESENT: SUSPECTED, HandVerdict.ABSENT: SKY}.get(hand.verdict, WHITE)


def hand_panel(hand: HandFinding, width_px: int, pen: Pen, height_px: int = 0) -> ElementGroup:
    """Panel of one hand: side, evidence, and the result or the reason why there is none.

    The panel is as high as its words; up to `height_px` its chart grows.
    """
    least = _hand_panel(hand, width_px, pen, CHART_PX)
    spare = min(height_px - least.height_px, MOST_CHART_PX - CHART_PX)
    return _hand_panel(hand, width_px, pen, CHART_PX + spare) if spare > 0 else least


def _hand_panel(hand: HandFinding, width_px: int, pen: Pen, chart_px: int) -> ElementGroup:
    inner = width_px - 2 * PAD_PX
    blocks = [_with_marker(_title(hand, inner, pen), hand, inner, pen)]
    if hand.refusal is not None or hand.recognition is None:
        blocks.append(_refused(hand.refusal, inner, pen, refused_word(hand)))
    else:
        blocks += _outside(hand, inner, pen)
        if hand.verdict is HandVerdict.INCONCLUSIVE:
            blocks.append(_inconclusive(hand, inner, pen))
        else:
            blocks.append(_recognition(hand.recognition, inner, pen))
            if hand.staging is not None:
                blocks.append(_staging(hand.staging, inner, pen, chart_px))
            blocks += _attention(hand, inner, pen)
        blocks += _joints(hand, inner, pen)
    blocks += _doubts(hand, inner, pen)
    return _panel(blocks, width_px, ink_of(hand), dashed=is_dashed(hand))


def refused_word(hand: HandFinding) -> str:
    """Text key of the heading above a reason; "not rated" for a hand outside the domain."""
    return "not_rated" if hand.verdict is HandVerdict.NOT_RATED else "not_analysed"


def image_panel(image: ImageFinding, width_px: int, pen: Pen) -> ElementGroup:
    """Panel with the reason why an image has no hands."""
    return _reason_panel("this_image", image.refusal, width_px, pen)


def refusal_panel(refusal: Refusal | None, width_px: int, pen: Pen) -> ElementGroup:
    """Panel with the reason why a study has no result."""
    return _reason_panel("this_study", refusal, width_px, pen)


def _reason_panel(key: str, refusal: Refusal | None, width_px: int, pen: Pen) -> ElementGroup:
    title = pen.line(pen.say(key).upper(), KEY_PX + 3, bold=True)
    not_rated = refusal is not None and refusal.reason in OUTSIDE_DOMAIN and key == "this_study"
    withdrawn = refusal is not None and refusal.reason is Reason.WITHDRAWN
    word = "withdrawn" if withdrawn else "not_rated" if not_rated else "not_analysed"
    reason = _refused(refusal, width_px - 2 * PAD_PX, pen, word)
    return _panel([title, reason], width_px, WHITE, dashed=True)


def resized(panel: ElementGroup, height_px: int) -> ElementGroup:
    """Draw the frame of a panel with height `height_px`, equal for neighbours."""
    frame = next(part for part in panel.parts if isinstance(part, Rectangle))
    taller = Rectangle(
        Box(0, 0, panel.width_px, height_px), frame.fill, frame.line, frame.line_px, frame.dashed
    )
    return ElementGroup(panel.width_px, height_px, (taller, *panel.parts[1:]))


def _panel(blocks: Sequence[ElementGroup], width_px: int, ink: Ink, *, dashed: bool) -> ElementGroup:
    body = stacked(blocks, GAP_PX)
    style = Rectangle(Box(0, 0, 1, 1), fill=(22, 25, 30), line=ink, line_px=3, dashed=dashed)
    return framed(body, width_px, body.height_px + 2 * PAD_PX, pad_px=PAD_PX, frame=style)


def _title(hand: HandFinding, width_px: int, pen: Pen) -> ElementGroup:
    """The hand and the evidence for its side: on one line where both fit."""
    name = pen.paragraph(hand_name(hand, pen.language).upper(), KEY_PX, width_px, lines=3, bold=True)
    said = told(hand.side.evidence, pen.language)
    evidence = pen.line(said, FINE_PX, ink=MUTED)
    if name.width_px + 18 + evidence.width_px > width_px or len(name.words) > 1:
        return stacked([name, pen.paragraph(said, FINE_PX, width_px, lines=3, ink=MUTED)])
    drop = name.height_px - evidence.height_px - 6
    return over(name, ElementGroup(0, 0, moved(evidence.parts, width_px - evidence.width_px, drop)))


def _with_marker(title: ElementGroup, hand: HandFinding, width_px: int, pen: Pen) -> ElementGroup:
    """The title and, below it, the source of the side and whether a lead marker was read."""
    words = marker_words(hand, pen.language)
    return stacked([title, pen.paragraph(words, FINE_PX, width_px, lines=2, ink=MUTED)]) if words else title


def _refused(refusal: Refusal | None, width_px: int, pen: Pen, word: str) -> ElementGroup:
    blocks = [pen.line(pen.say(word).upper(), KEY_PX + 3, bold=True)]
    if refusal is not None:
        reason = refusal_text(refusal, pen.language)
        blocks.append(pen.paragraph(reason, TEXT_PX, width_px - 2 * PAD_PX, lines=7))
    words = stacked(blocks, 4)
    style = Rectangle(Box(0, 0, 1, 1), line=WHITE, line_px=3, dashed=True)
    return framed(words, width_px, words.height_px + 2 * PAD_PX, pad_px=PAD_PX, frame=style)


def _outside(hand: HandFinding, width_px: int, pen: Pen) -> list[ElementGroup]:
    """Caveat above the result."""
    text = outside_sentence(hand, pen.language)
    return [pen.paragraph(text, SMALL_PX, width_px, lines=5, bold=True)] if text else []


def _attention(hand: HandFinding, width_px: int, pen: Pen) -> list[ElementGroup]:
    """Attention in words: the salient joints, or that no joint stands out."""
    text = attention_sentence(hand, pen.language, brief=True)
    return [pen.paragraph(text, SMALL_PX, width_px, lines=3)] if text else []


def _joints(hand: HandFinding, width_px: int, pen: Pen) -> list[ElementGroup]:
    """The stages of the joints in words, as far as they fit."""
    text = joints_sentence(hand, pen.language)
    return [pen.paragraph(text, SMALL_PX, width_px, lines=5)] if text else []


def _doubts(hand: HandFinding, width_px: int, pen: Pen) -> list[ElementGroup]:
    doubts = [doubt for doubt in doubts_of(hand) if doubt not in _TOLD_ELSEWHERE]
    if not doubts:
        return []
    text = pen.say("doubtful", doubts=doubt_words(doubts, pen.language))
    return [pen.paragraph(text, SMALL_PX, width_px, lines=3, bold=True)]


def _recognition(found: Recognition, width_px: int, pen: Pen) -> ElementGroup:
    """Present is dark on a filled bar, absent is light in an empty one."""
    ink = GROUND if found.positive else WHITE
    said = pen.say("ra", presence=presence(found, pen.language).upper())
    answer = pen.line(said, KEY_PX + 6, ink=ink, bold=True)
    number = pen.line(percent_words(found, pen.language)[0], KEY_PX + 6, ink=ink, bold=True)
    height = answer.height_px + 12
    bar = Rectangle(
        Box(0, 0, width_px, height),
        fill=SUSPECTED if found.positive else None,
        line=SUSPECTED if found.positive else SKY,
        line_px=4,
    )
    words = (*moved(answer.parts, 15, 6), *moved(number.parts, width_px - number.width_px - 15, 6))
    return stacked([ElementGroup(width_px, height, (bar, *words)), _gauge(found, width_px, pen)], 8)


def _gauge(found: Recognition, width_px: int, pen: Pen) -> ElementGroup:
    """The probability on a line from 0 to 100 %, the operating point as a mark across it and in words."""
    words = pen.line(
        pen.say("operating_point", threshold=percent_words(found, pen.language)[1]), FINE_PX, ink=MUTED
    )
    width = width_px - words.width_px - 15
    mark = min(max(round(found.threshold * width), 2), width - 2)
    reach = min(max(round(found.probability * width), 3), width)
    shapes = (
        Rectangle(Box(0, 6, width, 6 + GAUGE_PX), line=MUTED, line_px=2),
        Rectangle(Box(0, 6, reach, 6 + GAUGE_PX), fill=SUSPECTED if found.positive else SKY),
        Rectangle(Box(mark - 5, 0, mark + 5, GAUGE_PX + 12), fill=GROUND),
        Rectangle(Box(mark - 2, 0, mark + 2, GAUGE_PX + 12), fill=WHITE),
    )
    right = moved(words.parts, width + 15, (GAUGE_PX + 12 - words.height_px) // 2)
    return ElementGroup(width_px, max(GAUGE_PX + 12, words.height_px), (*shapes, *right))


def _staging(found: Staging, width_px: int, pen: Pen, chart_px: int) -> ElementGroup:
    """The most probable stage in large type, and the distribution beside it."""
    stage = pen.line(pen.say("stage", stage=found.stage).upper(), KEY_PX + 6, bold=True)
    notes = [pen.line(pen.say(key), FINE_PX, ink=MUTED) for key in ("stage_normal", "stage_bars")]
    left = stacked([stage, *notes], 2)
    chart = _chart(found, width_px - left.width_px - CHART_GAP_PX, pen, chart_px)
    parts = (*left.parts, *moved(chart.parts, left.width_px + CHART_GAP_PX, 0))
    return ElementGroup(width_px, max(left.height_px, chart.height_px), parts)


def _chart(found: Staging, width_px: int, pen: Pen, chart_px: int) -> ElementGroup:
    """One column per stage: value, bar, label; the most probable one filled."""
    gap = 8
    width = (width_px - gap * (len(STAGES) - 1)) // len(STAGES)
    columns = [_column(stage, found, (width, chart_px), pen) for stage in STAGES]
    parts = [part for n, c in enumerate(columns) for part in moved(c.parts, n * (width + gap), 0)]
    return ElementGroup(width_px, columns[0].height_px, tuple(parts))


def _column(stage: int, found: Staging, size: tuple[int, int], pen: Pen) -> ElementGroup:
    """One stage: its share in percent, a bar in a track of 100 % (`size` in pixels), its number."""
    width, track_px = size
    chosen = stage == found.stage
    share = found.probabilities[stage]
    below_one = 0 < share < 0.005
    value = pen.line(pen.say("below_one") if below_one else _percent(share), SMALL_PX, bold=chosen)
    label = pen.line(str(stage), SMALL_PX, bold=chosen, ink=GROUND if chosen else WHITE)
    top = value.height_px
    foot = top + track_px
    height = max(round(share * track_px), 3)
    shapes = (
        Rectangle(Box(0, top, width, foot), line=RULE, line_px=2),
        Rectangle(Box(0, foot - height, width, foot), fill=WHITE if chosen else MUTED),
        Rectangle(Box(0, foot + 3, width, foot + 3 + label.height_px), fill=WHITE if chosen else RULE),
    )
    words = (
        *moved(value.parts, (width - value.width_px) // 2, 0),
        *moved(label.parts, (width - label.width_px) // 2, foot + 3),
    )
    return ElementGroup(width, foot + 3 + label.height_px, (*shapes, *words))


def _inconclusive(hand: HandFinding, width_px: int, pen: Pen) -> ElementGroup:
    """Inconclusive verdict in an empty, dashed box, and both model outputs in words."""
    recognition, staging = hand.recognition, hand.staging
    assert recognition is not None
    assert staging is not None
    probability, threshold = percent_words(recognition, pen.language)
    text = pen.say(
        "inconclusive_joints_how" if hand.joints_contradict else "inconclusive_how",
        probability=probability,
        threshold=threshold,
        stage=staging.stage,
        **({"joint_stage": hand.joint_stage} if hand.joints_contradict else {}),
    )
    word = pen.say("ra", presence=pen.language.say("hand.inconclusive_word").upper())
    title = pen.line(word, KEY_PX + 6, bold=True)
    words = stacked([title, pen.paragraph(text, TEXT_PX, width_px - 2 * PAD_PX, lines=7)], 4)
    style = Rectangle(Box(0, 0, 1, 1), line=WHITE, line_px=3, dashed=True)
    return framed(words, width_px, words.height_px + 2 * PAD_PX, pad_px=PAD_PX, frame=style)


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"
