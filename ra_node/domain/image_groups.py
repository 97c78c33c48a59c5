"""Groups images without a result by reason, for studies with too many to list one by one.

A study of 298 chest images and 2 hands made an overlay of 2,072 x 13,886 pixels; 2,000 images would pass the
65,535 rows that an image can have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ra_node.domain.refusal import Refusal
from ra_node.domain.report import ImageFinding, StudyReport

MOST_NAMED = 20
"""Up to this number images without a result are listed one by one."""
_MOST_RANGES = 8


@dataclass(frozen=True, slots=True)
class Group:
    """Images that have no result for the same reasons; `numbers` are their places in the report, from 1."""

    refusals: tuple[Refusal, ...]
    numbers: tuple[int, ...]
    images: tuple[ImageFinding, ...]


def has_result(image: ImageFinding) -> bool:
    """Whether a hand of the image was rated."""
    return any(hand.refusal is None and hand.recognition is not None for hand in image.hands)


def groups_of(report: StudyReport) -> tuple[Group, ...]:
    """Images without a result grouped by reason, in order of the first; () where each is listed by itself."""
    unanswered = [(n, image) for n, image in enumerate(report.images, start=1) if not has_result(image)]
    if len(unanswered) <= MOST_NAMED:
        return ()
    found: dict[tuple[Refusal, ...], list[tuple[int, ImageFinding]]] = {}
    for number, image in unanswered:
        found.setdefault(_reasons(image), []).append((number, image))
    return tuple(
        Group(reasons, tuple(n for n, _ in members), tuple(image for _, image in members))
        for reasons, members in found.items()
    )


def grouped_numbers(groups: Sequence[Group]) -> frozenset[int]:
    """The numbers of all images in groups."""
    return frozenset(number for group in groups for number in group.numbers)


def ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers in few words: "2-299, 301"; after eight ranges "..."."""
    starts = [numbers[0], *(b for a, b in pairwise(numbers) if b != a + 1)]
    ends = [*(a for a, b in pairwise(numbers) if b != a + 1), numbers[-1]]
    parts = [f"{a}-{b}" if b > a else str(a) for a, b in zip(starts, ends, strict=True)]
    return ", ".join([*parts[:_MOST_RANGES], *(["..."] if len(parts) > _MOST_RANGES else [])])


def _reasons(image: ImageFinding) -> tuple[Refusal, ...]:
    refusals = [image.refusal, *(hand.refusal for hand in image.hands)]
    return tuple(dict.fromkeys(refusal for refusal in refusals if refusal is not None))
