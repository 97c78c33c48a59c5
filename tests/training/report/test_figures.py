"""Figures show the numbers of their run, say that the lesions are simulated, and are the same each time."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from tests.training.evaluated_runs import write_run
from training.evaluation.metrics import confusion
from training.experiments.run_summary import Shown, read_shown
from training.report.figures import all_figures, confusions, losses
from training.report.plot_style import OKABE_ITO, STAGE_COLOURS, STYLE, Drawn, save, svg_of
from training.report.roc_figures import recognition_roc, staging_roc

NAMES = [
    "figure2-confusion",
    "figure3-roc-recognition",
    "figure4-roc-staging",
    "figure5-tsne",
    "figure6-loss",
    "figure7-reliability",
]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> list[Shown]:
    return read_shown([write_run(tmp_path_factory.mktemp("runs") / "one")])


@pytest.fixture(scope="module")
def drawn(shown: list[Shown]) -> list[Drawn]:
    return all_figures(shown, resamples=5)


def words(drawn: Drawn) -> list[str]:
    return [text for axes in drawn.figure.axes for text in words_of(axes)]


def words_of(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_a_run_has_the_papers_figures_2_to_6_and_a_reliability_diagram(drawn: list[Drawn]) -> None:
    assert [one.name for one in drawn] == NAMES


def test_every_figure_says_in_its_own_picture_that_lesions_are_simulated(drawn: list[Drawn]) -> None:
    for one in drawn:
        label = one.figure.get_supxlabel()
        assert "Simulated lesions" in label.replace("\n", " ")
        assert "Simulated lesions" in one.caption


def test_the_confusion_matrix_prints_the_counts_and_row_shares(shown: list[Shown]) -> None:
    hands = shown[0].held_out
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        found = words(confusions(shown[0]))
    table = confusion(hands.stages, hands.called, 6)
    shares = np.round(100 * table / table.sum(axis=1, keepdims=True)).astype(int)
    printed = [text for count, share in zip(table.flat, shares.flat, strict=True) for text in (count, share)]
    assert found[-72:] == [f"{v} %" if k % 2 else str(v) for k, v in enumerate(printed)]


def test_roc_legends_hold_the_areas_with_their_intervals(drawn: list[Drawn], shown: list[Shown]) -> None:
    axes = drawn[1].figure.axes[1]
    text = axes.get_legend().get_texts()[0].get_text()
    value, low, high = shown[0].result.held_out.recognition["auc"]
    assert text == f"GoogLeNet  {value:.3f} ({low:.3f}-{high:.3f})"


@pytest.mark.parametrize("runs", [1, 5])
def test_no_legend_lies_on_a_curve(shown: list[Shown], runs: int) -> None:
    """However many networks there are: legends stand outside of the axes."""
    many = [replace(shown[0], name=f"Network {k}") for k in range(runs)]
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figures = [recognition_roc(many, 2, 0), staging_roc(many, 2, 0), losses(many)]
    for one in figures:
        one.figure.draw_without_rendering()
        for axes in one.figure.axes:
            legend, inside = axes.get_legend(), axes.get_window_extent()
            assert legend is not None
            assert not legend.get_window_extent().overlaps(inside)


def test_a_stage_without_hands_has_a_panel_that_says_so(shown: list[Shown]) -> None:
    """And no warning of an empty legend."""
    run = shown[0]
    few = replace(run.held_out, stages=np.minimum(run.held_out.stages, 4))
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        one = staging_roc([replace(run, held_out=few)], 2, 0)
    assert [text for axes in one.figure.axes for text in words_of(axes)] == ["no curve:\none class"]


def test_a_cross_validation_has_no_map_of_features(shown: list[Shown]) -> None:
    """Each fold is a network of its own, with axes of its own."""
    empty = {task: held[:, :0] for task, held in shown[0].features.items()}
    names = [one.name for one in all_figures([replace(shown[0], features=empty)], resamples=2)]
    assert names == [name for name in NAMES if "tsne" not in name]


def test_a_saved_figure_is_svg_and_png_and_the_same_each_time(drawn: list[Drawn], tmp_path: Path) -> None:
    vector, pixels = save(drawn[4], tmp_path)
    assert ET.parse(vector).getroot().tag.endswith("svg")
    with Image.open(pixels) as picture:
        assert picture.width > 1800
    assert vector.read_text() == svg_of(drawn[4])


def test_several_runs_share_curves_and_have_their_own_matrices(shown: list[Shown], tmp_path: Path) -> None:
    runs = [*shown, *read_shown([write_run(tmp_path / "two", "alexnet", seed=1)])]
    names = [one.name for one in all_figures(runs, resamples=3)]
    assert names.count("figure3-roc-recognition") == 1
    assert {"figure2-confusion-1", "figure2-confusion-2"} <= set(names)


def luminance(colour: str) -> float:
    red, green, blue = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    return 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2


def test_stages_keep_their_order_in_grey() -> None:
    shades = [luminance(colour) for colour in STAGE_COLOURS]
    assert shades == sorted(shades)
    assert min(np.diff(shades)) > 0.02
    assert len(set(OKABE_ITO)) == 6
