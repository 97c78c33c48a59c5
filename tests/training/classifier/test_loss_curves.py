"""Losses are read from either log."""

from __future__ import annotations

import json
from pathlib import Path

from training.classifier.loss_curves import read_losses


def test_lines_of_steps_become_shares_of_the_training(tmp_path: Path) -> None:
    lines = [{"task": "staging", "step": k, "steps": 4, "loss": 4.0 - k} for k in (2, 4)]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_losses(tmp_path) == ({"staging": [(50.0, 2.0), (100.0, 0.0)]}, "training done (%)")


def test_rows_of_epochs_are_read_first(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("")
    (tmp_path / "log.csv").write_text("task,epoch,loss\nstaging,1,1.5\nrecognition,1,0.5\nstaging,2,1\n")
    curves, unit = read_losses(tmp_path)
    assert unit == "epoch"
    assert curves == {"staging": [(1.0, 1.5), (2.0, 1.0)], "recognition": [(1.0, 0.5)]}


def test_a_run_without_a_log_has_no_losses(tmp_path: Path) -> None:
    assert read_losses(tmp_path)[0] == {}
