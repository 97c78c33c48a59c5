"""The model card of a bundle: purpose, training data, figures and limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ra_node.inference.bundles.manifest import DomainPart, Interval, Manifest
from training.data.data_kind import DataKind
from training.evaluation.calibration import offsets_in_words
from training.evaluation.evaluate import GroupFigures, Result
from training.evaluation.metrics import in_words
from training.evaluation.predictive_values import PREVALENCES, likelihood_ratios, predictive_values
from training.evaluation.task_calibration import Calibration
from training.export.detector_card import detector_section

CHOSEN_ON = {
    "validation": "validation patients, whom no step of training saw",
    "cross-fitted": "validation and held-out patients together (for the figures each fifth of the held-out "
    "patients by all others)",
    "tune": "the training patients themselves, for want of validation hands of every class",
    "out-of-fold": "all hands, each by a network that was not trained on its patient",
}

HANDS: dict[DataKind, str] = {"simulated": "simulated lesions", "labelled": "labelled radiographs"}

PURPOSE: dict[DataKind, str] = {
    "simulated": """They exist so that the node can be
shown, tested and measured from end to end. They must not be used on patients.""",
    "labelled": """They were trained on
one site's labels. Before they are used on patients they need validation at the place of use, and whatever the
law asks of such software.""",
}

LEARNT: dict[DataKind, str] = {
    "simulated": """{source}:
healthy left hands of children and adolescents (102 to 228 months old). No reachable public set has whole
hands with stages of rheumatoid arthritis, so narrowing of the joint space, marginal erosions,
periarticular osteopenia, subluxation and ankylosis were **simulated** at the finger, thumb and wrist
joints; healthy hands went through the same resampling without effect. Other hands were drawn whole by the
project's own phantom. Patients were split before simulation.""",
    "labelled": """{source}.
Hands were found and cut by the node's own functions, with their sides; labels are those of the site's
readers and their consensus. No patient is on two sides of the split.""",
}

ADULTS_LEARNT = """
Hands of adults and teenagers of unknown age, seen from back or front, were trained on in the same way: each
unedited and with simulated lesions at the joints that the hand detector finds. They have no label of
rheumatoid arthritis; by eye none shows it. Their held-out half was fixed by a hash of the hand's name, and
neither training nor calibration saw it. Children and adults are counted and measured apart below.
"""

LIMITS: dict[DataKind, str] = {
    "simulated": """- The figures say how well the networks read this simulation. They say nothing about real
  disease. Those of Peng et al. 2024 may be set beside them, but are not comparable as if both came from the
  same data.
- The hands are young; growth plates are open in most. Degenerative change, fractures, implants, splints
  and other arthritis were never shown.""",
    "labelled": """- The figures hold for hands like those of the dataset and for labels like those of its
  readers. Those of Peng et al. 2024 may be set beside them, but are not comparable as if both came from the
  same data.
- What the dataset does not have (other detectors, ages, implants, other arthritis) was never shown.""",
}

YOUNG = "- The hands are young; growth plates are open in most."
GROWN = (
    "- Most hands are young, with open growth plates; those of adults are few, of unknown age, and from one\n"
    "  source. Ages above those stated are therefore outside the domain; a hand without an age is rated."
)
TEMPLATE = """\
# Model card: {name} {version}

**{notice}**

## What it is

Two {architecture} networks for one hand radiograph at a time, after Peng et al. 2024: recognition
(normal or rheumatoid arthritis) and staging (normal, stages 1 to 5). {purpose}

It rates {domain}; other hands are not rated.

## What it was trained on

{learnt}

{counts}

{initialisation}
Calibration and operating point of recognition were chosen on {chosen_on}; those of staging
on {staging_chosen_on}.

## Figures on held-out patients

Measured on {measured_on}.
95 % intervals: exact for sensitivity and specificity, else by bootstrap over patients.
{readers}
{figures}
Operating point of recognition: {threshold:.3f} ({point}). Temperatures:
{recognition_temperature:.2f} (recognition), {staging_temperature:.2f} (staging); offsets of the classes:
{recognition_offsets}; {staging_offsets}. Expected calibration error
on held-out hands: {recognition_error} and {staging_error}.

{prevalence}

## Limits

{limits}
- A hand's stage is its highest joint stage, as in the paper; no joint is named.

## Terms

{terms}

## Preprocessing

`{preprocessing}`. {description}
"""


def card(manifest: Manifest, result: Result, calibration: Calibration) -> str:
    """Write the model card of a manifest and its evaluation, in Markdown."""
    recognition, staging = manifest.tasks.recognition, manifest.tasks.staging
    text = TEMPLATE.format(
        name=manifest.name,
        version=manifest.version,
        notice=manifest.notice,
        architecture=recognition.architecture,
        purpose=PURPOSE[result.data],
        domain=_domain(manifest),
        learnt=LEARNT[result.data].format(source=manifest.provenance["source"])
        + (ADULTS_LEARNT if result.adults else ""),
        limits=_limits(result) + _absent(result),
        chosen_on=CHOSEN_ON[calibration.chosen_on],
        staging_chosen_on=CHOSEN_ON[calibration.staging_chosen_on or calibration.chosen_on],
        point=_point(calibration),
        counts="\n".join(f"- {name}: {count}" for name, count in result.counts.items()),
        initialisation=manifest.provenance["initialisation"],
        figures=_figures(result),
        measured_on=result.measured_on,
        readers="".join(f"\nThe readers among themselves: {one}.\n" for one in result.readers)
        + "".join(f"\n- {one}" for one in result.reader_study)
        + ("\n" if result.reader_study else ""),
        threshold=recognition.operating_points[0],
        recognition_temperature=recognition.temperature,
        staging_temperature=staging.temperature,
        recognition_offsets=offsets_in_words(calibration.recognition) or "none",
        staging_offsets=offsets_in_words(calibration.staging) or "none",
        prevalence=_prevalence(result),
        recognition_error=_error(result, "recognition"),
        staging_error=_error(result, "staging"),
        terms=manifest.provenance["terms"],
        preprocessing=manifest.preprocessing.id,
        description=manifest.preprocessing.description,
    )
    return text if manifest.finder is None else f"{text}\n{detector_section(manifest.finder)}"


def _prevalence(result: Result) -> str:
    """Likelihood ratios, and predictive values at several prevalences."""
    sensitivity, specificity = (result.held_out.recognition[key] for key in ("sensitivity", "specificity"))
    ratios = likelihood_ratios(sensitivity, specificity)
    lines = [
        f"| {name} | {value[0]:.3g} | {in_words(value)} |"
        for name, value in zip(
            ("positive likelihood ratio", "negative likelihood ratio"), ratios, strict=True
        )
    ]
    for prevalence in PREVALENCES:
        values = predictive_values(sensitivity, specificity, prevalence)
        lines += [
            f"| {name} at a prevalence of {100 * prevalence:g} % | {value[0]:.3f} | {in_words(value)} |"
            for name, value in zip(("PPV", "NPV"), values, strict=True)
        ]
    return "\n".join(
        [
            "### Recognition at its operating point, by prevalence\n",
            "| figure | value | 95 % interval |",
            "|---|---|---|",
            *lines,
            "",
            "Probabilities hold for the share of disease among the hands of the calibration. With",
            "`[models] prevalence` a node's text report states the probability of disease at its own, too.",
            "",
        ]
    )


def _figures(result: Result) -> str:
    hands = f"children, {HANDS[result.data]}" if result.adults else HANDS[result.data]
    parts = [
        _table(f"Recognition, {hands}", result.held_out.recognition),
        _table(f"Staging, {hands}", result.held_out.staging),
        _confusion(result.held_out.confusion),
    ]
    if result.unedited:
        title = (
            "Real healthy hands of children, unedited" if result.adults else "Real healthy hands, unedited"
        )
        parts.append(_table(title, result.unedited))
    if result.adults:
        parts += [
            _table("Hands of adults, unedited", result.unedited_adults),
            _table("Recognition, adults, simulated lesions", result.adults.recognition),
            _table("Staging, adults, simulated lesions", result.adults.staging),
            _confusion(result.adults.confusion),
        ]
    parts += [_group(title, found) for title, found in result.held_out.groups.items()]
    if result.phantom:
        parts += [
            _table("Recognition, drawn phantoms", result.phantom.recognition),
            _table("Staging, drawn phantoms", result.phantom.staging),
        ]
    return "\n".join(parts)


def _limits(result: Result) -> str:
    """The limits of its kind of data; with adults the training hands are not all young."""
    text = LIMITS[result.data]
    if not result.adults:
        return text
    return text.replace(YOUNG, GROWN)


def _group(title: str, found: GroupFigures) -> str:
    """Figures of the hands of one side, sex, age band or site."""
    shares = {
        "sensitivity": found.sensitivity,
        "specificity": found.specificity,
        "within one stage": found.within_one_stage,
    }
    return _table(f"By group, {title}: {found.hands} hands of {found.patients} patients", shares)


def _absent(result: Result) -> str:
    """A further limit for stages without training hands."""
    stages = ", ".join(map(str, result.absent_stages))
    return (
        f"\n- No hand of stage {stages} was in the training data; its ratings are untested." if stages else ""
    )


def _domain(manifest: Manifest) -> str:
    """The domain of a bundle, as text."""
    domain = manifest.domain or DomainPart()
    ages = "of any age" if domain.ages is None else f"of {domain.ages[0]:g} to {domain.ages[1]:g} years"
    casts = "with or without" if domain.casts else "without"
    return f"whole hands {ages} in {' or '.join(domain.views)} view, {casts} plaster and metal"


def _point(calibration: Calibration) -> str:
    asked = calibration.sensitivity_asked
    return "Youden's J" if asked is None else f"for a sensitivity of {100 * asked:.0f} %"


def _error(result: Result, task: str) -> str:
    value = result.held_out.calibration_error[task]
    return f"{value:.3f} ({in_words((value, *result.held_out.calibration_interval[task]))})"


def _table(title: str, figures: Mapping[str, Interval]) -> str:
    rows = [
        f"| {key.replace('_', ' ')} | {found[0]:.3f} | {in_words(found)} |" for key, found in figures.items()
    ]
    return "\n".join([f"### {title}\n", "| figure | value | 95 % interval |", "|---|---|---|", *rows, ""])


def _confusion(table: Sequence[Sequence[int]]) -> str:
    head = "| truth \\ call | " + " | ".join(map(str, range(len(table)))) + " |"
    rows = [f"| {stage} | " + " | ".join(map(str, row)) + " |" for stage, row in enumerate(table)]
    return "\n".join([head, "|---" * (len(table) + 1) + "|", *rows, ""])
