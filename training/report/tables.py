"""The tables of the report, row by row in print: the paper's with ours, and those that it has not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ra_node.domain.report import STAGES
from training.evaluation.calibration import offsets_in_words
from training.evaluation.metrics import Interval, clopper_pearson, in_words
from training.evaluation.paired import FIGURES
from training.experiments import paper_numbers as paper
from training.experiments.run_summary import Shown
from training.experiments.verdicts import Experiment

HEADS = ("AUC", "Accuracy", "Sensitivity", "Specificity", "F1")

MORE = {
    "accuracy": "Six-class accuracy",
    "macro_f1": "Macro F1",
    "quadratic_kappa": "Quadratic weighted kappa",
    "mean_absolute_error": "Mean absolute stage error (stages)",
    "within_one_stage": "Within one stage",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure in print, with its interval where there is one."""

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
    """What a clinician expects of six stages; the paper has no such figures."""
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
        Cell(f"{chosen.recognition.temperature:.2f}", offsets_in_words(chosen.recognition)),
        Cell(_known(raw.get("recognition"))),
        Cell(_known(calm["recognition"]), _between(found.calibration_interval.get("recognition"))),
        Cell(f"{chosen.threshold:.3f}", why),
        Cell(f"{chosen.staging.temperature:.2f}", offsets_in_words(chosen.staging)),
        Cell(_known(raw.get("staging"))),
        Cell(_known(calm["staging"]), _between(found.calibration_interval.get("staging"))),
    )


def people(count: int) -> str:
    """A number of people in words."""
    return "1 person" if count == 1 else f"{count} people"


def cohort_tables(runs: Sequence[Shown]) -> list[Table]:
    """Hands by stage and the people they are of; one table where all runs have the same."""
    tables = [cohort_table(run) for run in runs]
    same = all(table.lines == tables[0].lines for table in tables)
    return [replace(tables[0], title="Hands and people")] if same else tables


def cohort_table(run: Shown) -> Table:
    """Hands and patients by stage, side by side, because they are easily confused."""
    names = ("Training", "Held out" if not run.result.folds else "Out of fold (the same hands)")
    lines = []
    for name, hands in zip(names, (run.training, run.held_out), strict=True):
        stages = [int((hands.stages == stage).sum()) for stage in STAGES]
        ill = len(np.unique(hands.patients[hands.stages > 0]))
        cells = (len(hands.stages), hands.people, ill, *stages)
        lines.append(Line(name, ours=False, cells=tuple(Cell(str(cell)) for cell in cells)))
    heads = (
        "Hands",
        "People",
        "People with RA in a hand",
        "Hands: normal",
        *(f"stage {k}" for k in STAGES[1:]),
    )
    return Table(f"Hands and people, {run.name}", heads, tuple(lines))


def readers_table(runs: Sequence[Shown]) -> Table:
    """Agreement of the readers of the dataset, and of each run with their labels."""
    lines = [
        Line(
            f"Two readers, {one.what}",
            ours=False,
            cells=(
                Cell(str(one.count)),
                Cell(f"{100 * one.equal / one.count:.1f}"),
                _plain(one.kappa),
                _plain(one.quadratic),
            ),
        )
        for one in runs[0].result.readers
    ]
    for run in runs:
        staging = run.result.held_out.staging
        share = staging["accuracy"]
        cells = (
            Cell(str(run.result.held_out.hands)),
            percent(share),
            Cell(""),
            _plain(staging["quadratic_kappa"]),
        )
        lines.append(Line(f"{run.name} and the label, hands", ours=True, cells=cells))
    note = (
        "Readers: all labels of the dataset, before any consensus. Runs: held-out hands against the "
        "label that counts. Where readers differ, no network can be shown to be right."
    )
    heads = ("Count", "Alike, percent", "Kappa", "Quadratic weighted kappa")
    return Table("Readers and networks", heads, tuple(lines), note)


def stage_table(runs: Sequence[Shown]) -> Table:
    """Share of correct predictions (recall) of each stage."""
    heads = ("Normal", "Stage 1", "Stage 2", "Stage 3", "Stage 4", "Stage 5")
    lines = tuple(
        Line(run.name, ours=True, cells=tuple(map(percent, run.result.held_out.stage_sensitivity)))
        for run in runs
    )
    return Table("Share of each stage classified correctly", heads, lines, "Percent, exact 95 % intervals.")


def group_table(run: Shown) -> Table:
    """Figures by side, sex, age band and site."""
    lines = tuple(
        Line(
            f"{title}: {found.hands} hands, {people(found.patients)}",
            ours=False,
            cells=tuple(map(percent, (found.sensitivity, found.specificity, found.within_one_stage))),
        )
        for title, found in run.result.held_out.groups.items()
    )
    heads = ("Sensitivity", "Specificity", "Within one stage")
    return Table(f"By group, {run.name}", heads, lines, "Percent, exact 95 % intervals.")


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


def _ours(run: Shown, task: str, prefix: str) -> Line:
    figures: dict[str, Interval] = getattr(run.result.held_out, task)
    cells = tuple(percent(figures[f"{prefix}{key}"]) for key in paper.COLUMNS)
    return Line(f"{run.name}, ours, {run.result.words.short}", ours=True, cells=cells)


def percent(found: Interval) -> Cell:
    """A share in percent, with its interval."""
    return Cell(f"{100 * found[0]:.2f}", _span(found)) if math.isfinite(found[0]) else Cell("none")


def _plain(found: Interval) -> Cell:
    return Cell(f"{found[0]:.3f}", in_words(found)) if math.isfinite(found[0]) else Cell("none")


def _span(found: Interval) -> str:
    return in_words(found, 1, 100)


def _known(value: float | None) -> str:
    return "not kept" if value is None else f"{value:.3f}"


def _between(found: tuple[float, float] | None) -> str:
    return "" if found is None else in_words((0.0, *found))
