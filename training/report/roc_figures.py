"""The paper's figures 3 and 4: receiver operating characteristics of both tasks, from arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ra_node.domain.report import STAGES
from training.evaluation.evaluate import Hands
from training.evaluation.roc import GRID, Curve, curve
from training.experiments.run_summary import Shown
from training.report.plot_style import (
    MARKERS,
    QUIET,
    STAGE_NAMES,
    Drawn,
    captioned,
    key_below,
    line_style,
    sheet,
    unit_square,
)


def recognition_roc(runs: Sequence[Shown], resamples: int, seed: int) -> Drawn:
    """Figure 3: every run on its training and on held-out hands, with bands and operating points."""
    figure = sheet(4.15 + 0.15 * len(runs))
    panels = figure.subplots(1, 2)
    sides = (("a  Training hands", False), ("b  Held-out hands", True))
    for axes, (title, held_out) in zip(panels, sides, strict=True):
        unit_square(axes, "1 - specificity", "Sensitivity")
        axes.set_title(title)
        for k, run in enumerate(runs):
            hands = run.held_out if held_out else run.training
            found = curve(
                hands.stages > 0, hands.disease_order, hands.patients, np.random.default_rng(seed), resamples
            )
            if found and held_out:
                # same interval as in the tables, so that they agree to the last digit
                found = replace(found, auc=run.result.held_out.recognition["auc"])
            _draw(axes, found, k, run.name, faint=len(runs) > 2)
            if held_out:
                _operating_point(axes, hands, k)
        key_below(axes, size=7, gap=0.17)
    caption = (
        "Recognition of disease. Area under the curve with 95 % interval; the band is the 95 % band of the "
        "sensitivity; both resample people. The mark is the operating point, chosen on the training side. "
        f"{_counted(runs)} {runs[0].result.words.caption}"
    )
    return captioned(figure, "figure3-roc-recognition", "ROC of recognition", caption)


def staging_roc(runs: Sequence[Shown], resamples: int, seed: int) -> Drawn:
    """Figure 4: each stage against all others, training above and held-out hands below."""
    several = len(runs) > 1
    figure = sheet(3.0 + 0.24 * len(runs) if several else 3.4)
    panels = figure.subplots(2, len(STAGES), sharey=True)
    for row, held_out in enumerate((False, True)):
        for stage, axes in zip(STAGES, panels[row], strict=True):
            unit_square(axes, "", "")
            axes.set_title(STAGE_NAMES[stage] if row == 0 else "")
            for k, run in enumerate(runs):
                hands = run.held_out if held_out else run.training
                scores = hands.stage_order[:, stage]
                found = curve(
                    hands.stages == stage, scores, hands.patients, np.random.default_rng(seed), resamples
                )
                _draw(axes, found, k, None if several else "", faint=several)
            axes.tick_params(labelbottom=False)
            key_below(axes, size=5 if several else 5.5, lines=several)
        panels[row][0].set_ylabel(f"{('Training', 'Held-out')[row]} hands\nSensitivity")
    if several:
        _name_lines(figure, runs)
    caption = (
        f"Each stage against all others; sensitivity over 1 - specificity, both from 0 to 1. Area under the "
        f"curve with 95 % interval and 95 % band, both over people. {_counted(runs)} "
        f"{runs[0].result.words.caption}"
    )
    return captioned(figure, "figure4-roc-staging", "ROC of staging", caption)


def _draw(axes: Axes, found: Curve | None, k: int, name: str | None, *, faint: bool = False) -> None:
    """Draw a curve and its band; "" breaks the line before its interval, None leaves its name out."""
    if found is None:  # a stage of no hand, or of all
        axes.text(0.5, 0.25, "no curve:\none class", fontsize=5.5, color=QUIET, ha="center", va="center")
        return
    style = line_style(k)
    axes.fill_between(
        GRID, found.low, found.high, color=style["color"], alpha=0.08 if faint else 0.18, linewidth=0
    )
    value, low, high = found.auc
    label = f"{value:.3f} ({low:.3f}-{high:.3f})"
    if name is not None:
        label = f"{name}  {label}" if name else label.replace(" ", "\n")
    axes.plot(found.false_positive, found.true_positive, label=label, **style)


def _name_lines(figure: Figure, runs: Sequence[Shown]) -> None:
    lines = [Line2D([], [], label=run.name, **line_style(k)) for k, run in enumerate(runs)]
    figure.legend(handles=lines, loc="outside upper left", ncols=len(lines), frameon=False, fontsize=7)


def _operating_point(axes: Axes, hands: Hands, k: int) -> None:
    ill = hands.stages > 0
    x, y = float(hands.found[~ill].mean()), float(hands.found[ill].mean())
    axes.plot(x, y, MARKERS[k], color=line_style(k)["color"], markeredgecolor="white", markersize=6, zorder=5)


def _counted(runs: Sequence[Shown]) -> str:
    first = runs[0]
    return (
        f"Training: {len(first.training.stages)} hands of {first.training.people} people; "
        f"held out: {len(first.held_out.stages)} of {first.held_out.people}."
    )


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)
