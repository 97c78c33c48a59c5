"""An ensemble is the mean of calibrated probabilities, calibrated anew and measured like a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from ra_node.errors import Fatal, Refused
from ra_node.inference.networks.softmax import softmax
from tests.training.evaluated_runs import rows, told, write_run
from training.__main__ import app, export_bundle
from training.classifier.run_folder import REAL
from training.data.dataset import save_crops, stacked
from training.evaluation.predictions import load_predictions, save_predictions
from training.experiments.ensemble import assemble, read_members
from training.experiments.evaluation_cache import Question, measure, read_calibration
from training.experiments.run_summary import read_shown
from training.report.page import report


def member(folder: Path, seed: int) -> Path:
    """An evaluated run with the crops that it was measured on."""
    write_run(folder, seed=seed)
    save_crops(stacked(rows()), folder / REAL)
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [member(tmp_path / f"seed{k}", k) for k in range(3)]


def test_it_says_the_mean_of_what_its_runs_say_after_their_temperatures(
    runs: list[Path], tmp_path: Path
) -> None:
    made = assemble(runs, tmp_path / "all")
    told = [load_predictions(run) for run in runs]
    each = [
        read_calibration(run).probabilities("staging", one.staging, one.patients)
        for run, one in zip(runs, told, strict=True)
    ]
    assert softmax(made.staging) == pytest.approx(np.mean(each, axis=0), abs=1e-9)
    assert made.staging_features.shape == (len(load_predictions(runs[0]).staging_features), 9)


def test_the_command_leaves_a_folder_that_measure_versus_and_report_read(
    runs: list[Path], tmp_path: Path
) -> None:
    """Three noisy eyes see better than one."""
    words = ["ensemble", *runs, "--out", tmp_path / "all", "--resamples", 10]
    found = CliRunner().invoke(app, [str(word) for word in words])
    assert found.exit_code == 0, found.output
    assert "quadratic_kappa" in found.output
    shown = read_shown([runs[0], tmp_path / "all"])
    assert [one.name for one in shown] == ["GoogLeNet", "Ensemble of 3"]
    kappa = [one.result.held_out.staging["quadratic_kappa"][0] for one in shown]
    assert kappa[1] > kappa[0]
    page = report(shown, [])
    assert page.count("Ensemble of 3, ours, simulated") == 2
    said = CliRunner().invoke(app, ["versus", str(runs[0]), str(tmp_path / "all"), "--resamples", "5"])
    assert "mean of 3 runs: 1 " in said.output


def test_it_is_calibrated_on_the_training_side_as_a_single_run_is(runs: list[Path], tmp_path: Path) -> None:
    assemble(runs, tmp_path / "all")
    measure(tmp_path / "all", torch.device("cpu"), lambda _: None, Question(resamples=5, sensitivity=0.9))
    chosen = json.loads((tmp_path / "all" / "calibration.json").read_text())
    assert (chosen["chosen_on"], chosen["sensitivity_asked"]) == ("cross-fitted", 0.9)


def test_runs_on_other_hands_or_splits_are_refused_with_both(runs: list[Path], tmp_path: Path) -> None:
    crops = stacked(rows(people=7))
    save_predictions(told(crops), runs[1])
    with pytest.raises(
        Fatal, match=r"split of .*seed0 \(56 held-out, 48 tune, .* found others \(49 held-out"
    ):
        assemble(runs, tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_one_run_alone_or_twice_is_no_ensemble(runs: list[Path], tmp_path: Path) -> None:
    for chosen in (runs[:1], [runs[0], runs[0]]):
        with pytest.raises(Fatal, match="two or more different runs"):
            assemble(chosen, tmp_path / "all")


def test_a_run_is_never_overwritten_and_an_ensemble_is_no_bundle(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(Refused, match="found something else"):
        assemble(runs[:2], runs[2])
    assemble(runs, tmp_path / "all")
    assert len(read_members(tmp_path / "all")) == 3
    with pytest.raises(Fatal, match="one network for each task, found the ensemble"):
        export_bundle(tmp_path / "all", tmp_path / "bundle")
