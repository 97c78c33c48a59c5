"""Keeps weights apart from the hands that they will be measured on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from ra_node.errors import Fatal
from training.data.dataset import Crops, split_patients
from training.data.paper_cohort import planned
from training.recipes.classifier import Recipe

LEARNT_FROM = "learnt_from"
"""Key in the metadata of a weights file: a JSON list of the patients that it has seen."""


def held_back(recipe: Recipe, patients: Sequence[str]) -> set[str]:
    """The patients of a source whom a recipe holds out or validates on."""
    if recipe.data.preset == "paper":
        plan = planned(patients, recipe.data.validation, recipe.seed)
        return {patient.patient for patient in plan if patient.split != "tune"} & set(patients)
    splits = split_patients(patients, recipe.data, recipe.seed)
    return {patient for patient, split in splits.items() if split != "tune"}


def learnt_from(patients: Sequence[str]) -> Mapping[str, str]:
    """The metadata that goes with weights which have seen these patients."""
    return {LEARNT_FROM: json.dumps(sorted(patients))}


def refuse_seen(weights: Path | None, crops: Crops) -> None:
    """Raise Fatal where weights say that they have seen a patient of the held-out or validation hands."""
    if weights is None or weights.suffix != ".safetensors":
        return
    try:
        with safe_open(weights, "numpy") as file:
            known = json.loads((file.metadata() or {}).get(LEARNT_FROM, "[]"))
    except (SafetensorError, OSError) as error:
        raise Fatal(f"expected a state file of tensors only in {weights}, found: {error}") from error
    apart = crops.patients[crops.splits != "tune"]
    seen = np.intersect1d(np.array(known, np.str_), apart)
    if len(seen):
        raise Fatal(
            f"expected weights that have seen no held-out patient, found {len(seen)} of them in the "
            f"pre-training of {weights} (as {seen[0]}); pre-train with a recipe that respects this split"
        )
