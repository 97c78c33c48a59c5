"""An exported bundle says what the run said, in numbers and in words."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from ra_node.inference.architectures import build
from ra_node.inference.bundle import load_bundle
from ra_node.inference.network import softmax
from ra_node.inference.predictor import Predictor
from tests.training.recipes import small_recipe
from training.data_kind import WORDS
from training.dataset import Crops, Row, stacked
from training.evaluate import (
    CLASSES,
    Calibration,
    Result,
    calibrated,
    evaluated,
    unedited_figures,
    weights_path,
)
from training.export import export
from training.loop import save_half
from training.predictions import run_outputs

CPU = torch.device("cpu")


def hands() -> Crops:
    """Four hands a stage of eight patients, brighter by stage."""
    rng = np.random.default_rng(0)
    return stacked(
        [
            Row(rng.integers(0, 40 + 40 * k, (64, 64)).astype(np.uint8), k, f"p{n}", "held-out", "simulated")
            for k in range(6)
            for n in range(4)
        ]
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a run that learnt nothing, but are loud enough to differ by hand."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    torch.manual_seed(1)
    for task, classes in CLASSES.items():
        network = build("googlenet", classes)
        network.fc.weight.data *= 50000
        save_half(network, weights_path(folder, task))
    return folder


def run_logits(run: Path) -> dict[str, np.ndarray]:
    outputs = run_outputs(run, small_recipe(), hands().images, CPU, lambda _done, _total: None)
    return {task: logits for task, (logits, _features) in outputs.items()}


def exported(run: Path, folder: Path) -> tuple[Calibration, Result]:
    crops, recipe = hands(), small_recipe()
    logits = run_logits(run)
    calibration = calibrated(logits, crops.stages)
    figures = evaluated(logits, crops, calibration, seed=1, resamples=20)
    unedited = unedited_figures(logits, crops, calibration)
    result = Result({"held-out hands, simulated": 24}, figures, None, unedited)
    export(run, recipe, calibration, result, folder, started=None)
    return calibration, result


def test_the_bundle_gives_the_probabilities_of_the_run(run: Path, tmp_path: Path) -> None:
    """Half-precision weights, temperature and preprocessing are those that were evaluated."""
    calibration, _ = exported(run, tmp_path / "bundle")
    logits = run_logits(run)
    expected = softmax(logits["staging"] / calibration.staging_temperature)
    judged = Predictor(load_bundle(tmp_path / "bundle"), "cpu").judge(list(hands().images))
    found = np.array([judgement.staging.probabilities for judgement in judged])
    assert np.abs(found - expected).max() < 1e-5
    assert np.ptp(found, axis=0).max() > 1e-3
    assert {judgement.recognition.threshold for judgement in judged} == {calibration.threshold}


def test_the_manifest_is_strict_json_with_counts_figures_and_terms(run: Path, tmp_path: Path) -> None:
    _, result = exported(run, tmp_path / "bundle")

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    manifest = json.loads((tmp_path / "bundle" / "manifest.json").read_text(), parse_constant=refuse)
    assert manifest["notice"] == WORDS["simulated"].notice
    assert "non-commercial" in manifest["provenance"]["terms"]
    assert manifest["training"]["counts"] == result.counts
    value, low, high = manifest["tasks"]["recognition"]["metrics"]["auc"]
    assert (value, low, high) == pytest.approx(asdict(result)["held_out"]["recognition"]["auc"])
    assert low <= value <= high


def test_the_card_says_what_the_model_is_not(run: Path, tmp_path: Path) -> None:
    _, result = exported(run, tmp_path / "bundle")
    text = (tmp_path / "bundle" / "card.md").read_text()
    for said in ("not a medical device", "simulated", "non-commercial", "RSNA", "random weights"):
        assert said in text
    value, low, high = result.held_out.staging["quadratic_kappa"]
    assert f"| quadratic kappa | {value:.3f} | {low:.3f} to {high:.3f} |" in text
