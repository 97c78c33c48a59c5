"""A probe hardly tells a sham edit from an untouched hand, though it would see a trace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.finders import demo_finder
from tests.training.recipe_builders import DEMO
from training.data.dataset import read_source
from training.evaluation.sham_test import pairs, told_apart
from training.recipes.classifier import read_recipe

HANDS = 24


def crops(radiographs: Path, stage: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    sources = read_source(radiographs)[:: 356 // HANDS][:HANDS]
    return pairs(sources, read_recipe(DEMO), stage, demo_finder(), lambda *_: None)


@pytest.fixture(scope="module")
def sham(radiographs: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return crops(radiographs, 0)


def test_sham_against_untouched_is_next_to_chance(sham: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    untouched, edited = sham
    assert not np.array_equal(untouched, edited)
    found = told_apart(untouched, edited, seed=1, resamples=300)
    assert found.patients == HANDS
    assert 0.44 < found.auc[0] < 0.56, found
    assert found.auc[1] < 0.52, found


def test_the_probe_would_notice_an_edit_that_leaves_a_trace(
    sham: tuple[NDArray[np.uint8], NDArray[np.uint8]],
) -> None:
    """Grain of two grey levels in one of 784 fields is a trace that no eye would see."""
    untouched, _ = sham
    traced = untouched.astype(int)
    traced[:, 104:112, 104:112] += np.indices((8, 8)).sum(axis=0) % 2 * 24
    found = told_apart(untouched, traced.clip(0, 255).astype(np.uint8), seed=1, resamples=300)
    assert found.auc[1] > 0.5, found
