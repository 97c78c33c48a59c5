"""Crops of adults' hands with simulated lesions, as those of children; the joints come from the detector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ra_node.domain.refusal import Reason
from ra_node.domain.report import HandFinding
from ra_node.domain.study import NO_HEADER
from ra_node.imaging.hand_extraction import extract_hands
from ra_node.imaging.pixels import read_png
from ra_node.inference.process_map import side_by_side
from training.data.adult_hands import AdultPicture, hand_of, read_adults
from training.data.dataset import ADULT_ORIGINS, Row, SourceHand, Split, hand_rows, stages_of
from training.data.detector import KeptDetector
from training.recipes.classifier import Recipe


def adult_rows(
    folder: Path, recipe: Recipe, detector: KeptDetector, report: Callable[[int, int], None]
) -> Iterator[Row]:
    """Simulate every stage of the recipe on each PA hand of the folder's adults that is found whole."""
    pictures = [picture for picture in read_adults(folder) if picture.kind == "PA"]
    splits = adult_splits(pictures, recipe)
    asked = [(folder, picture, splits[picture.name]) for picture in pictures]
    for done, rows in enumerate(side_by_side(partial(_rows_of, recipe, detector), asked), start=1):
        yield from rows
        report(done, len(asked))


def adult_splits(pictures: Sequence[AdultPicture], recipe: Recipe) -> dict[str, Split]:
    """The split of each picture by its hand: the held-out half, and of the others the recipe's validation."""
    tuning = sorted({hand_of(picture.name) for picture in pictures if picture.part == "tuning"})
    order = [str(hand) for hand in np.random.default_rng(recipe.seed).permutation(tuning)]
    validation = set(order[: round(recipe.data.validation * len(order))])

    def split(picture: AdultPicture) -> Split:
        if picture.part == "held-out":
            return "held-out"
        return "validation" if hand_of(picture.name) in validation else "tune"

    return {picture.name: split(picture) for picture in pictures}


def adult_patient(name: str) -> str:
    """The patient of a picture: the name of its hand, not to be taken for one of another source."""
    return f"adult {hand_of(name)}"


def _rows_of(recipe: Recipe, detector: KeptDetector, asked: tuple[Path, AdultPicture, Split]) -> list[Row]:
    folder, picture, split = asked
    path = folder / picture.file
    hand = _whole_hand(path, detector)
    if hand is None:
        return []
    joints = {joint.name: joint.at for joint in hand.region.joints}
    source = SourceHand(adult_patient(picture.name), path, joints)
    rounds = recipe.data.adults if split == "tune" else 1
    stages = tuple(stages_of(split, recipe.data)) * rounds
    rows = hand_rows(source, split, recipe, stages, detector.opened(), rounds)
    simulated, unedited = ADULT_ORIGINS
    return [replace(row, origin=simulated if row.origin == "simulated" else unedited) for row in rows]


def _whole_hand(path: Path, detector: KeptDetector) -> HandFinding | None:
    """The only hand of a picture, whole and with all joints; None otherwise."""
    hands = extract_hands(read_png(path), NO_HEADER, detector.opened()).hands
    if len(hands) != 1 or hands[0].refusal is not None:
        return None
    cut = any(reason.reason is Reason.HAND_INCOMPLETE for reason in hands[0].outside)
    return None if cut else hands[0]
