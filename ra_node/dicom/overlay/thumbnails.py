"""Images without a large place: small pixels with series and reason, and the rest as counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ra_node.dicom.overlay.elements import (
    FINE_PX,
    RULE,
    SMALL_PX,
    ElementGroup,
    Part,
    Photo,
    Rectangle,
    moved,
    stacked,
)
from ra_node.dicom.overlay.layout import can_show
from ra_node.dicom.overlay.typesetting import Pen
from ra_node.domain.geometry import Box
from ra_node.domain.image_groups import has_result
from ra_node.domain.report import ImageFinding, StudyReport
from ra_node.domain.texts.report_sentences import hand_name

MOST_THUMBNAILS = 6
SIDE_PX = 124
LEAST_CELL_PX = 296
GAP_PX = 14

ImageNumbers = Mapping[str, tuple[int, int]]
"""Series Number and Instance Number by SOP Instance UID; 0 where the header has none."""


@dataclass(frozen=True, slots=True)
class _Cell:
    image: ImageFinding
    title: str
    words: str


def thumbnails(
    report: StudyReport, large: Sequence[ImageFinding], width_px: int, pen: Pen, numbers: ImageNumbers
) -> ElementGroup:
    """One row of other images, and one line with the reasons of all further ones."""
    others = [image for image in report.images if image not in large]
    if not large and len(report.images) == 1:
        return ElementGroup(0, 0)
    able = [image for image in others if can_show(image)]
    across = min(max(width_px // LEAST_CELL_PX, 1), MOST_THUMBNAILS)
    shown = able[:across]
    place = {image.sop_instance_uid: n for n, image in enumerate(report.images, 1)}
    cells = [_cell(image, place[image.sop_instance_uid], pen, numbers) for image in shown]
    blocks = [_row(cells, width_px // across, pen)] if cells else []
    rest = [image for image in others if image not in shown]
    if rest:
        blocks.append(pen.paragraph(_counted(rest, pen), FINE_PX, width_px, lines=4))
    return stacked(blocks, GAP_PX)


def _cell(image: ImageFinding, place: int, pen: Pen, numbers: ImageNumbers) -> _Cell:
    series, instance = numbers.get(image.sop_instance_uid, (0, 0))
    if series and instance:
        title = pen.say("series_image", series=series, number=instance)
    elif series:
        title = pen.say("series", series=series)
    else:
        title = pen.say("image", number=place)
    return _Cell(image, title, short_reason(image, pen))


def short_reason(image: ImageFinding, pen: Pen) -> str:
    """The reason of an image in two or three words, or its hands where it has a result."""
    if has_result(image):
        hands = [hand for hand in image.hands if hand.refusal is None and hand.recognition is not None]
        said = (
            pen.say(
                "hand_verdict", hand=hand_name(hand, pen.language), verdict=pen.say(f"verdict_{hand.verdict}")
            )
            for hand in hands
        )
        return pen.language.say("sign.parts").join(said)
    refusals = [image.refusal, *(hand.refusal for hand in image.hands)]
    reasons = dict.fromkeys(pen.language.say(f"reason.{one.reason}") for one in refusals if one is not None)
    return pen.language.say("sign.list").join(reasons) or pen.say("verdict_not_analysed")


def _row(cells: Sequence[_Cell], each_px: int, pen: Pen) -> ElementGroup:
    parts: list[Part] = []
    for n, cell in enumerate(cells):
        scale = SIDE_PX / max(cell.image.columns, cell.image.rows)
        size = max(round(scale * cell.image.columns), 1), max(round(scale * cell.image.rows), 1)
        left, top = n * each_px + (SIDE_PX - size[0]) // 2, (SIDE_PX - size[1]) // 2
        parts.append(Photo(cell.image.sop_instance_uid, Box(left, top, left + size[0], top + size[1])))
        frame = Box(n * each_px, 0, n * each_px + SIDE_PX, SIDE_PX)
        parts.append(Rectangle(frame, line=RULE, line_px=2, dashed=not has_result(cell.image)))
        room = each_px - SIDE_PX - 2 * GAP_PX
        words = stacked(
            [
                pen.paragraph(cell.title, FINE_PX, room, lines=2, bold=True),
                pen.paragraph(cell.words, SMALL_PX - 4, room, lines=3),
            ],
            2,
        )
        parts += moved(words.parts, n * each_px + SIDE_PX + GAP_PX, 0)
    return ElementGroup(each_px * len(cells), SIDE_PX, tuple(parts))


def _counted(rest: Sequence[ImageFinding], pen: Pen) -> str:
    """How many further images there are, by reason, the most frequent first."""
    count = Counter(short_reason(image, pen) for image in rest)
    said = [
        pen.say("images_by_reason", count=number, reason=reason) for reason, number in count.most_common(5)
    ]
    left = sum(number for _, number in count.most_common()[5:])
    if left:
        said.append(pen.say("images_more", count=left))
    return pen.say("further_images", count=len(rest), reasons=pen.language.say("sign.parts").join(said))
