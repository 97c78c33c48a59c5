"""What the overlay says about one hand, in words and shapes that need no colour to be understood."""

from __future__ import annotations

from collections.abc import Sequence

from ra_node.dicom.overlay_parts import (
    AMBER,
    GROUND,
    KEY_PX,
    MUTED,
    RULE,
    SKY,
    SMALL_PX,
    TEXT_PX,
    WHITE,
    Block,
    Frame,
    Ink,
    framed,
    line,
    moved,
    over,
    paragraph,
    stacked,
)
from ra_node.domain.geometry import Box
from ra_node.domain.report import STAGES, HandFinding, ImageFinding, Recognition, Staging, percents
from ra_node.domain.wording import hand_name, presence

PANEL_PX = 880
"""Width of a panel that stands beside its radiograph, and the least under it."""

PAD_PX = 28
GAP_PX = 14
GAUGE_PX = 22
CHART_PX = 150
MOST_CHART_PX = 420
UNSURE_SCORE = 0.5
"""Below this the finder itself is not sure that its region is a hand."""


def is_dashed(hand: HandFinding) -> bool:
    """Whether a hand is to be read with care: not judged, side unknown, or findings that disagree."""
    return (
        hand.refusal is not None
        or hand.recognition is None
        or hand.side.side is None
        or hand.side.conflict
        or hand.disagreement
        or hand.region.score < UNSURE_SCORE
    )


def ink_of(hand: HandFinding) -> Ink:
    """Return the colour of a hand: an addition to the words, never needed to understand them."""
    if hand.refusal is not None or hand.recognition is None:
        return WHITE
    return AMBER if hand.recognition.positive else SKY


def hand_panel(hand: HandFinding, width_px: int, height_px: int = 0) -> Block:
    """Everything about one hand: side, evidence, and either the result or the reason against one.

    The panel is as high as its words; up to `height_px` its chart grows.
    """
    least = _hand_panel(hand, width_px, CHART_PX)
    spare = min(height_px - least.height_px, MOST_CHART_PX - CHART_PX)
    return _hand_panel(hand, width_px, CHART_PX + spare) if spare > 0 else least


def _hand_panel(hand: HandFinding, width_px: int, chart_px: int) -> Block:
    inner = width_px - 2 * PAD_PX
    blocks = [_title(hand, inner)]
    if hand.region.score < UNSURE_SCORE:
        blocks.append(paragraph("The outline of this hand is uncertain.", TEXT_PX - 4, inner))
    if hand.refusal is not None:
        blocks.append(_refused(hand.refusal.text, inner))
    elif hand.recognition is None:
        blocks.append(_refused("", inner))
    if hand.recognition is not None:
        blocks.append(_recognition(hand.recognition, inner))
    if hand.staging is not None:
        blocks.append(_staging(hand.staging, inner, chart_px))
    if hand.disagreement:
        blocks.append(_disagreement(hand, inner))
    return _panel(blocks, width_px, ink_of(hand), dashed=is_dashed(hand))


def image_panel(image: ImageFinding, width_px: int) -> Block:
    """Why an image has no hands to speak of."""
    inner = width_px - 2 * PAD_PX
    blocks = [line("THIS IMAGE", KEY_PX + 4, bold=True)]
    blocks.append(_refused(image.refusal.text if image.refusal is not None else "", inner))
    return _panel(blocks, width_px, WHITE, dashed=True)


def refusal_panel(reason: str, width_px: int) -> Block:
    """Why a whole study has no result."""
    blocks = [line("THIS STUDY", KEY_PX + 4, bold=True), _refused(reason, width_px - 2 * PAD_PX)]
    return _panel(blocks, width_px, WHITE, dashed=True)


def resized(panel: Block, height_px: int) -> Block:
    """Draw the frame of a panel down to `height_px`, so that neighbours end at one line."""
    frame = next(part for part in panel.parts if isinstance(part, Frame))
    taller = Frame(Box(0, 0, panel.width_px, height_px), frame.fill, frame.line, frame.line_px, frame.dashed)
    return Block(panel.width_px, height_px, (taller, *panel.parts[1:]))


def _panel(blocks: Sequence[Block], width_px: int, ink: Ink, *, dashed: bool) -> Block:
    body = stacked(blocks, GAP_PX)
    style = Frame(Box(0, 0, 1, 1), fill=(22, 25, 30), line=ink, line_px=4, dashed=dashed)
    return framed(body, width_px, body.height_px + 2 * PAD_PX, pad_px=PAD_PX, frame=style)


def _title(hand: HandFinding, width_px: int) -> Block:
    name = paragraph(hand_name(hand).upper(), KEY_PX + 4, width_px, lines=3, bold=True)
    evidence = paragraph(f"Side: {hand.side.evidence}", SMALL_PX, width_px, lines=3, ink=MUTED)
    return stacked([name, evidence])


def _refused(reason: str, width_px: int) -> Block:
    blocks = [line("NOT ANALYSED", KEY_PX + 4, bold=True)]
    if reason:
        blocks.append(paragraph(reason, TEXT_PX, width_px - 2 * PAD_PX, lines=7))
    words = stacked(blocks, 6)
    style = Frame(Box(0, 0, 1, 1), line=WHITE, line_px=4, dashed=True)
    return framed(words, width_px, words.height_px + 2 * PAD_PX, pad_px=PAD_PX, frame=style)


def _recognition(found: Recognition, width_px: int) -> Block:
    """Present is dark on a filled bar, absent is light in an empty one."""
    ink = GROUND if found.positive else WHITE
    answer = line(f"RA: {presence(found).upper()}", KEY_PX + 8, ink=ink, bold=True)
    number = line(f"{percents(found)[0]} %", KEY_PX + 8, ink=ink, bold=True)
    height = answer.height_px + 16
    bar = Frame(
        Box(0, 0, width_px, height),
        fill=AMBER if found.positive else None,
        line=AMBER if found.positive else SKY,
        line_px=5,
    )
    words = (*moved(answer.parts, 20, 8), *moved(number.parts, width_px - number.width_px - 20, 8))
    return stacked([Block(width_px, height, (bar, *words)), _gauge(found, width_px)], 10)


def _gauge(found: Recognition, width_px: int) -> Block:
    """The probability on a line from 0 to 100 %, the operating point as a mark across it."""
    mark = min(max(round(found.threshold * width_px), 3), width_px - 3)
    reach = min(max(round(found.probability * width_px), 4), width_px)
    shapes = (
        Frame(Box(0, 8, width_px, 8 + GAUGE_PX), line=MUTED, line_px=2),
        Frame(Box(0, 8, reach, 8 + GAUGE_PX), fill=AMBER if found.positive else SKY),
        Frame(Box(mark - 6, 0, mark + 6, GAUGE_PX + 16), fill=GROUND),
        Frame(Box(mark - 3, 0, mark + 3, GAUGE_PX + 16), fill=WHITE),
    )
    text = f"operating point {percents(found)[1]} %: present at or above it"
    words = line(text, SMALL_PX, ink=MUTED)
    return stacked([Block(width_px, GAUGE_PX + 16, shapes), words], 2)


def _staging(found: Staging, width_px: int, chart_px: int) -> Block:
    left = line(f"STAGE {found.stage}", KEY_PX + 8, bold=True)
    note = line("of 0-5, 0 = normal", SMALL_PX, ink=MUTED)
    right = line(_share(found.probabilities[found.stage]), KEY_PX + 8, bold=True)
    drop = left.height_px - note.height_px - 9
    heading = over(
        left,
        Block(0, 0, moved(note.parts, left.width_px + 22, drop)),
        Block(width_px, 0, moved(right.parts, width_px - right.width_px - 20, 0)),
    )
    return stacked([heading, _chart(found, width_px, chart_px)], 4)


def _chart(found: Staging, width_px: int, chart_px: int) -> Block:
    """One column a stage: value, bar, label; the likeliest filled, the others empty."""
    gap = 14
    width = (width_px - gap * (len(STAGES) - 1)) // len(STAGES)
    columns = [_column(stage, found, (width, chart_px)) for stage in STAGES]
    parts = [part for n, c in enumerate(columns) for part in moved(c.parts, n * (width + gap), 0)]
    return Block(width_px, columns[0].height_px, tuple(parts))


def _column(stage: int, found: Staging, size: tuple[int, int]) -> Block:
    """One stage: its share as words, a bar in a track of 100 % (`size` in pixels), its number."""
    width, track_px = size
    chosen = stage == found.stage
    share = found.probabilities[stage]
    value = line(_share(share), SMALL_PX + 4, bold=chosen)
    label = line(str(stage), TEXT_PX, bold=chosen, ink=GROUND if chosen else WHITE)
    top = value.height_px + 4
    foot = top + track_px
    height = max(round(share * track_px), 4)
    shapes = (
        Frame(Box(0, top, width, foot), line=RULE, line_px=2),
        Frame(Box(0, foot - height, width, foot), fill=WHITE if chosen else MUTED),
        Frame(Box(0, foot + 6, width, foot + 6 + label.height_px), fill=WHITE if chosen else RULE),
    )
    words = (
        *moved(value.parts, (width - value.width_px) // 2, 0),
        *moved(label.parts, (width - label.width_px) // 2, foot + 6),
    )
    return Block(width, foot + 6 + label.height_px, (*shapes, *words))


def _disagreement(hand: HandFinding, width_px: int) -> Block:
    """Both statements side by side, without choosing between them."""
    recognition, staging = hand.recognition, hand.staging
    assert recognition is not None
    assert staging is not None
    inner = width_px - 2 * PAD_PX
    text = f"Recognition says {presence(recognition)}, staging says stage {staging.stage}."
    words = stacked(
        [line("FINDINGS DISAGREE", KEY_PX, bold=True), paragraph(text, TEXT_PX - 4, inner, lines=3)], 2
    )
    style = Frame(Box(0, 0, 1, 1), line=WHITE, line_px=4, dashed=True)
    return framed(words, width_px, words.height_px + 36, pad_px=18, frame=style)


def _share(probability: float) -> str:
    if 0 < probability < 0.005:
        return "<1 %"
    return f"{100 * probability:.0f} %"
