"""Keeps weights apart from the hands that they will be measured on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ra_node.errors import Fatal
from training.data.dataset import Crops, split_patients
from training.data.paper_cohort import planned
from training.data.weights_origin import Origin
from training.recipes.classifier import Recipe


def held_back(recipe: Recipe, patients: Sequence[str]) -> set[str]:
    """The patients of a source whom a recipe holds out or validates on."""
    if recipe.data.preset == "paper":
        plan = planned(patients, recipe.data.validation, recipe.seed)
        return {patient.patient for patient in plan if patient.split != "tune"} & set(patients)
    splits = split_patients(patients, recipe.data, recipe.seed)
    return {patient for patient, split in splits.items() if split != "tune"}


def refuse_seen(weights: Path | None, origin: Origin, crops: Crops) -> None:
    """Raise Fatal where weights have seen a patient of the held-out or validation hands, or cannot say so.

    Keys of a site's patients are its own secret, so that weights of unknown patients can start a run on its
    dataset; simulated hands come from a public source, which such weights may have seen.
    """
    if weights is None:
        return
    if not origin.complete and not (crops.origins == "labelled").all():
        raise Fatal(
            f"expected weights that name all patients of their training, found {weights}, which does not"
        )
    apart = crops.patients[crops.splits != "tune"]
    seen = np.intersect1d(np.array(origin.learnt_from, np.str_), apart)
    if len(seen):
        raise Fatal(
            f"expected weights that have seen no held-out patient, found {len(seen)} of them in the "
            f"training of {weights} (as {seen[0]}); use a start that respects this split"
        )
