"""Experiments are set against a base in words, on a terminal and in the report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ra_node.errors import Fatal
from tests.training.evaluated_runs import write_run
from tests.training.recipe_builders import small_recipe
from training.__main__ import app
from training.evaluation.paired import FIGURES
from training.experiments.run_summary import read_shown
from training.experiments.verdicts import changes, lines_of, versus
from training.report.page import report


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "base")
    write_run(folder / "twin")
    write_run(folder / "other", "alexnet", seed=1)
    return folder


def called(*words: object) -> tuple[int, str]:
    found = CliRunner().invoke(app, [str(word) for word in words])
    return found.exit_code, found.output + str(found.exception or "")


def test_the_command_prints_every_figure_with_its_interval_and_what_changed(folder: Path) -> None:
    code, said = called("versus", folder / "base", folder / "twin", folder / "other", "--resamples", 20)
    assert code == 0, said
    assert all(said.count(name) == 2 for name in FIGURES.values())
    assert "architecture alexnet instead of googlenet" in said
    assert said.count("+0.000 (+0.000 to +0.000)  undecided: the interval holds zero") == 6
    assert "48 held-out hands of 8 people" in said


def test_the_report_holds_the_comparison_and_shades_what_excludes_zero(folder: Path) -> None:
    shown = read_shown([folder / "base", folder / "other"])
    found = versus(shown[0], shown[1:], resamples=20)
    page = report(shown, [], found)
    assert "Better than the paper's recipe?" in page
    assert "architecture alexnet instead of googlenet" in page
    sure = sum(one.excludes_zero for one in found.experiments[0].differences)
    assert page.count('class="ours"') - report(shown, []).count('class="ours"') == sure


def test_other_pictures_of_the_same_patients_are_refused(folder: Path) -> None:
    """Another simulation would make some hands easier; a hash of the pictures tells."""
    base, twin = read_shown([folder / "base", folder / "twin"])
    with pytest.raises(Fatal, match=r"hash hhhhhhhhhhhh\) in .*twin, found others .*hash xxxxxxxxxxxx"):
        versus(base, [replace(twin, held_out_key="x" * 64)])


def test_pictures_of_another_size_count_as_the_same_only_by_the_same_recipe(folder: Path) -> None:
    base, twin = read_shown([folder / "base", folder / "twin"])
    larger = small_recipe().model_copy(update={"side_px": 320})
    sharper = replace(twin, recipe=larger, held_out_key="x" * 64)
    assert changes(base, sharper) == "side_px 320 instead of 64"
    assert versus(base, [sharper], resamples=5).experiments[0].changed == "side_px 320 instead of 64"
    with pytest.raises(Fatal, match="found others of the same patients"):
        versus(base, [replace(sharper, recipe=larger.model_copy(update={"seed": 7}))])


def test_nothing_to_compare_is_said(folder: Path) -> None:
    (base,) = read_shown([folder / "base"])
    with pytest.raises(Fatal, match="expected one run or more beside the base"):
        versus(base, [])
    assert lines_of(versus(base, [base], resamples=2))[2].endswith(": nothing in the recipe")


def test_a_base_without_experiments_is_refused(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    code, said = called("report", "--run", folder / "base", "--base", folder / "base", "--out", page)
    assert code == 1
    assert "both --base and --experiment" in said
    assert not page.exists()
