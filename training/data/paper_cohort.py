"""The preset `paper`: simulated hands with the class counts of Table 1 of Peng et al. 2024."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ra_node.domain.report import STAGES
from ra_node.errors import Fatal
from ra_node.inference.process_map import side_by_side
from training.data.dataset import Crops, Row, SourceHand, Split, hand_rows
from training.data.detector import KeptDetector
from training.data.phantom_dataset import picture_rows
from training.recipes.classifier import Recipe

TRAINING = (26, 33, 54, 56, 38, 33)
"""Hands by stage, 0 (normal) to 5: 240."""
TEST = (13, 14, 22, 24, 17, 14)
"""Hands by stage: 104."""
SIZE = sum(TRAINING) + sum(TEST)


@dataclass(frozen=True, slots=True)
class PlannedPatient:
    """One patient of the preset: a source with one hand, or a drawn picture with two."""

    patient: str
    split: Split
    stages: tuple[int, ...]
    drawn: bool


def planned(patients: Sequence[str], validation: float, seed: int) -> list[PlannedPatient]:
    """Assign the 344 labels to patients: exactly Table 1, and each patient on one side only.

    With fewer than 344 sources the rest are drawn two-hand pictures. `validation` is the share of the
    training patients for temperature and operating points.
    """
    rng = np.random.default_rng((seed, SIZE))
    order = [str(patient) for patient in rng.permutation(sorted(set(patients)))][:SIZE]
    test_sources = round(len(order) * sum(TEST) / SIZE)
    test = _dealt("held-out", TEST, order[:test_sources], rng)
    training = _dealt("tune", TRAINING, order[test_sources:], rng)
    kept = round(validation * len(training))
    chosen = set(rng.permutation(len(training))[:kept].tolist())
    return test + [replace(p, split="validation") if k in chosen else p for k, p in enumerate(training)]


def _dealt(
    split: Split, counts: Sequence[int], sources: Sequence[str], rng: np.random.Generator
) -> list[PlannedPatient]:
    stages = [int(stage) for stage in rng.permutation(np.repeat(STAGES, counts))]
    single = len(sources) - (len(stages) - len(sources)) % 2
    alone = [
        PlannedPatient(patient, split, (stage,), drawn=False)
        for patient, stage in zip(sources[:single], stages, strict=False)
    ]
    rest = stages[len(alone) :]
    pairs = [
        PlannedPatient(f"phantom {split} {number}", split, (a, b), drawn=True)
        for number, (a, b) in enumerate(zip(rest[::2], rest[1::2], strict=True))
    ]
    return alone + pairs


def paper_rows(
    sources: Sequence[SourceHand], recipe: Recipe, detector: KeptDetector, report: Callable[[int, int], None]
) -> Iterator[Row]:
    """Simulate every planned hand once; all are of the origin `simulated`.

    Held-out sources are also included unedited, with the origin `unedited`, in addition to the 344.
    """
    hands = {hand.patient: hand for hand in sources}
    plan = planned(list(hands), recipe.data.validation, recipe.seed)
    asked = [(patient, hands.get(patient.patient)) for patient in plan]
    for done, rows in enumerate(side_by_side(partial(_rows_of, recipe, detector), asked), start=1):
        yield from rows
        report(done, len(plan))


def _rows_of(
    recipe: Recipe, detector: KeptDetector, asked: tuple[PlannedPatient, SourceHand | None]
) -> list[Row]:
    """The hands of one planned patient; without a source they are drawn."""
    patient, source = asked
    if source is not None:
        return list(hand_rows(source, patient.split, recipe, patient.stages, detector.opened()))
    number = int(patient.patient.rpartition(" ")[2])
    rows = picture_rows(recipe, patient.split, number, detector.opened(), patient.stages)
    return [replace(row, patient=patient.patient, origin="simulated") for row in rows]


def class_counts(crops: Crops) -> dict[str, tuple[int, ...]]:
    """Simulated hands by stage on both sides; raises Fatal where they differ from Table 1."""
    simulated = crops.where(crops.origins == "simulated")
    held_out = simulated.splits == "held-out"

    def count(side: Crops) -> tuple[int, ...]:
        return tuple(np.bincount(side.stages, minlength=len(STAGES)).tolist())

    found = {"training": count(simulated.where(~held_out)), "test": count(simulated.where(held_out))}
    if found != {"training": TRAINING, "test": TEST}:
        raise Fatal(f"expected the classes of Table 1, training {TRAINING} and test {TEST}, found {found}")
    return found
