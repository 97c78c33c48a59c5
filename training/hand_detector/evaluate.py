"""Evaluates a trained hand detector on held-out data.

Held-out real hands, unedited and composed in pairs on one film with all artefacts, drawn diseased hands of
other seeds, and drawn pictures without hands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Box, Point, Rotation, intersection_over_union
from ra_node.domain.joints import JOINTS
from ra_node.domain.laterality.evidence import Side
from ra_node.domain.report import HandRegion
from ra_node.errors import Fatal
from ra_node.imaging.pixels import read_png
from ra_node.inference.bundles.manifest import Interval
from ra_node.inference.hand_detector.detector import ROTATIONS, Finder
from training.data.dataset import SourceHand, read_source
from training.data.hand_ids import part_of, vetted
from training.evaluation.metrics import clopper_pearson
from training.hand_detector.picture_pool import to_wrist
from training.phantom.draw import draw_hands
from training.phantom.negatives import KINDS, draw_other
from training.phantom.recipe import HandRecipe, PhantomHand, PhantomRecipe
from training.simulation.composition import LAYOUTS, compose
from training.simulation.film_artifacts import FAULTS
from training.simulation.matting import real_hand
from training.simulation.true_outline import true_outline

HAND_LENGTH = 2.85
"""Length of a hand from the wrist's end to the longest finger's tip, in distances from wrist to MCP 3."""
JOINT_SHARE = 0.03
_RESAMPLES = 1000

MEASURED_ON = "held-out hands with marked joints (RSNA bone age, 2017), compositions of them, drawn images"
_GOOD_IOU = 0.8
_FILMS, _DRAWN, _OF_A_KIND = 100, 30, 8

Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Truth:
    box: Box
    joints: Mapping[str, Point]


@dataclass(frozen=True, slots=True)
class _Measured:
    name: str
    right: bool
    """The number of hands is right and each box has an IoU of at least 0.8."""
    errors: tuple[float, ...]
    """By joint, as a share of the hand's length; infinite for an undetected joint."""
    overlaps: tuple[float, ...]
    scores: tuple[float, ...]


def measure_finder(
    finder: Finder, radiographs: Path, seed: int, say: Callable[[str], None]
) -> dict[str, Interval]:
    """Metrics with 95 % intervals: exact for shares of pictures, bootstrap over pictures for means."""
    hands = [hand for hand in read_source(radiographs) if part_of(hand.patient) == "held-out"]
    singles = _all(finder, "single", _singles(hands), say)
    films = _all(finder, "composed", _films(hands, seed), say)
    drawn = _all(finder, "drawn", _drawn(seed), say)
    others = _all(finder, "other", _others(seed), say)
    real = [*singles, *films]
    return {
        "one hand: exactly that one": _share(singles),
        "two composed hands: exactly these, both IoU >= 0.8": _share(films),
        "drawn hands, half of them of stage 4 and 5: exactly these": _share(drawn),
        "other things: no hand": _share(others),
        "joints within 3 % of the hand's length": _mean(
            [float(np.mean(np.array(one.errors) <= JOINT_SHARE)) for one in real], seed
        ),
        "mean IoU of boxes": _mean([float(np.mean(one.overlaps)) for one in real], seed),
    }


def _all(
    finder: Finder,
    kind: str,
    pictures: Iterable[tuple[str, Values, Sequence[_Truth]]],
    say: Callable[[str], None],
) -> list[_Measured]:
    measured = []
    for name, values, truth in pictures:
        one = _measured(finder, name, values, truth)
        measured.append(one)
        if not one.right:
            found = [round(score, 2) for score in one.scores]
            say(f"{kind} {name}: found {found}, IoU {np.round(one.overlaps, 2)}")
    scores = [score for one in measured for score in one.scores]
    least = f", least score {min(scores):.2f}" if scores else ""
    say(f"{kind}: {sum(one.right for one in measured)} of {len(measured)} right{least}")
    return measured


def _measured(finder: Finder, name: str, values: Values, truth: Sequence[_Truth]) -> _Measured:
    found = finder.find(values)
    errors: list[float] = []
    overlaps: list[float] = []
    for hand in truth:
        best = max(found, key=lambda region: intersection_over_union(region.box, hand.box), default=None)
        overlaps.append(intersection_over_union(best.box, hand.box) if best else 0.0)
        errors += _errors(best, hand)
    right = len(found) == len(truth) and all(overlap >= _GOOD_IOU for overlap in overlaps)
    return _Measured(name, right, tuple(errors), tuple(overlaps), tuple(region.score for region in found))


def _singles(hands: Sequence[SourceHand]) -> Iterator[tuple[str, Values, Sequence[_Truth]]]:
    for hand in hands:
        outline = true_outline(_picture(hand), hand.joints)
        low, high = np.floor(outline.min(axis=0)), np.ceil(outline.max(axis=0))
        box = Box(int(low[0]), int(low[1]), int(high[0]), int(high[1]))
        yield hand.patient, read_png(hand.path).values, [_Truth(box, hand.joints)]


def _films(hands: Sequence[SourceHand], seed: int) -> Iterator[tuple[str, Values, Sequence[_Truth]]]:
    """Compositions of hands with a verified outline, in all layouts except the one that cuts fingers off."""
    good = [hand for hand in hands if hand.patient in vetted()]
    faults, layouts = list(FAULTS), [layout for layout in LAYOUTS if layout != "cut off"]
    rng = np.random.default_rng((seed, 3))
    for number in range(_FILMS):
        pair = [good[int(at)] for at in rng.choice(len(good), 2, replace=False)]
        left, right = (real_hand(hand.patient, _picture(hand), hand.joints) for hand in pair)
        layout, fault = layouts[number % len(layouts)], faults[number % len(faults)]
        film = compose(left, right, layout, rng)
        truth = [_Truth(hand.box, hand.joints) for hand in film.hands]
        yield f"{layout}, {fault} {number}", np.asarray(FAULTS[fault](film, rng), np.float32), truth


def _drawn(seed: int) -> Iterator[tuple[str, Values, Sequence[_Truth]]]:
    rng = np.random.default_rng((seed, 4))
    for number in range(_DRAWN):
        stages = [int(rng.choice((4, 5) if number % 2 else (0, 1, 2, 3))) for _ in range(2)]
        turn: Rotation = ROTATIONS[int(rng.integers(4))]
        pair = (HandRecipe(Side.RIGHT, stages[0]), HandRecipe(Side.LEFT, stages[1]))
        spread = (0.0, 0.15, None)[number % 3]
        recipe = PhantomRecipe(
            pair, rows=560, columns=672, rotation=turn, spread=spread, seed=int(rng.integers(2**31))
        )
        film = draw_hands(recipe)
        truth = [_Truth(_without_forearm(hand, film.pixels.shape), hand.joints) for hand in film.hands]
        yield f"stages {stages}, turned by {turn}, spread {spread}", film.pixels.astype(np.float32), truth


def _others(seed: int) -> Iterator[tuple[str, Values, Sequence[_Truth]]]:
    rng = np.random.default_rng((seed, 5))
    for number in range(_OF_A_KIND * len(KINDS)):
        kind = KINDS[number % len(KINDS)]
        rows, columns = (int(size) for size in rng.integers(300, 900, 2))
        picture = draw_other(kind, rows, columns, seed=int(rng.integers(2**31)))
        yield f"{kind} {number}", np.rot90(picture, int(rng.integers(4))).astype(np.float32), []


def _without_forearm(hand: PhantomHand, shape: tuple[int, ...]) -> Box:
    """The box of a drawn hand without its forearm, like that of a real hand."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.rint([(point.x, point.y) for point in hand.outline]).astype(np.int32)], 1)
    rows, columns = np.nonzero(to_wrist(mask, hand.joints))
    return Box(int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)


def _picture(hand: SourceHand) -> NDArray[np.uint8]:
    picture = cv2.imread(str(hand.path), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise Fatal(f"expected a radiograph in {hand.path}, found none")
    return np.asarray(picture, np.uint8)


def _errors(region: HandRegion | None, hand: _Truth) -> tuple[float, ...]:
    places = {joint.name: joint.at for joint in region.joints} if region else {}
    length = HAND_LENGTH * _apart(hand.joints["wrist_2"], hand.joints["mcp_3"])
    return tuple(
        _apart(places[name], hand.joints[name]) / length if name in places else float("inf")
        for name in JOINTS
    )


def _apart(a: Point, b: Point) -> float:
    return float(np.hypot(a.x - b.x, a.y - b.y))


def _share(measured: Sequence[_Measured]) -> Interval:
    return clopper_pearson(sum(one.right for one in measured), len(measured))


def _mean(values: Sequence[float], seed: int) -> Interval:
    """The mean over pictures and its bootstrap interval."""
    held: NDArray[np.float64] = np.array(values)
    rng = np.random.default_rng(seed)
    means = [float(held[rng.integers(len(held), size=len(held))].mean()) for _ in range(_RESAMPLES)]
    low, high = np.percentile(means, (2.5, 97.5))
    return (float(held.mean()), float(low), float(high))
