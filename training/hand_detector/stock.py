"""All training pictures of a run of the hand detector, created once and stored in the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ra_node.errors import Fatal
from ra_node.inference.hand_detector.detector import Finder
from training.hand_detector.adult_pool import adult_pictures
from training.hand_detector.deformity import deformed
from training.hand_detector.picture_pool import (
    Picture,
    drawn_pictures,
    load_pictures,
    other_pictures,
    real_pictures,
    save_pictures,
)
from training.hand_detector.train import weights_file
from training.recipes.hand_detector import FinderRecipe

REAL, DRAWN, ADULTS = "real.npz", "drawn.npz", "adults.npz"


def stock_of(
    recipe: FinderRecipe, run: Path, radiographs: Path, start: Path | None, report: Callable[[int, int], None]
) -> list[Picture]:
    """Children, phantoms, negatives, adults, and hands with warped fingers, in the numbers of the recipe."""
    if not (run / REAL).exists():
        save_pictures(list(real_pictures(radiographs, "tuning", recipe.seed, report)), run / REAL)
    if not (run / DRAWN).exists():
        drawn = drawn_pictures(recipe.phantoms, recipe.seed, report)
        save_pictures([*drawn, *other_pictures(recipe.others, recipe.seed)], run / DRAWN)
    children = load_pictures(run / REAL)
    adults = _adults(run, radiographs / "adults", start) if recipe.adults else []
    copied = [
        *((one, min(1, recipe.deformed)) for one in children),
        *((one, recipe.deformed) for one in adults),
    ]
    warped = [
        deformed(picture, np.random.default_rng((recipe.seed, 6, number, copy)))
        for number, (picture, copies) in enumerate(copied)
        for copy in range(copies)
        if picture.outlined == (True,)
    ]
    return [*children, *load_pictures(run / DRAWN), *adults, *warped]


def _adults(run: Path, folder: Path, start: Path | None) -> list[Picture]:
    if not (run / ADULTS).exists():
        if start is None:
            raise Fatal("expected --start with a detector that gives the adults' joints, found none")
        finder = Finder(weights_file(start, "seeker"), weights_file(start, "reader"))
        save_pictures(list(adult_pictures(folder, finder)), run / ADULTS)
    return load_pictures(run / ADULTS)
