"""Weights that have seen a patient are never measured on that patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ra_node.errors import Fatal
from tests.training.recipe_builders import DEMO
from training.data.dataset import Crops, split_patients
from training.data.leakage import held_back, refuse_seen
from training.data.weights_origin import Origin
from training.recipes.classifier import read_recipe

PATIENTS = [str(number) for number in range(100, 456)]


def crops(origin: str = "simulated") -> Crops:
    return Crops(
        np.zeros((3, 8, 8), np.uint8),
        np.zeros(3, np.int64),
        np.array(["a", "b", "c"]),
        np.array(["tune", "validation", "held-out"]),
        np.array([origin] * 3),
        np.ones(3, np.bool_),
    )


WEIGHTS = Path("googlenet.safetensors")


@pytest.mark.parametrize("seen", ["b", "c"])
@pytest.mark.parametrize("complete", [True, False])
def test_weights_that_saw_a_patient_on_the_other_side_are_refused(seen: str, *, complete: bool) -> None:
    with pytest.raises(Fatal, match=rf"seen no held-out patient, found 1 .*\(as {seen}\)"):
        refuse_seen(WEIGHTS, Origin(("a", seen), complete=complete), crops("labelled"))


def test_weights_that_saw_tune_patients_or_strangers_are_welcome() -> None:
    refuse_seen(WEIGHTS, Origin(("a", "z")), crops())
    refuse_seen(WEIGHTS, Origin(), crops())
    refuse_seen(None, Origin(), crops())


def test_weights_of_patients_that_nobody_wrote_down_start_no_run_on_a_public_source() -> None:
    """They may have seen the very hands that are held out; a hospital's own patients they have not."""
    with pytest.raises(Fatal, match="expected weights that name all patients of their training"):
        refuse_seen(WEIGHTS, Origin(complete=False), crops())
    refuse_seen(WEIGHTS, Origin(complete=False), crops("labelled"))


def test_both_kinds_of_split_are_respected() -> None:
    demo = read_recipe(DEMO)
    paper = read_recipe(DEMO.with_name("paper.toml"))
    splits = split_patients(PATIENTS, demo.data, demo.seed)
    assert held_back(demo, PATIENTS) == {patient for patient, side in splits.items() if side != "tune"}
    assert len(held_back(paper, PATIENTS)) == 104
