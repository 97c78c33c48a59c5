"""Drawn hands come with their stages, in splits that share no picture."""

from __future__ import annotations

import numpy as np

from tests.finders import demo_detector
from tests.training.recipe_builders import small_recipe
from training.data.dataset import stacked
from training.data.phantom_dataset import phantom_rows


def test_pictures_are_split_seven_to_three_and_cut_as_often_as_the_recipe_says() -> None:
    recipe = small_recipe()
    crops = stacked(list(phantom_rows(recipe, demo_detector(), lambda *_: None)))
    tune, held_out = crops.part("tune"), crops.part("held-out")
    assert len(tune) == 2 * recipe.data.phantoms * recipe.data.phantom_cuts
    assert len(held_out) == 2
    assert not set(tune.patients) & set(held_out.patients)
    assert set(map(int, crops.stages)) <= set(recipe.data.stages)
    assert crops.images.shape[1:] == (recipe.side_px, recipe.side_px)
    assert (np.ptp(crops.images, axis=(1, 2)) == 255).all()
