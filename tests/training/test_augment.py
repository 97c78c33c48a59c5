"""Augmentation keeps the hand a hand, and is nothing at all where the recipe says nothing."""

from __future__ import annotations

import torch

from tests.training.recipes import small_recipe
from training.augment import augmented
from training.recipe import AugmentRecipe

NOTHING = AugmentRecipe(**dict.fromkeys(AugmentRecipe.model_fields, 0.0))


def crops() -> torch.Tensor:
    grey = torch.zeros(4, 32, 32, dtype=torch.uint8)
    grey[:, 8:24, 4:20] = 200
    return grey


def changed(recipe: AugmentRecipe, seed: int = 1) -> torch.Tensor:
    return augmented(crops(), recipe, torch.Generator().manual_seed(seed))


def test_a_recipe_of_zeros_changes_nothing() -> None:
    assert torch.allclose(changed(NOTHING), crops().float(), atol=0.05)


def test_a_certain_flip_mirrors_the_hand() -> None:
    mirrored = changed(NOTHING.model_copy(update={"flip_horizontal": 1.0}))
    assert torch.allclose(mirrored, crops().float().flip(2), atol=0.05)


def test_every_crop_is_drawn_anew_and_the_seed_repeats_it() -> None:
    recipe = small_recipe().augment
    once = changed(recipe)
    assert torch.equal(once, changed(recipe))
    assert not torch.equal(once[0], once[1])
    assert not torch.equal(once, changed(recipe, seed=2))


def test_grey_levels_stay_in_range_and_the_hand_in_the_picture() -> None:
    grey = changed(small_recipe().augment)
    assert 0 <= float(grey.min()) <= float(grey.max()) <= 255
    assert (grey.sum(dim=(1, 2)) > 0.5 * crops().float().sum(dim=(1, 2))).all()
