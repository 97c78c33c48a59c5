"""Holds what a finder says of a picture against the truth, and counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np

from ra_node.domain.geometry import Box, intersection_over_union
from tests.benchmarks.hands_truth import HandTruth, ImageTruth
from training.evaluation.metrics import clopper_pearson

GOOD_IOU = 0.8
JOINT_SHARE = 0.03
"""A joint is right within this share of the hand's length."""


@dataclass(frozen=True, slots=True)
class FoundHand:
    """A hand as a finder reports it; `refusal` where it is not to be judged."""

    box: tuple[int, int, int, int]
    rotation: int
    side: str | None
    joints: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a finder said of one picture."""

    hands: tuple[FoundHand, ...]
    refusal: str | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scored:
    """One picture with its truth, the answer, and for each true hand its found one and their IoU."""

    truth: ImageTruth
    answer: Answer
    pairs: tuple[tuple[HandTruth, FoundHand | None, float | None], ...]


def scored(truth: ImageTruth, answer: Answer) -> Scored:
    """Pair true and found hands so that their boxes agree best; an IoU is None without a true box."""
    places: list[FoundHand | None] = [*answer.hands, *(None for _ in truth.hands)]
    best = max(
        permutations(places, len(truth.hands)),
        key=lambda order: sum(
            _iou(hand, found) or 0.0 for hand, found in zip(truth.hands, order, strict=True)
        ),
    )
    pairs = []
    for hand, paired in zip(truth.hands, best, strict=True):
        found = paired
        if hand.box is None and found is None and answer.hands:
            found = answer.hands[0]
        overlap = _iou(hand, found)
        pairs.append((hand, found if overlap is None or overlap > 0.1 else None, overlap))
    return Scored(truth, answer, tuple(pairs))


def _iou(hand: HandTruth, found: FoundHand | None) -> float | None:
    if hand.box is None:
        return None
    return 0.0 if found is None else intersection_over_union(Box(*hand.box), Box(*found.box))


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many, with the exact 95 % interval of Clopper and Pearson."""

    right: int
    total: int

    def __str__(self) -> str:
        if not self.total:
            return "-  (n = 0)"
        share, low, high = (100 * value for value in clopper_pearson(self.right, self.total))
        return f"{share:.1f} %  ({low:.1f} to {high:.1f}, n = {self.total})"


def share(values: Iterable[bool]) -> Share:
    seen = list(values)
    return Share(sum(seen), len(seen))


def table(scores: Sequence[Scored]) -> list[tuple[str, str, str]]:
    """The rows of the table: what, found, wanted."""
    plain = [one for one in scores if not one.truth.negative]
    negative = [one for one in scores if one.truth.negative]
    other = _of(plain, "other")
    films = _whole(_of(plain, "composed"))
    shares = {
        "singles as they are: exactly one hand": (map(one_hand, _of(plain, "single", "as it is")), "99.5 %"),
        "singles changed: exactly one hand": (map(one_hand, _of(plain, "single", "", "as it is")), ""),
        "composed: exactly two, both IoU >= 0.8": (map(two_hands, films), "99 %"),
        "rotation right to the nearest quarter turn": (_rotations(plain), "99 %"),
        "joints within 3 % of the hand's length": (_joints(plain), "95 %"),
        "wrong side, header tells it": (_wrong_sides(plain, told=True), "0"),
        "  undetermined, header tells it": (_undetermined(plain), ""),
        "wrong side, header does not tell it": (_wrong_sides(plain, told=False), "0"),
        "refused or missed though good": (_refused_good(plain), "0.5 %"),
        "accepted though not a hand": (map(accepted_other, other), "0 %"),
        "cut off hands that are refused": (_cut_refused(plain), ""),
        "negatives: refused, or with a remark": (map(told_negative, negative), "100 %"),
    }
    rows = [(what, str(share(values)), wanted) for what, (values, wanted) in shares.items()]
    return [*rows[:3], ("mean IoU of boxes", mean_iou(plain), "0.92"), *rows[3:]]


def condition_rows(scores: Sequence[Scored]) -> list[tuple[str, str, str, str, str]]:
    """For each condition: right number of hands with good boxes, mean IoU, rotations, refused though good."""
    rows = []
    for kind in ("single", "composed", "other"):
        of_kind = _of(scores, kind)
        for name in sorted({word for one in of_kind for word in one.truth.conditions}):
            part = [one for one in of_kind if name in one.truth.conditions]
            right = share(map(all_right, part))
            rows.append(
                (
                    f"{kind}: {name}",
                    str(right),
                    mean_iou(part),
                    str(share(_rotations(part))),
                    str(share(_refused_good(part))),
                )
            )
    return rows  # fmt: skip


def one_hand(one: Scored) -> bool:
    return len(one.answer.hands) == 1


def two_hands(one: Scored) -> bool:
    return len(one.answer.hands) == 2 and all((iou or 0) >= GOOD_IOU for _, _, iou in one.pairs)


def accepted_other(one: Scored) -> bool:
    return any(hand.refusal is None for hand in one.answer.hands)


def told_negative(one: Scored) -> bool:
    """Nobody gets a judgement of an inverted picture without a word about it."""
    accepted = any(hand.refusal is None for hand in one.answer.hands)
    return not accepted or any("inverted" in remark for remark in one.answer.remarks)


def all_right(one: Scored) -> bool:
    """The picture as a whole: right number and places of hands, or none, with cut off ones refused."""
    if one.truth.kind == "other":
        return not accepted_other(one)
    if one.truth.negative:
        return told_negative(one)
    if any(hand.cut_off for hand in one.truth.hands):
        return all(_right_for(hand, found, iou) for hand, found, iou in one.pairs)
    number = len(one.answer.hands) == len(one.truth.hands)
    return number and all(iou is None or iou >= GOOD_IOU for _, _, iou in one.pairs)


def _right_for(hand: HandTruth, found: FoundHand | None, iou: float | None) -> bool:
    if hand.cut_off:
        return found is None or found.refusal is not None
    return found is not None and (iou or 0) >= GOOD_IOU


def mean_iou(scores: Sequence[Scored]) -> str:
    """The mean over all true hands with a box that are whole, a missed one counted 0, and its interval."""
    whole = (one for one in scores if not one.truth.negative)
    pairs = (pair for one in whole for pair in one.pairs)
    values = [iou for hand, _, iou in pairs if iou is not None and not hand.cut_off]
    if len(values) < 2:
        return "-"
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))
    return f"{mean:.3f}  ({mean - 1.96 * error:.3f} to {mean + 1.96 * error:.3f}, n = {len(values)})"


def _of(scores: Sequence[Scored], kind: str, word: str = "", without: str = "") -> list[Scored]:
    return [
        one
        for one in scores
        if one.truth.kind == kind
        and (not word or word in one.truth.conditions)
        and not (without and without in one.truth.conditions)
    ]


def _whole(scores: Sequence[Scored]) -> list[Scored]:
    return [one for one in scores if not any(hand.cut_off for hand in one.truth.hands)]


def _rotations(scores: Sequence[Scored]) -> Iterable[bool]:
    for one in scores:
        for hand, found, _ in one.pairs:
            if hand.rotation is not None and found is not None and not hand.cut_off:
                yield hand.rotation == found.rotation


def _joints(scores: Sequence[Scored]) -> Iterable[bool]:
    for one in scores:
        for hand, found, _ in one.pairs:
            if found is None or not found.joints or not hand.length_px or hand.cut_off:
                continue
            for name, (x, y) in hand.joints.items():
                place = found.joints.get(name)
                yield (
                    place is not None and np.hypot(place[0] - x, place[1] - y) <= JOINT_SHARE * hand.length_px
                )


def _sides(scores: Sequence[Scored], *, told: bool) -> Iterable[tuple[str, str | None]]:
    for one in scores:
        if one.truth.header_side == told:
            yield from ((hand.side, found.side) for hand, found, _ in one.pairs if hand.side and found)


def _wrong_sides(scores: Sequence[Scored], *, told: bool) -> Iterable[bool]:
    return (found is not None and found != true for true, found in _sides(scores, told=told))


def _undetermined(scores: Sequence[Scored]) -> Iterable[bool]:
    return (found is None for _, found in _sides(scores, told=True))


def _refused_good(scores: Sequence[Scored]) -> Iterable[bool]:
    for one in scores:
        if not one.truth.negative:
            yield from (
                found is None or found.refusal is not None for hand, found, _ in one.pairs if not hand.cut_off
            )


def _cut_refused(scores: Sequence[Scored]) -> Iterable[bool]:
    for one in scores:
        yield from (
            found is None or found.refusal is not None for hand, found, _ in one.pairs if hand.cut_off
        )


Progress = Callable[[int, int], None]
