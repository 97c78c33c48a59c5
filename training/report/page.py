"""Report page that compares evaluated runs with tables 2 and 3 of the paper."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources

from jinja2 import Environment, StrictUndefined

import ra_node
from ra_node.domain.preprocessing import PREPROCESSING_ID
from training.evaluation.metrics import Interval, clopper_pearson, in_words
from training.evaluation.paired import FIGURES
from training.experiments import paper_numbers as paper
from training.experiments.run_summary import Shown
from training.experiments.verdicts import Experiment, Versus, begun_with
from training.report.plot_style import Drawn, svg_of

HEADS = ("AUC", "Accuracy", "Sensitivity", "Specificity", "F1")

MORE = {
    "accuracy": "Six-class accuracy",
    "macro_f1": "Macro F1",
    "quadratic_kappa": "Quadratic weighted kappa",
    "mean_absolute_error": "Mean absolute stage error (stages)",
    "within_one_stage": "Within one stage",
}


CHOSEN_ON = {
    "validation": "validation hands, which no step of training saw",
    "tune": "the training hands themselves, for want of validation hands of every class",
    "out-of-fold": "all hands, each by a network that was not trained on its patient",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure as text, with its interval where there is one."""

    value: str
    interval: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table."""

    name: str
    ours: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its caption."""

    title: str
    heads: tuple[str, ...]
    lines: tuple[Line, ...]
    note: str = ""


def report(runs: Sequence[Shown], figures: Sequence[Drawn], better: Versus | None = None) -> str:
    """Write the page: self-contained HTML.

    `better` adds experiments that were compared with a base on the same hands.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = resources.files("training.report").joinpath("page.html").read_text()
    return environment.from_string(template).render(
        runs=runs,
        tables=[recognition_table(runs), staging_table(runs), clinical_table(runs), calibration_table(runs)],
        warning=runs[0].result.words.warning,
        short=in_short(runs),
        better=better,
        experiments=[] if better is None else [experiment_table(one) for one in better.experiments],
        groups=[group_table(run) for run in runs if run.result.held_out.groups],
        stages=stage_table(runs),
        figures=[(drawn, _picture(drawn)) for drawn in figures],
        citation=paper.CITATION,
        differences=differences(runs),
        preprocessing=PREPROCESSING_ID,
        software=ra_node.__version__,
        recipes=[(run, run.recipe.model_dump_json(indent=2)) for run in runs],
    )


def text_of(table: Table) -> str:
    """The table for a terminal: a line for each row, with the interval behind each figure."""
    rows = [[line.name, *(_in_line(cell) for cell in line.cells)] for line in table.lines]
    rows.insert(0, ["", *table.heads])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join([f"\n{table.title}", *lines, *([table.note] if table.note else [])])


def _in_line(cell: Cell) -> str:
    return f"{cell.value} ({cell.interval})" if cell.interval else cell.value


def recognition_table(runs: Sequence[Shown]) -> Table:
    """The paper's table 2 with ours; its sensitivity and specificity get intervals from its counts."""
    lines: list[Line] = []
    for key, name in paper.NAMES.items():
        printed = [Cell(f"{value:.2f}") for value in paper.RECOGNITION[key]]
        right_ra, right_normal = paper.RECOGNITION_COUNTS[key]
        exact = (clopper_pearson(right_ra, paper.TEST_RA), clopper_pearson(right_normal, paper.TEST_NORMAL))
        printed[2:4] = [
            Cell(cell.value, _span(found)) for cell, found in zip(printed[2:4], exact, strict=True)
        ]
        lines.append(Line(f"{name}, paper", ours=False, cells=tuple(printed)))
        lines += [_ours(run, "recognition", "") for run in runs if run.row == key]
    lines += [_ours(run, "recognition", "") for run in runs if not run.row]
    note = (
        "Percent. Intervals are 95 %: exact for sensitivity and specificity, else by resampling people. The "
        "paper prints none; those in its rows are exact ones of the whole counts that its figures follow "
        f"from ({paper.TEST_RA} RA and {paper.TEST_NORMAL} normal hands)."
    )
    return Table("Recognition: normal or RA (the paper's table 2)", HEADS, tuple(lines), note)


def staging_table(runs: Sequence[Shown]) -> Table:
    """The paper's table 3 with our one-vs-rest averages."""
    lines: list[Line] = []
    for key, name in paper.NAMES.items():
        cells = tuple(Cell(f"{value:.2f}") for value in paper.STAGING[key])
        lines.append(Line(f"{name}, paper", ours=False, cells=cells))
        lines += [_ours(run, "staging", "one_vs_rest_") for run in runs if run.row == key]
    lines += [_ours(run, "staging", "one_vs_rest_") for run in runs if not run.row]
    note = (
        "Percent, averaged over six decisions of one class against the rest, each at the threshold of "
        "Youden's J on the training side. The paper does not say how its averages were made; that its "
        "accuracy lies between sensitivity and specificity in every row tells of such averages."
    )
    return Table("Staging, one class against the rest (the paper's table 3)", HEADS, tuple(lines), note)


def clinical_table(runs: Sequence[Shown]) -> Table:
    """Six-class figures, which the paper does not have."""
    lines = tuple(
        Line(run.name, ours=True, cells=tuple(_plain(run.result.held_out.staging[key]) for key in MORE))
        for run in runs
    )
    return Table("Staging, six classes (not in the paper)", tuple(MORE.values()), lines)


def calibration_table(runs: Sequence[Shown]) -> Table:
    """Temperatures, operating points and errors of calibration."""
    heads = (
        "Recognition: temperature",
        "ECE before",
        "ECE after",
        "Operating point",
        "Staging: temperature",
        "ECE before",
        "ECE after",
    )
    return Table(
        "Calibration and operating point, chosen on the training side",
        heads,
        tuple(Line(run.name, ours=True, cells=_calibration(run)) for run in runs),
        "ECE, expected calibration error on held-out hands, ten equal bins; after the temperature with its "
        "95 % interval over people, which resampling makes lie rather high.",
    )


def _calibration(run: Shown) -> tuple[Cell, ...]:
    chosen, found = run.calibration, run.result.held_out
    asked = chosen.sensitivity_asked
    why = "Youden's J" if asked is None else f"for {100 * asked:.0f} % sensitivity"
    raw, calm = found.raw_calibration_error, found.calibration_error
    return (
        Cell(f"{chosen.recognition_temperature:.2f}"),
        Cell(_known(raw.get("recognition"))),
        Cell(_known(calm["recognition"]), _between(found.calibration_interval.get("recognition"))),
        Cell(f"{chosen.threshold:.3f}", why),
        Cell(f"{chosen.staging_temperature:.2f}"),
        Cell(_known(raw.get("staging"))),
        Cell(_known(calm["staging"]), _between(found.calibration_interval.get("staging"))),
    )


def stage_table(runs: Sequence[Shown]) -> Table:
    """Sensitivity of each stage."""
    heads = ("Normal", "Stage 1", "Stage 2", "Stage 3", "Stage 4", "Stage 5")
    lines = tuple(
        Line(run.name, ours=True, cells=tuple(map(_percent, run.result.held_out.stage_sensitivity)))
        for run in runs
    )
    return Table("Share of each stage classified correctly", heads, lines, "Percent, exact 95 % intervals.")


def group_table(run: Shown) -> Table:
    """Figures by side, sex, age band and site."""
    lines = tuple(
        Line(
            f"{title}: {found.hands} hands, {found.patients} people",
            ours=False,
            cells=tuple(map(_percent, (found.sensitivity, found.specificity, found.within_one_stage))),
        )
        for title, found in run.result.held_out.groups.items()
    )
    heads = ("Sensitivity", "Specificity", "Within one stage")
    return Table(f"By group, {run.name}", heads, lines, "Percent, exact 95 % intervals.")


def in_short(runs: Sequence[Shown]) -> list[str]:
    """Summary of the tables."""
    seeing = max(runs, key=lambda run: run.result.held_out.recognition["auc"][0])
    grading = max(runs, key=lambda run: run.result.held_out.staging["quadratic_kappa"][0])
    held = runs[0].result.held_out
    area, kappa = (
        seeing.result.held_out.recognition["auc"],
        grading.result.held_out.staging["quadratic_kappa"],
    )
    near = grading.result.held_out.staging["within_one_stage"]
    best = "the highest of these" if len(runs) > 1 else "the only one"
    hands = (
        f"Measured on {_held_out(runs[0])}; with {held.hands} hands most intervals are wide, and whether two "
        "networks differ is a question of their paired difference, not of two intervals."
    )
    recognition = (
        f"Recognition, normal or RA: AUC {area[0]:.3f} ({area[1]:.3f} to {area[2]:.3f}) with "
        f"{seeing.name}, {best}."
    )
    staging = (
        f"Staging: quadratic weighted kappa {kappa[0]:.3f} ({kappa[1]:.3f} to {kappa[2]:.3f}) with "
        f"{grading.name}, {best}; {_percent(near).value} % of hands within one stage "
        f"({_percent(near).interval})."
    )
    return [hands, recognition, staging]


def experiment_table(found: Experiment) -> Table:
    """One experiment beside the base, figure by figure."""
    lines = tuple(
        Line(
            FIGURES[one.figure],
            ours=one.excludes_zero,
            cells=(
                Cell(f"{one.base:.3f}"),
                Cell(f"{one.other:.3f}"),
                Cell(f"{one.difference[0]:+.3f}", f"{one.difference[1]:+.3f} to {one.difference[2]:+.3f}"),
                Cell(one.verdict),
            ),
        )
        for one in found.differences
    )
    heads = ("Base", "Experiment", "Difference", "In words")
    return Table(found.name, heads, lines, f"Changed: {found.changed}.")


def differences(runs: Sequence[Shown]) -> list[tuple[str, str, str]]:
    """What differs between the paper and these runs: subject, theirs, ours."""
    weights = "lr 1e-5 on 240 images implies ImageNet weights; the paper does not say"
    return [
        (
            "Hands",
            "344 hands of a hospital's patients, private",
            _each(runs, _hands),
        ),
        (
            "Held-out hands",
            f"{sum(paper.TEST_HANDS)}, of them {paper.TEST_NORMAL} normal",
            _each(runs, _held_out),
        ),
        ("Weights at the start", weights, _each(runs, begun_with)),
        (
            "Training",
            "AdamW, lr 1e-5, weight decay 1e-2, batch 64",
            _each(runs, _training),
        ),
        ("Epochs", f"{paper.EPOCHS}", _each(runs, _epochs)),
        (
            "Intervals",
            "none printed",
            "95 % beside each figure; several hands of one person count for less than as many people",
        ),
        (
            "Thresholds",
            "not stated",
            _each(runs, _thresholds),
        ),
        (
            "Hand detection",
            "not stated",
            "the node's own, with its refusals; crops are those that the node makes",
        ),
    ]


def _each(runs: Sequence[Shown], say: Callable[[Shown], str]) -> str:
    """One text for all runs where they agree, else run by run."""
    said = [say(run) for run in runs]
    if len(set(said)) == 1:
        return said[0]
    return "; ".join(f"{run.name}: {text}" for run, text in zip(runs, said, strict=True))


def _hands(run: Shown) -> str:
    dataset = ", ".join(f"{key} {value[:12]}" for key, value in run.result.dataset.items())
    return f"{run.result.words.hands}{f' ({dataset})' if dataset else ''}"


def _held_out(run: Shown) -> str:
    found = run.result.held_out
    normal = sum(found.confusion[0])
    return f"{found.hands} of {found.patients} people, {normal} of them normal"


def _thresholds(run: Shown) -> str:
    chosen = run.calibration
    asked = chosen.sensitivity_asked
    why = "by Youden's J" if asked is None else f"for a sensitivity of {100 * asked:.0f} % in recognition"
    own, staging = chosen.chosen_on, chosen.staging_chosen_on or chosen.chosen_on
    if own == staging:
        return f"chosen on {CHOSEN_ON[own]}, {why}"
    return f"recognition chosen on {CHOSEN_ON[own]}, staging on {CHOSEN_ON[staging]}, {why}"


def _training(run: Shown) -> str:
    parts = (("staging", run.recipe.staging), ("recognition", run.recipe.recognition))
    return ", ".join(
        f"{task} lr {part.learning_rate:g}, decay {part.weight_decay:g}, batch {part.batch}"
        for task, part in parts
    )


def _epochs(run: Shown) -> str:
    """Epochs of a run, with a remark where they are fewer than in the paper."""
    staging, recognition = run.recipe.staging.epochs, run.recipe.recognition.epochs
    said = f"{staging:g}" if staging == recognition else f"staging {staging:g}, recognition {recognition:g}"
    fewer = min(staging, recognition) < paper.EPOCHS
    return f"{said}, fewer than in the paper: longer training may give better figures" if fewer else said


def _ours(run: Shown, task: str, prefix: str) -> Line:
    figures: dict[str, Interval] = getattr(run.result.held_out, task)
    cells = tuple(_percent(figures[f"{prefix}{key}"]) for key in paper.COLUMNS)
    return Line(f"{run.name}, ours, {run.result.words.short}", ours=True, cells=cells)


def _percent(found: Interval) -> Cell:
    return Cell(f"{100 * found[0]:.2f}", _span(found)) if math.isfinite(found[0]) else Cell("none")


def _plain(found: Interval) -> Cell:
    return Cell(f"{found[0]:.3f}", in_words(found)) if math.isfinite(found[0]) else Cell("none")


def _span(found: Interval) -> str:
    return in_words(found, 1, 100)


def _known(value: float | None) -> str:
    return "not kept" if value is None else f"{value:.3f}"


def _between(found: tuple[float, float] | None) -> str:
    return "" if found is None else in_words((0.0, *found))


def _picture(drawn: Drawn) -> str:
    """The SVG as data URI."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg_of(drawn).encode()).decode()}"
