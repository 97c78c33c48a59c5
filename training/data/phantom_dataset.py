"""Crops of drawn hands for training, so that the networks classify the node's phantoms correctly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from ra_node.domain.geometry import intersection_over_union
from ra_node.domain.laterality.evidence import Side
from ra_node.domain.report import HandRegion
from ra_node.domain.study import NO_HEADER
from ra_node.imaging.hand_detection import HandFinder
from ra_node.imaging.hand_extraction import extract_hands
from ra_node.imaging.model_input import hand_crop
from ra_node.imaging.pixels import Radiograph
from ra_node.inference.process_map import side_by_side
from training.data.dataset import Row, Split, jittered
from training.data.detector import KeptDetector
from training.phantom.draw import draw_hands
from training.phantom.recipe import HandRecipe, PhantomHand, PhantomRecipe
from training.recipes.classifier import Recipe

SIZES = ((1000, 1200), (1000, 1200), (2000, 2400))
"""Rows and columns of the two-hand pictures in turn: small ones are drawn fast, large ones are realistic."""

SEEDS: dict[Split, int] = {"tune": 0, "validation": 1, "held-out": 2}
"""The splits use disjoint seeds."""


def phantom_rows(recipe: Recipe, detector: KeptDetector, report: Callable[[int, int], None]) -> Iterator[Row]:
    """Draw two-hand pictures with random stages, and crop their hands as the node does."""
    counts = _pictures(recipe)
    asked = [(split, number) for split, count in counts.items() for number in range(count)]
    for done, rows in enumerate(side_by_side(partial(_rows_of, recipe, detector), asked), start=1):
        yield from rows
        report(done, len(asked))


def _rows_of(recipe: Recipe, detector: KeptDetector, asked: tuple[Split, int]) -> list[Row]:
    split, number = asked
    return list(picture_rows(recipe, split, number, detector.opened()))


def _pictures(recipe: Recipe) -> dict[Split, int]:
    """Pictures by split: `phantoms` for tune, the others in proportion to their patients."""
    tune = recipe.data.phantoms
    left = 1 - recipe.data.held_out
    share = tune / (left * (1 - recipe.data.validation))
    return {
        "tune": tune,
        "validation": round(share * left * recipe.data.validation),
        "held-out": round(share * recipe.data.held_out),
    }


def picture_rows(
    recipe: Recipe, split: Split, number: int, finder: HandFinder, labels: Sequence[int] | None = None
) -> Iterator[Row]:
    """Draw one two-hand picture, with the given labels or random ones, and crop its hands."""
    rng = np.random.default_rng((recipe.seed, SEEDS[split], number))
    stages = rng.choice(recipe.data.stages, size=2) if labels is None else labels
    pair = (HandRecipe(Side.RIGHT, int(stages[0])), HandRecipe(Side.LEFT, int(stages[1])))
    rows, columns = SIZES[number % len(SIZES)]
    drawn = draw_hands(PhantomRecipe(pair, rows, columns, seed=int(rng.integers(2**31))))
    extraction = extract_hands(
        Radiograph(drawn.pixels.astype(np.float32), np.zeros(drawn.pixels.shape, np.uint8)), NO_HEADER, finder
    )
    values, regions = extraction.radiograph.values, tuple(hand.region for hand in extraction.hands)
    for hand in drawn.hands:
        region, found = _region(hand, regions)
        for _ in range(recipe.data.phantom_cuts if split == "tune" else 1):
            jitter = recipe.data.box_jitter if split == "tune" else 0.0
            crop = hand_crop(values, jittered(region, jitter, values.shape, rng), recipe.side_px)
            yield Row(crop, hand.stage, f"phantom {split} {number}", split, "phantom", found)


def _region(hand: PhantomHand, found: tuple[HandRegion, ...]) -> tuple[HandRegion, bool]:
    """The detector's region of a drawn hand, or the ground truth where it was missed."""
    for region in found:
        if intersection_over_union(region.box, hand.box) > 0.5:
            return region, True
    return HandRegion(hand.box, hand.outline, hand.rotation, 0.0), False
