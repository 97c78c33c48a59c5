"""The card of a bundle: what it is, what it learnt from, how good it is and what it must not be used for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ra_node.inference.bundle import Interval, Manifest
from training.evaluate import Result

SOURCE = "RSNA Pediatric Bone Age Challenge 2017 (Halabi et al., Radiology 2019;290:498-503)"
TERMS = (
    "Academic research, education and other non-commercial use only; no re-identification. "
    "The weights inherit these terms of the radiographs."
)

TEMPLATE = """\
# Model card: {name} {version}

**{notice}**

## What it is

Two {architecture} networks for one hand radiograph at a time, after Peng et al. 2024: recognition
(normal or rheumatoid arthritis) and staging (normal, stages 1 to 5). They exist so that the node can be
shown, tested and measured from end to end. They must not be used on patients.

## What it learnt from

{source}:
healthy left hands of children and adolescents (102 to 228 months old). No reachable public set has whole
hands with stages of rheumatoid arthritis, so narrowing of the joint space, marginal erosions,
periarticular osteopenia, subluxation and ankylosis were **simulated** at the finger, thumb and wrist
joints; healthy hands went through the same resampling without effect. Other hands were drawn whole by the
project's own phantom. Patients were split before simulation.

{counts}

{initialisation}
Temperatures and operating points were chosen on validation patients.

## Figures on held-out patients (95 % interval, bootstrap over patients)

{figures}
Operating point of recognition: {threshold:.3f} (Youden's J on validation patients). Temperatures:
{recognition_temperature:.2f} (recognition), {staging_temperature:.2f} (staging). Expected calibration error
on held-out simulated lesions: {recognition_error:.3f} and {staging_error:.3f}.

## Limits

- The figures say how well the networks read this simulation. They say nothing about real disease, and
  cannot be set beside those of Peng et al. 2024.
- The hands are young; growth plates are open in most. Degenerative change, fractures, implants, splints
  and other arthritis were never shown.
- A hand's stage is its highest joint stage, as in the paper; no joint is named.

## Terms

{terms}

## Preprocessing

`{preprocessing}`. {description}
"""


def card(manifest: Manifest, result: Result) -> str:
    """Write the model card of a manifest and its evaluation, in Markdown."""
    recognition, staging = manifest.tasks.recognition, manifest.tasks.staging
    return TEMPLATE.format(
        name=manifest.name,
        version=manifest.version,
        notice=manifest.notice,
        architecture=recognition.architecture,
        source=SOURCE,
        counts="\n".join(f"- {name}: {count}" for name, count in result.counts.items()),
        initialisation=manifest.provenance["initialisation"],
        figures=_figures(result),
        threshold=recognition.operating_points[0],
        recognition_temperature=recognition.temperature,
        staging_temperature=staging.temperature,
        recognition_error=result.held_out.calibration_error["recognition"],
        staging_error=result.held_out.calibration_error["staging"],
        terms=TERMS,
        preprocessing=manifest.preprocessing.id,
        description=manifest.preprocessing.description,
    )


def _figures(result: Result) -> str:
    parts = [
        _table("Recognition, simulated lesions", result.held_out.recognition),
        _table("Staging, simulated lesions", result.held_out.staging),
        _confusion(result.held_out.confusion),
        _table("Real healthy hands, unedited", result.unedited),
    ]
    if result.phantom:
        parts += [
            _table("Recognition, drawn phantoms", result.phantom.recognition),
            _table("Staging, drawn phantoms", result.phantom.staging),
        ]
    return "\n".join(parts)


def _table(title: str, figures: Mapping[str, Interval]) -> str:
    rows = [
        f"| {key.replace('_', ' ')} | {v:.3f} | {a:.3f} to {b:.3f} |" for key, (v, a, b) in figures.items()
    ]
    return "\n".join([f"### {title}\n", "| figure | value | 95 % interval |", "|---|---|---|", *rows, ""])


def _confusion(table: Sequence[Sequence[int]]) -> str:
    head = "| truth \\ call | " + " | ".join(map(str, range(len(table)))) + " |"
    rows = [f"| {stage} | " + " | ".join(map(str, row)) + " |" for stage, row in enumerate(table)]
    return "\n".join([head, "|---" * (len(table) + 1) + "|", *rows, ""])
