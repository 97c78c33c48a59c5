"""The heat map points to the joint that makes the difference, and to none where there is nothing to explain.

Few hands, so that this is quick; `python -m tests.benchmarks.explanation` counts many and prints the table.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch

from ra_node.domain.joints import JOINTS
from ra_node.inference.bundles.bundle import Bundle, load_bundle
from tests.benchmarks.explanation import DEMO, Bench, Outcome, rank_correlation
from tests.benchmarks.explanation_hands import Pair, drawn_pairs, kept_apart, real_pairs
from training.recipes.classifier import Recipe

HANDS = 7


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(DEMO)


@pytest.fixture(scope="module")
def bench(bundle: Bundle) -> Bench:
    torch.set_num_threads(1)
    return Bench(bundle, random=2)


@pytest.fixture(scope="module")
def drawn(bench: Bench) -> list[Outcome]:
    return outcomes(bench, drawn_pairs(HANDS, seed=5))


def outcomes(bench: Bench, pairs: Iterable[Pair]) -> list[Outcome]:
    found = [one for one in map(bench.outcome, pairs) if one is not None]
    assert len(found) >= HANDS - 1
    return found


def test_a_lesion_at_one_joint_of_a_real_hand_draws_the_heat_there(bench, bundle, radiographs: Path):
    """On hands that the networks have never seen; without the lesion their maps point elsewhere."""
    recipe = Recipe.model_validate(bundle.manifest.training["recipe"])
    hands = kept_apart(bundle.manifest, radiographs)[:HANDS]
    found = outcomes(bench, real_pairs(hands, recipe.data.phalanx_px, seed=5))
    mapped = [one for one in found if one.shown is not None]
    assert len(mapped) >= 3
    assert sum(one.hit(one.shown) for one in mapped) > len(mapped) / 2
    assert sum(one.joint in one.named for one in mapped) > len(mapped) / 2
    assert sum(one.joint in one.healthy.ranked(one.healthy.heat)[:1] for one in found) <= 2


def test_a_lesion_at_one_joint_of_a_drawn_hand_is_among_the_three_hottest(drawn):
    mapped = [one for one in drawn if one.shown is not None]
    assert len(mapped) >= 3
    assert sum(one.hit(one.shown, 3) for one in mapped) > len(mapped) / 2


def test_networks_that_have_learnt_nothing_point_to_no_lesion_and_draw_other_maps(drawn):
    """The sanity check of saliency maps: what a random network draws as well explains nothing."""
    tried = [(one, heat) for one in drawn for heat in one.random]
    hits = sum(one.hit(heat) for one, heat in tried)
    assert hits <= 3 + len(tried) / len(JOINTS)
    assert abs(np.mean([value for one in drawn for value in rank_correlation(one)])) < 0.2
