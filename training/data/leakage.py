"""Leakage checks: weights must not be evaluated on patients that they were trained on."""

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
    """Patients of a source in the held-out or validation split of a recipe."""
    if recipe.data.preset == "paper":
        plan = planned(patients, recipe.data.validation, recipe.seed)
        return {patient.patient for patient in plan if patient.split != "tune"} & set(patients)
    splits = split_patients(patients, recipe.data, recipe.seed)
    return {patient for patient, split in splits.items() if split != "tune"}


def refuse_seen(weights: Path | None, origin: Origin, crops: Crops) -> None:
    """Raise Fatal where weights were trained on a held-out or validation patient, or that is unknown.

    Weights with unknown patients may start a run on a site's dataset, whose patients are not public; for
    simulated hands they are refused, because their source is public and may be in the training data.
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
