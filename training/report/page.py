"""Report page that compares evaluated runs with tables 2 and 3 of the paper."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from importlib import resources

from jinja2 import Environment, StrictUndefined

import ra_node
from ra_node.domain.preprocessing import PREPROCESSING_ID
from training.evaluation.metrics import in_words
from training.experiments import paper_numbers as paper
from training.experiments.run_summary import Shown
from training.experiments.verdicts import RunComparison, begun_with
from training.report.misread import MisclassifiedHand
from training.report.plot_style import Drawn, svg_of
from training.report.predictive_table import predictive_table
from training.report.tables import (
    calibration_table,
    clinical_table,
    cohort_tables,
    experiment_table,
    group_table,
    people,
    percent,
    readers_table,
    recognition_table,
    stage_table,
    staging_table,
)

CHOSEN_ON = {
    "validation": "validation hands, which no step of training saw",
    "cross-fitted": "validation and held-out hands together (for the figures each fifth of the held-out "
    "people by all others)",
    "tune": "the training hands themselves, for want of validation hands of every class",
    "out-of-fold": "all hands, each by a network that was not trained on its patient",
}


def report(
    runs: Sequence[Shown],
    figures: Sequence[Drawn],
    better: RunComparison | None = None,
    misread: Sequence[tuple[int, Sequence[MisclassifiedHand]]] = (),
) -> str:
    """Write the page: HTML with its style and figures inside, and nothing from elsewhere.

    `better` adds the experiments that were measured against a base on the same hands; `misread` has, run by
    run, how many hands were misread and pictures of the worst.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = resources.files("training.report").joinpath("page.html").read_text()
    return environment.from_string(template).render(
        runs=runs,
        tables=[
            *([readers_table(runs)] if runs[0].result.readers else []),
            *(recognition_table(runs), predictive_table(runs), staging_table(runs), clinical_table(runs)),
            calibration_table(runs),
        ],
        reader_study=runs[0].result.reader_study,
        warning=runs[0].result.words.warning,
        short=in_short(runs),
        cohorts=cohort_tables(runs),
        misread=[
            (run, count, pictures) for run, (count, pictures) in zip(runs, misread, strict=False) if pictures
        ],
        own=runs[0].result.data == "labelled",
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


def in_short(runs: Sequence[Shown]) -> list[str]:
    """Summary of the tables."""
    held = runs[0].result.held_out
    lines = [
        f"Measured on {_held_out(runs[0])}; with {held.hands} hands most intervals are wide."
        + (
            " " + runs[0].result.measured_on[:1].upper() + runs[0].result.measured_on[1:] + "."
            if runs[0].result.folds
            else ""
        )
    ]
    for run in runs:
        area = run.result.held_out.recognition["auc"]
        kappa, near = (run.result.held_out.staging[key] for key in ("quadratic_kappa", "within_one_stage"))
        lines.append(
            f"{run.name}: recognition, normal or RA, AUC {area[0]:.3f} ({in_words(area)}); staging, "
            f"quadratic weighted kappa {kappa[0]:.3f} ({in_words(kappa)}), {100 * near[0]:.1f} % of hands "
            f"within one stage ({percent(near).interval})."
        )
    if len(runs) > 1:
        lines.append(
            "No network is chosen here: the best of several on these hands would look better than it is. "
            "Whether two differ is a question of their paired difference; the command cross-validate chooses "
            "on the training side."
        )
    return lines


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
    return f"{found.hands} hands of {people(found.patients)}; {normal} of the hands are normal"


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


def _picture(drawn: Drawn) -> str:
    """The SVG as data URI."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg_of(drawn).encode()).decode()}"
