"""The command leaves weights that know whom they saw, and nobody among them is held out."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from tests.training.network_builders import small_network
from tests.training.recipe_builders import DEMO
from training.__main__ import app
from training.classifier import pretrain
from training.data.leakage import held_back
from training.data.weights_origin import read_origin
from training.recipes.classifier import read_recipe

PATIENTS = [str(number) for number in range(20)]
NAMES = ("ip_1", *(f"{row}_{k}" for row in ("pip", "mcp") for k in range(1 + (row == "pip"), 6)))
JOINTS = (*NAMES, "wrist_1", "wrist_2", "wrist_3")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Twenty grey pictures with joints somewhere in them."""
    rng, folder = np.random.default_rng(0), tmp_path / "source"
    (folder / "rsna").mkdir(parents=True)
    with (folder / "hands.csv").open("w", newline="") as hands, (folder / "joints.csv").open("w") as joints:
        known, places = csv.writer(hands), csv.writer(joints)
        known.writerow(["rsna_id", "file", "columns", "rows", "age_months", "male"])
        places.writerow(["rsna_id", "flip", *(f"{name}_{axis}" for name in JOINTS for axis in "xy")])
        for patient in PATIENTS:
            grey = rng.integers(0, 255, (200, 150)).astype(np.uint8)
            cv2.imwrite(str(folder / "rsna" / f"{patient}.png"), grey)
            known.writerow([patient, f"rsna/{patient}.png", 150, 200, 100 + int(patient), patient < "15"])
            spots = np.stack([rng.uniform(20, 130, 13), rng.uniform(20, 180, 13)], axis=1)
            places.writerow([patient, "N", *spots.ravel().round(1).tolist()])
    return folder


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "pretrain.toml"
    shipped = DEMO.with_name("pretrain.toml").read_text()
    path.write_text(
        shipped.replace('["paper.toml", "demo.toml"]', '["demo.toml"]').replace(
            "side_px = 224", "side_px = 64"
        )
    )
    (tmp_path / "demo.toml").write_text(DEMO.read_text())
    return path


def test_weights_and_a_readable_account_are_left_for_start(
    source: Path, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(JOINTS) == 13
    monkeypatch.setattr(pretrain, "build", lambda _, outputs: small_network(classes=outputs))
    out = tmp_path / "out"
    asked = ["pretrain", "--config", str(config), "--architecture", "alexnet", "--epochs", "1"]
    done = CliRunner().invoke(app, [*asked, "--radiographs", str(source), "--out", str(out)])
    assert done.exit_code == 0, done.output
    seen = set(read_origin(out / "alexnet.safetensors").learnt_from)
    apart = held_back(read_recipe(DEMO), PATIENTS)
    assert apart
    assert seen == set(PATIENTS) - apart
    about = json.loads((out / "alexnet.json").read_text())
    assert about["respects"] == {"demo": len(apart)}
    assert about["recipe"]["networks"]["alexnet"]["epochs"] == 1
    assert "joint error" in done.output
    assert {path.name for path in out.iterdir()} == {"alexnet.json", "alexnet.safetensors", "hands.npz"}
