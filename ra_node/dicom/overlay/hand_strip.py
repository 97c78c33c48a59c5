"""Strip of one hand below its radiograph: side with its evidence, one verdict, and the six stages."""

from __future__ import annotations

from ra_node.dicom.overlay.elements import (
    FINE_PX,
    GROUND,
    KEY_PX,
    MUTED,
    RULE,
    SKY,
    SMALL_PX,
    SUSPECTED,
    WHITE,
    ElementGroup,
    Ink,
    Part,
    Rectangle,
    moved,
    stacked,
)
from ra_node.dicom.overlay.typesetting import Pen
from ra_node.domain.caveats import doubts_of
from ra_node.domain.geometry import Box
from ra_node.domain.refusal import Refusal
from ra_node.domain.report import STAGES, HandFinding, HandVerdict, ImageFinding, Staging
from ra_node.domain.texts.report_sentences import doubt_words, hand_name, marker_words, refusal_text
from ra_node.domain.texts.wording import percent_words, told

GREY: Ink = (168, 174, 182)
CAVEAT: Ink = (255, 205, 80)
FILL: Ink = (20, 23, 28)

VERDICT_PX = 60
"""15 pixels where the frame is shown at a quarter of its size."""

STAGE_PX, STAGE_GAP_PX, BESIDE_GAP_PX = 54, 6, 20
WHY_PX = 25
PAD_PX, LINE_GAP_PX = 13, 5
WIDE_PX, BESIDE_PX = 780, 560
"""From the first width on the stages are beside side and verdict, from the second beside the verdict."""

LEAST_STAGE_PX = 16
"""Of a strip too narrow for its boxes, in an arrangement that is tried and not chosen."""

SMALL_STAGE_PX = 46

RANGE_SHARE = 0.8
"""Share of the probability that the marked range of stages holds at least."""

_INKS = {
    HandVerdict.PRESENT: SUSPECTED,
    HandVerdict.ABSENT: SKY,
    HandVerdict.INCONCLUSIVE: WHITE,
    HandVerdict.NOT_RATED: GREY,
    HandVerdict.NOT_ANALYSED: GREY,
}


def verdict_ink(hand: HandFinding) -> Ink:
    """Colour of a verdict, in addition to the words and the kind of line."""
    return _INKS[hand.verdict]


def has_solid_line(hand: HandFinding) -> bool:
    """Only a verdict without caveat has a solid line."""
    return hand.rated and not doubts_of(hand)


def hand_strip(
    hand: HandFinding, width_px: int, pen: Pen, height_px: int = 0, *, alone: bool = False
) -> ElementGroup:
    """Strip of a hand, at least `height_px` high, so that neighbours end level.

    The band states the caveats of a hand that is `alone`.
    """
    inner = width_px - 2 * PAD_PX
    chart = _stages(hand.staging, hand, pen, inner) if hand.rated and hand.staging is not None else None
    wide = width_px >= WIDE_PX
    beside = chart if width_px >= BESIDE_PX else None
    left = inner - (beside.width_px + BESIDE_GAP_PX if beside is not None else 0)
    side = _side(hand, left if wide else inner, pen)
    verdict = _verdict(hand, left, pen, VERDICT_PX if wide else 52)
    blocks = [verdict]
    why = _why(hand, pen)
    if why:
        above = verdict.height_px + (side.height_px + LINE_GAP_PX if wide else 0)
        below_chart = beside is None or above >= beside.height_px
        blocks.append(pen.paragraph(why, WHY_PX, inner if below_chart else left, lines=4))
    if chart is not None and beside is None:
        blocks.append(chart)
    if doubts_of(hand) and hand.rated and not alone:
        said = pen.say("check_first", doubts=doubt_words(doubts_of(hand), pen.language))
        blocks.append(pen.paragraph(said, SMALL_PX, left, lines=3, ink=CAVEAT, bold=True))
    body = stacked([side, *blocks], LINE_GAP_PX)
    parts: list[Part] = [*body.parts]
    height = body.height_px
    if beside is not None:
        top = 0 if wide else side.height_px + LINE_GAP_PX
        parts += moved(beside.parts, inner - beside.width_px, top)
        height = max(height, top + beside.height_px)
    return _framed(parts, width_px, max(height + 2 * PAD_PX, height_px), hand)


def image_strip(image: ImageFinding, width_px: int, pen: Pen, height_px: int = 0) -> ElementGroup:
    """Strip of an image without hands: that it is not rated, and why."""
    return refusal_strip(image.refusal, width_px, pen, height_px)


def refusal_strip(refusal: Refusal | None, width_px: int, pen: Pen, height_px: int = 0) -> ElementGroup:
    """Strip with a reason instead of a result."""
    inner = width_px - 2 * PAD_PX
    blocks = [pen.line(pen.say("verdict_not_rated"), VERDICT_PX, ink=GREY, bold=True)]
    if refusal is not None:
        blocks.append(pen.paragraph(refusal_text(refusal, pen.language), SMALL_PX, inner, lines=5))
    body = stacked(blocks, 5)
    return _framed(body.parts, width_px, max(body.height_px + 2 * PAD_PX, height_px), None)


def _framed(
    parts: tuple[Part, ...] | list[Part], width_px: int, height_px: int, hand: HandFinding | None
) -> ElementGroup:
    ink, solid = (GREY, False) if hand is None else (verdict_ink(hand), has_solid_line(hand))
    frame = Rectangle(Box(0, 0, width_px, height_px), fill=FILL, line=ink, line_px=4, dashed=not solid)
    return ElementGroup(width_px, height_px, (frame, *moved(parts, PAD_PX, PAD_PX)))


def _side(hand: HandFinding, width_px: int, pen: Pen) -> ElementGroup:
    """The hand, and where its side comes from: on one line where both fit."""
    name = pen.paragraph(hand_name(hand, pen.language), KEY_PX - 5, width_px, lines=2, bold=True)
    words = marker_words(hand, pen.language) or told(hand.side.evidence, pen.language)
    if hand.side.conflict:
        words = told(hand.side.evidence, pen.language)
    evidence = pen.line(words, FINE_PX, ink=MUTED)
    if len(name.words) == 1 and name.width_px + 20 + evidence.width_px <= width_px:
        drop = name.height_px - evidence.height_px - 5
        right = moved(evidence.parts, name.width_px + 20, drop)
        return ElementGroup(width_px, name.height_px, (*name.parts, *right))
    return stacked([name, pen.paragraph(words, FINE_PX, width_px, lines=2, ink=MUTED)])


def _verdict(hand: HandFinding, width_px: int, pen: Pen, most_px: int) -> ElementGroup:
    """The verdict in its colour; "suspected" is dark on a filled ground, the others are light."""
    word = pen.say(f"verdict_{hand.verdict}")
    filled = hand.verdict is HandVerdict.PRESENT
    size = next(
        px
        for px in (most_px, 52, 48, KEY_PX, 0)
        if not px or pen.line(word, px, bold=True).width_px + 24 <= width_px
    )
    ink = GROUND if filled else verdict_ink(hand)
    if not size:
        words = pen.paragraph(word, KEY_PX, width_px - 24, lines=3, ink=ink, bold=True)
    else:
        words = pen.line(word, size, ink=ink, bold=True)
    if not filled:
        return words
    ground = Rectangle(Box(0, 0, words.width_px + 24, words.height_px), fill=verdict_ink(hand))
    return ElementGroup(words.width_px + 24, words.height_px, (ground, *moved(words.parts, 12, 0)))


def _why(hand: HandFinding, pen: Pen) -> str:
    """The figure behind a verdict, what contradicts what, or the reason why there is none."""
    if hand.refusal is not None:
        return refusal_text(hand.refusal, pen.language)
    if hand.recognition is None:
        return ""
    probability, threshold = percent_words(hand.recognition, pen.language)
    if hand.verdict is HandVerdict.INCONCLUSIVE and hand.staging is not None:
        key = "why_joints" if hand.joints_contradict else "why_inconclusive"
        values = {"joint_stage": hand.joint_stage} if hand.joints_contradict else {}
        return pen.say(key, probability=probability, threshold=threshold, stage=hand.staging.stage, **values)
    return pen.say("why_rated", probability=probability, threshold=threshold)


def _stages(staging: Staging, hand: HandFinding, pen: Pen, width_px: int) -> ElementGroup:
    """Six boxes: the likeliest stage filled, those of its range grey; under them the range in words."""
    low, high = likely_range(staging)
    titled = width_px + 2 * PAD_PX >= WIDE_PX
    most = SMALL_STAGE_PX if not titled and width_px + 2 * PAD_PX >= BESIDE_PX else STAGE_PX
    side = max(min(most, (width_px + STAGE_GAP_PX) // len(STAGES) - STAGE_GAP_PX), LEAST_STAGE_PX)
    pitch = side + STAGE_GAP_PX
    title = pen.line(pen.say("stages_title"), FINE_PX, ink=MUTED)
    top = title.height_px + 4 if titled else 0
    parts: list[Part] = [*title.parts] if titled else []
    for stage in STAGES:
        chosen, within = stage == staging.stage, low <= stage <= high
        box = Box(stage * pitch, top, stage * pitch + side, top + side)
        fill = verdict_ink(hand) if chosen else (RULE if within else None)
        parts.append(Rectangle(box, fill=fill, line=WHITE if chosen else MUTED, line_px=4 if chosen else 2))
        digit = pen.line(str(stage), min(KEY_PX - 3, side - 12), ink=GROUND if chosen else WHITE, bold=chosen)
        x, y = (side - digit.width_px) // 2, (side - digit.height_px) // 2
        parts += moved(digit.parts, box.x0 + x, box.y0 + y)
    width = 6 * pitch - STAGE_GAP_PX
    share = pen.language.say("sign.percent", value=f"{100 * staging.probabilities[staging.stage]:.0f}")
    key = "stages_range" if low < high else "stages_one"
    said = pen.say(key, stage=staging.stage, share=share, low=low, high=high)
    words = pen.paragraph(said, FINE_PX, width, lines=2, ink=MUTED)
    parts += moved(words.parts, 0, top + side + 4)
    return ElementGroup(width, top + side + 4 + words.height_px, tuple(parts))


def likely_range(staging: Staging) -> tuple[int, int]:
    """The shortest run of stages around the likeliest that holds `RANGE_SHARE` of the probability."""
    runs = [
        (low, high)
        for low in STAGES
        for high in STAGES
        if low <= staging.stage <= high and sum(staging.probabilities[low : high + 1]) >= RANGE_SHARE - 1e-9
    ]
    return min(runs, key=lambda run: (run[1] - run[0], -sum(staging.probabilities[run[0] : run[1] + 1])))
