"""The report's table of likelihood ratios and predictive values."""

from __future__ import annotations

from collections.abc import Sequence

from training.evaluation.metrics import in_words
from training.evaluation.predictive_values import PREVALENCES, likelihood_ratios, predictive_values
from training.experiments.run_summary import Shown
from training.report.tables import Cell, Line, Table


def predictive_table(runs: Sequence[Shown]) -> Table:
    """Likelihood ratios of recognition, and predictive values at several prevalences."""
    values = [f"{name}, {100 * share:g} % ill" for share in PREVALENCES for name in ("PPV", "NPV")]
    return Table(
        "Recognition at its operating point, by prevalence (not in the paper)",
        ("LR+", "LR-", *values),
        tuple(Line(run.name, ours=True, cells=_predictive(run)) for run in runs),
        "Likelihood ratios, and predictive values in percent at several shares of diseased hands; "
        "conservative 95 % intervals from those of sensitivity and specificity.",
    )


def _predictive(run: Shown) -> tuple[Cell, ...]:
    found = run.result.held_out.recognition
    shares = found["sensitivity"], found["specificity"]
    ratios = [Cell(f"{one[0]:.3g}", in_words(one, 2)) for one in likelihood_ratios(*shares)]
    values = [
        Cell(f"{100 * one[0]:.1f}", in_words(one, 1, 100))
        for prevalence in PREVALENCES
        for one in predictive_values(*shares, prevalence)
    ]
    return (*ratios, *values)
