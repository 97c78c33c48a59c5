"""From weights to figures and report by the commands alone."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from typer.testing import CliRunner

from ra_node.inference.networks.architectures import build
from tests.training.evaluated_runs import write_run
from tests.training.recipe_builders import small_recipe
from tests.training.test_main import write_crops
from training.__main__ import app
from training.classifier.loop import save_half
from training.evaluation.evaluate import weights_path
from training.evaluation.task_calibration import CLASSES


def called(*words: object) -> str:
    found = CliRunner().invoke(app, [str(word) for word in words])
    assert found.exit_code == 0, found.output
    return found.output


def trained(run: Path) -> Path:
    """A run whose networks learnt nothing, with crops of every split."""
    run.mkdir()
    write_crops(run)
    (run / "recipe.json").write_text(small_recipe().model_dump_json())
    torch.manual_seed(0)
    for task, classes in CLASSES.items():
        save_half(build("googlenet", classes), weights_path(run, task))
    return run


def test_evaluate_keeps_what_figures_and_report_show(tmp_path: Path) -> None:
    run, people = trained(tmp_path / "run"), tmp_path / "people.csv"
    people.write_text("patient,site\n" + "".join(f"held-out {k} 0,north\n" for k in range(6)))
    evaluate = ("evaluate", "--run", run, "--device", "cpu", "--resamples", 10, "--people", people)
    assert "evaluated 111 of 111 hands" in called(*evaluate)
    assert "evaluated 111" not in called(*evaluate, "--sensitivity", 1.0)
    calibration = json.loads((run / "calibration.json").read_text())
    assert (calibration["sensitivity_asked"], calibration["chosen_on"]) == (1.0, "cross-fitted")
    groups = json.loads((run / "evaluation.json").read_text())["held_out"]["groups"]
    assert {title: held["hands"] for title, held in groups.items()} == {"site north": 6, "site unknown": 12}
    called("report", "--run", run, "--out", tmp_path / "new" / "report.html", "--resamples", 3)
    assert "site north" in (tmp_path / "new" / "report.html").read_text()


def test_figures_are_written_as_svg_and_png(tmp_path: Path) -> None:
    out = tmp_path / "figures"
    said = called("figures", "--run", write_run(tmp_path / "run"), "--out", out, "--resamples", 3)
    written = sorted(out.iterdir())
    assert sorted(said.split()) == [str(path) for path in written]
    assert [path.suffix for path in written] == [".png", ".svg"] * 6
