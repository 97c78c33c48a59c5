"""Weights that have seen a patient are never measured on that patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ra_node.errors import Fatal
from tests.training.recipe_builders import DEMO
from training.data.dataset import Crops, split_patients
from training.data.leakage import held_back, learnt_from, refuse_seen
from training.recipes.classifier import read_recipe

PATIENTS = [str(number) for number in range(100, 456)]


def crops() -> Crops:
    return Crops(
        np.zeros((3, 8, 8), np.uint8),
        np.zeros(3, np.int64),
        np.array(["a", "b", "c"]),
        np.array(["tune", "validation", "held-out"]),
        np.array(["simulated"] * 3),
        np.ones(3, np.bool_),
    )


def weights(folder: Path, *patients: str) -> Path:
    path = folder / "googlenet.safetensors"
    save_file({"x": torch.zeros(1)}, path, dict(learnt_from(patients)))
    return path


@pytest.mark.parametrize("seen", ["b", "c"])
def test_weights_that_saw_a_patient_on_the_other_side_are_refused(tmp_path: Path, seen: str) -> None:
    with pytest.raises(Fatal, match=rf"seen no held-out patient, found 1 .*\(as {seen}\)"):
        refuse_seen(weights(tmp_path, "a", seen), crops())


def test_weights_that_saw_tune_patients_or_strangers_are_welcome(tmp_path: Path) -> None:
    refuse_seen(weights(tmp_path, "a", "z"), crops())
    plain = tmp_path / "plain.safetensors"
    save_file({"x": torch.zeros(1)}, plain)
    refuse_seen(plain, crops())
    refuse_seen(None, crops())


def test_both_kinds_of_split_are_respected() -> None:
    demo = read_recipe(DEMO)
    paper = read_recipe(DEMO.with_name("paper.toml"))
    splits = split_patients(PATIENTS, demo.data, demo.seed)
    assert held_back(demo, PATIENTS) == {patient for patient, side in splits.items() if side != "tune"}
    assert len(held_back(paper, PATIENTS)) == 104
