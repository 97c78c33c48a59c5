"""The paper's figures 2 to 6 and a reliability diagram, from arrays; nothing is read or written here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from numpy.typing import NDArray
from sklearn.manifold import TSNE

from ra_node.domain.report import STAGES
from training.evaluation.calibration import Bin, claims, expected_calibration_error, reliability
from training.evaluation.evaluate import Hands
from training.evaluation.metrics import confusion
from training.experiments.run_summary import Shown
from training.report.plot_style import (
    INK,
    MARKERS,
    OKABE_ITO,
    QUIET,
    RULE,
    SHADES,
    STAGE_COLOURS,
    STAGE_NAMES,
    STYLE,
    Drawn,
    captioned,
    key_below,
    line_style,
    sheet,
    unit_square,
)
from training.report.roc_figures import recognition_roc, staging_roc

Tables = NDArray[np.int64]


def all_figures(runs: Sequence[Shown], resamples: int = 300, seed: int = 0) -> list[Drawn]:
    """Every figure of some runs; figures of a single run have its number in their names."""
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]  # its keys are literals
        own = [
            figure
            for k, run in enumerate(runs, start=1)
            for figure in _own(run, f"-{k}" if len(runs) > 1 else "", seed)
        ]
        shared = [
            recognition_roc(runs, resamples, seed),
            staging_roc(runs, resamples, seed),
            *([losses(runs)] if any(run.losses for run in runs) else []),
        ]
    return sorted([*own, *shared], key=lambda drawn: drawn.name)


def _own(run: Shown, suffix: str, seed: int) -> list[Drawn]:
    # The folds of a cross-validation are networks of their own: their features share no axes.
    known = all(held.shape[1] for held in run.features.values())
    return [
        confusions(run, suffix),
        *([representations(run, suffix, seed)] if known else []),
        calibrations(run, suffix),
    ]


def confusions(run: Shown, suffix: str = "") -> Drawn:
    """Figure 2: counts and shares of each row, recognition at its operating point and six stages."""
    hands, name = run.held_out, run.name
    ill = (hands.stages > 0).astype(np.int64)
    two, six = (
        confusion(ill, hands.found.astype(np.int64), 2),
        confusion(hands.stages, hands.called, len(STAGES)),
    )
    figure = sheet(3.7)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.45))
    _confusion(left, two, ("Normal", "RA"), f"a  Recognition, {name}", 9)
    _confusion(right, six, ("N", *map(str, STAGES[1:])), f"b  Staging, {name}", 7.5)
    caption = (
        f"Truth by row, prediction by column: hands, and their share of the row; the shade is that share. "
        f"{len(hands.stages)} held-out hands of {hands.people} people. N, normal. {run.result.words.caption}"
    )
    return captioned(figure, f"figure2-confusion{suffix}", f"Confusion matrices, {name}", caption)


def _confusion(axes: Axes, table: Tables, names: Sequence[str], title: str, size: float) -> None:
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap=SHADES, vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(table):
        share = shares[row, column]
        colour = "white" if share > 0.66 else INK if count else QUIET
        for text, points, points_up in (
            (str(count), size, 0.45 * size),
            (f"{100 * share:.0f} %", max(5.5, 0.72 * size), -0.75 * size),
        ):
            axes.annotate(
                *(text, (column, row), (0, points_up)),
                textcoords="offset points",
                ha="center",
                va="center",
                color=colour,
                fontsize=points,
            )
    axes.set(title=title, xlabel="Called", ylabel="Truth")
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set_xticks(np.arange(len(names) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(names) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    for spine in axes.spines.values():
        spine.set(visible=True, color=RULE)


def representations(run: Shown, suffix: str, seed: int) -> Drawn:
    """Figure 5: t-SNE of what enters the last layer of both networks."""
    figure = sheet(4.0)
    left, right = figure.subplots(1, 2)
    hands = run.held_out
    ill = (hands.stages > 0).astype(np.int64)
    two = ((OKABE_ITO[0], "Normal"), (OKABE_ITO[4], "RA"))
    six = tuple(zip(STAGE_COLOURS, STAGE_NAMES, strict=True))
    _scatter(left, _placed(run.features["recognition"], seed), ill, two, f"a  Recognition, {run.name}")
    _scatter(right, _placed(run.features["staging"], seed), hands.stages, six, f"b  Staging, {run.name}")
    caption = (
        f"t-SNE of the penultimate layer on {len(hands.stages)} held-out hands of {hands.people} people; "
        "numbers stand at the median of their stage. Distances between groups and their sizes mean nothing. "
        f"{run.result.words.caption}"
    )
    return captioned(figure, f"figure5-tsne{suffix}", f"Representations, {run.name}", caption)


FEWEST_PLACED = 4
"""Hands for which t-SNE has a meaning; fewer are shown by their first two features."""


def _placed(features: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
    spread = features - features.mean(axis=0)
    if len(features) < FEWEST_PLACED:
        return np.asarray(spread[:, :2], np.float64)
    perplexity = min(30.0, (len(features) - 1) / 3)
    found = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(spread)
    return np.asarray(found, np.float64)


def _scatter(
    axes: Axes,
    places: NDArray[np.float64],
    labels: NDArray[np.int64],
    classes: Sequence[tuple[str, str]],
    title: str,
) -> None:
    for k, (colour, name) in enumerate(classes):
        x, y = places[labels == k].T
        axes.scatter(
            x, y, s=13, marker=MARKERS[k], color=colour, edgecolor="white", linewidth=0.3, label=name
        )
    for k, (_, name) in enumerate(classes):
        if (labels == k).any():
            _name_in_place(axes, np.median(places[labels == k], axis=0), name.removeprefix("Stage "))
    axes.set(title=title, xticks=[], yticks=[], aspect="equal", adjustable="datalim")
    for spine in axes.spines.values():
        spine.set(visible=True, color=RULE)
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=6, fontsize=6.5, frameon=False,
        handletextpad=0.05, columnspacing=0.7,
    )  # fmt: skip


def _name_in_place(axes: Axes, place: NDArray[np.float64], name: str) -> None:
    halo = patheffects.withStroke(linewidth=2.2, foreground="white")
    x, y = map(float, place)
    label = axes.text(x, y, name, fontsize=8.5, fontweight="bold", ha="center", va="center", zorder=5)
    label.set_path_effects([halo])


def losses(runs: Sequence[Shown]) -> Drawn:
    """Figure 6: the training loss of both tasks."""
    figure = sheet(3.0 + 0.13 * len(runs))
    panels = figure.subplots(1, 2)
    titles = {"recognition": "a  Recognition", "staging": "b  Staging"}
    for axes, (task, title) in zip(panels, titles.items(), strict=True):
        for k, run in enumerate(runs):
            if run.losses.get(task):
                x, y = np.array(run.losses[task]).T
                axes.plot(x, y, label=run.name, **line_style(k))
        unit = next((run.loss_unit for run in runs if run.losses), "epoch")
        axes.set(title=title, xlabel=unit.capitalize(), ylabel="Training loss (cross-entropy)")
        axes.set_ylim(bottom=0)
        axes.margins(x=0.01)
        key_below(axes, size=7, gap=0.2)
    begun = "A run that starts from earlier weights begins low. " if any(run.started for run in runs) else ""
    caption = f"Loss on the training hands, augmented. {begun}{runs[0].result.words.caption}"
    return captioned(figure, "figure6-loss", "Training loss", caption)


def calibrations(run: Shown, suffix: str) -> Drawn:
    """Reliability diagram of both tasks, with and without temperature."""
    figure = sheet(4.6)
    panels = figure.subplots(2, 2, height_ratios=(4, 1), sharex="col")
    ill = (run.held_out.stages > 0).astype(np.int64)
    tasks = (
        ("a  Recognition", _both(run.held_out), _both(run.held_out_raw), ill),
        ("b  Staging", run.held_out.staged, run.held_out_raw.staged, run.held_out.stages),
    )
    labels = ("Probability of RA", "Confidence in the likeliest stage")
    for k, (title, calm, raw, truth) in enumerate(tasks):
        _reliability(panels[0][k], calm, raw, truth, run.held_out.patients)
        panels[0][k].set(
            title=f"{title}, {run.name}", ylabel=("Share with RA", "Share classified correctly")[k]
        )
        _hands_below(panels[1][k], reliability(*claims(calm, truth)), labels[k])
        named = panels[0][k].get_legend_handles_labels()
        panels[1][k].legend(
            *named, loc="upper center", bbox_to_anchor=(0.5, -0.5), ncols=2, fontsize=6.5, frameon=False
        )
    caption = (
        "Predicted probability against observed frequency, in ten equal bins with exact 95 % intervals; "
        "below, the number of hands in each bin. Open grey marks are the networks before the temperature, "
        f"chosen on the training side. ECE, expected calibration error. {run.result.words.caption}"
    )
    drawn = captioned(figure, f"figure7-reliability{suffix}", f"Reliability, {run.name}", caption)
    for above, below in panels.T:
        square, strip = above.get_position(), below.get_position()
        below.set_position((square.x0, strip.y0, square.width, strip.height))
    return drawn


def _reliability(
    axes: Axes,
    calm: NDArray[np.float64],
    raw: NDArray[np.float64],
    truth: NDArray[np.int64],
    patients: NDArray[np.str_],
) -> None:
    unit_square(axes, "", "")
    before, after = reliability(*claims(raw, truth)), reliability(*claims(calm, truth), patients)
    x, y = [one.claimed for one in before], [one.held[0] for one in before]
    told = f"before, ECE {expected_calibration_error(raw, truth):.3f}"
    axes.plot(
        x, y, ":", linewidth=1, marker="o", markerfacecolor="white", color=QUIET, markersize=4, label=told
    )
    x, y = [one.claimed for one in after], [one.held[0] for one in after]
    reach = np.array([(one.held[0] - one.held[1], one.held[2] - one.held[0]) for one in after]).T
    told = f"with temperature, ECE {expected_calibration_error(calm, truth):.3f}"
    style: dict[str, Any] = {"capsize": 1.5, "elinewidth": 0.9, "markersize": 5}
    axes.errorbar(x, y, np.maximum(reach, 0), fmt="o", color=OKABE_ITO[0], label=told, **style)


def _hands_below(axes: Axes, bins: Sequence[Bin], label: str) -> None:
    places = [min(int(one.claimed * 10), 9) / 10 + 0.05 for one in bins]
    axes.bar(places, [one.hands for one in bins], width=0.09, color=OKABE_ITO[0], alpha=0.55)
    for place, one in zip(places, bins, strict=True):
        axes.annotate(
            str(one.hands), (place, one.hands), (0, 1), textcoords="offset points", ha="center", fontsize=5.5
        )
    axes.set(xlabel=label, ylabel="Hands", ylim=(0, 1.25 * max(one.hands for one in bins)), yticks=[])


def _both(hands: Hands) -> NDArray[np.float64]:
    return np.stack([1 - hands.diseased, hands.diseased], axis=1)
