"""Studies for the whole node: small phantoms, so that a test takes seconds."""

from __future__ import annotations

from pydicom import Dataset

from ra_node.domain.laterality.evidence import Side
from training.phantom.recipe import HandRecipe, PhantomRecipe
from training.phantom.study import phantom_study


def two_hands(seed: int) -> Dataset:
    """One image with the right hand at stage 4 and a healthy left hand; each seed is a study of its own."""
    hands = (HandRecipe(Side.RIGHT, stage=4), HandRecipe(Side.LEFT, stage=0))
    recipe = PhantomRecipe(hands, rows=800, columns=960, seed=seed)
    (image,) = phantom_study(recipe, uid_key=f"node test {seed}")
    return image
