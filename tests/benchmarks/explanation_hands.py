"""Hands with a lesion at one joint, real and drawn, and the same hands without it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Point
from ra_node.domain.joints import JOINTS
from ra_node.domain.laterality.evidence import Side
from ra_node.errors import Refused
from ra_node.imaging.pixels import read_png
from ra_node.inference.bundles.manifest import Manifest
from training.data.dataset import SourceHand, read_source, split_patients
from training.phantom.draw import draw_hands
from training.phantom.recipe import HandRecipe, PhantomRecipe
from training.recipes.classifier import Recipe
from training.simulation.lesions import simulate_joints

STAGES = (3, 4, 5)
"""Joint stages whose lesions are there to be seen."""

Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """One hand twice, values (rows, columns): with a lesion at `joint` alone, and without any."""

    joint: str
    stage: int
    diseased: Values
    healthy: Values


def kept_apart(manifest: Manifest, radiographs: Path) -> list[SourceHand]:
    """The marked hands that the bundle's networks have never seen, by the split of its recipe.

    Raises Refused for a bundle that did not learn from these radiographs: nobody knows what it has seen.
    """
    told = manifest.training.get("recipe")
    if told is None:
        raise Refused("expected a bundle that tells the recipe of its training, found none")
    recipe = Recipe.model_validate(told)
    hands = read_source(radiographs)
    splits = split_patients([hand.patient for hand in hands], recipe.data, recipe.seed)
    return [hand for hand in hands if splits[hand.patient] == "held-out"]


def real_pairs(hands: Sequence[SourceHand], phalanx_px: float, seed: int) -> Iterator[Pair]:
    """Real hands at the size of the simulation; joints and stages in turn, both pictures edited alike."""
    for number, hand in enumerate(hands):
        joint, stage = _turn(number)
        scale = phalanx_px / float(np.hypot(*_between(hand.joints["mcp_3"], hand.joints["pip_3"])))
        values = cv2.resize(
            read_png(hand.path).values, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
        )
        joints = {name: Point(place.x * scale, place.y * scale) for name, place in hand.joints.items()}
        diseased, healthy = (
            simulate_joints(values, joints, {joint: drawn}, np.random.default_rng((seed, number)))
            for drawn in (stage, 0)
        )
        yield Pair(joint, stage, diseased, healthy)


def drawn_pairs(count: int, seed: int) -> Iterator[Pair]:
    """Single drawn hands, right and left in turn, each from its own seed that training never used."""
    for number in range(count):
        joint, stage = _turn(number)
        side = (Side.RIGHT, Side.LEFT)[number % 2]
        diseased, healthy = (
            _drawn(HandRecipe(side, joint_stages={joint: drawn}), 2**31 + 1000 * seed + number)
            for drawn in (stage, 0)
        )
        yield Pair(joint, stage, diseased, healthy)


def _drawn(hand: HandRecipe, seed: int) -> Values:
    return draw_hands(PhantomRecipe((hand,), 1000, 760, seed=seed)).pixels.astype(np.float32)


def _turn(number: int) -> tuple[str, int]:
    """Every joint comes once in thirteen hands, and with every stage in thirty-nine."""
    return JOINTS[number % len(JOINTS)], STAGES[(number // len(JOINTS) + number) % len(STAGES)]


def _between(a: Point, b: Point) -> tuple[float, float]:
    return (b.x - a.x, b.y - a.y)
