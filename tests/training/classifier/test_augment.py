"""Augmentation keeps the hand a hand, and is nothing at all where the recipe says nothing."""

from __future__ import annotations

import torch

from tests.training.recipe_builders import small_recipe
from training.classifier.augment import augmented, augmented_with_turns, moved_points
from training.recipes.classifier import AugmentRecipe

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


def test_a_point_moves_with_what_it_marks() -> None:
    grey = torch.zeros(16, 64, 64, dtype=torch.uint8)
    grey[:, 20:23, 40:43] = 255
    recipe = NOTHING.model_copy(
        update={"rotation_deg": 30, "translation": 0.1, "zoom": 0.2, "flip_horizontal": 0.5}
    )
    moved, turns = augmented_with_turns(grey, recipe, torch.Generator().manual_seed(3))
    marked = torch.tensor([2 * 41.5 / 64 - 1, 2 * 21.5 / 64 - 1]).expand(16, 1, 2)
    told = (moved_points(marked, turns)[:, 0] + 1) * 32 - 0.5
    marks = moved * (moved > 1)
    weights = marks / marks.sum(dim=(1, 2), keepdim=True)
    steps = torch.arange(64.0)
    seen = torch.stack([(weights.sum(1) * steps).sum(1), (weights.sum(2) * steps).sum(1)], dim=1)
    assert torch.allclose(told, seen, atol=0.3)
