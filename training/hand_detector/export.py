"""Exports an evaluated hand detector to a bundle: weights, manifest and a part of the card."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter

from ra_node.errors import Fatal
from ra_node.inference.bundles.bundle import check_weights, read_bundle
from ra_node.inference.bundles.manifest import FinderPart, Interval, ViewPart, Weights
from ra_node.inference.hand_detector.preprocessing import SIDE_PX
from training.export.detector_card import detector_section
from training.hand_detector.evaluate import MEASURED_ON
from training.hand_detector.stock import ADULTS
from training.hand_detector.train import NAMES, weights_file
from training.hand_detector.view_head import CLASSES
from training.hand_detector.view_run import FIGURES as VIEW_FIGURES
from training.hand_detector.view_run import HEAD, ViewFigures
from training.hand_detector.view_run import MEASURED_ON as VIEWS_MEASURED_ON
from training.io.atomic_file import write_whole

FIGURES = "figures.json"
FOLDER = "finder"
TRAINED_ON = (
    "240 healthy left hands of children and adolescents with 13 marked joints (RSNA Pediatric Bone Age "
    "Challenge 2017; academic research, education and other non-commercial use), as they are, with simulated "
    "lesions, mirrored, bent and composed, and drawn phantoms of every stage"
)
TRAINED_ON_ADULTS = (
    "; then the reader on 45 hands of adults (a public Roboflow export, CC BY 4.0 as stated by the source,"
    " origin of single images not verified) with the joints that the detector before saw, warped fingers, and"
    " drawn rings, plates and plaster"
)


def write_figures(run: Path, figures: Mapping[str, Interval]) -> None:
    """Write the metrics to the run's folder."""
    content = TypeAdapter(dict[str, Interval]).dump_json(dict(figures), indent=2)
    write_whole(run / FIGURES, lambda file: file.write(content))


def add_finder(run: Path, bundle: Path) -> str:
    """Add the detector of a run to a bundle, or replace its own; returns the bundle's new SHA-256.

    The bundle's networks were not trained on crops of this detector: verify refuses the bundle, or warns,
    until they are trained and exported again.
    """
    found = read_bundle(bundle)
    check_weights(found)
    figures = _figures(run)
    part = FinderPart(
        name=f"{found.manifest.name} hand detector",
        side_px=SIDE_PX,
        seeker=_copied(weights_file(run, "seeker"), bundle),
        reader=_copied(weights_file(run, "reader"), bundle),
        figures=figures,
        figures_on=MEASURED_ON,
        trained_on=TRAINED_ON + (TRAINED_ON_ADULTS if (run / ADULTS).exists() else ""),
        views=_views(run, bundle),
    )
    tasks = found.manifest.tasks
    if part.sha256 != getattr(found.manifest.finder, "sha256", None):
        tasks = tasks.model_copy(update={"joints": None})  # measured on the joints of another detector
    manifest = found.manifest.model_copy(update={"finder": part, "tasks": tasks})
    content = manifest.model_dump_json(indent=2).encode() + b"\n"
    card = (bundle / "card.md").read_text()
    kept = card.partition("\n## Hand ")[0]
    if tasks.joints is None:
        kept = kept.partition("\n## Joints")[0]
    text = f"{kept.rstrip()}\n\n{detector_section(part)}"
    write_whole(bundle / "manifest.json", lambda file: file.write(content))
    write_whole(bundle / "card.md", lambda file: file.write(text.encode()))
    after = read_bundle(bundle)
    check_weights(after)
    return after.identity.sha256


def _figures(run: Path) -> dict[str, Interval]:
    missing = [
        name for name in (*(f"{name}.safetensors" for name in NAMES), FIGURES) if not (run / name).exists()
    ]
    if missing:
        raise Fatal(f"expected a trained and measured hand detector, found no {', '.join(missing)}")
    return TypeAdapter(dict[str, Interval]).validate_json((run / FIGURES).read_bytes())


def _views(run: Path, bundle: Path) -> ViewPart | None:
    """Copy the view head of the run, if any."""
    if not (run / HEAD).exists():
        return None
    measured = ViewFigures.model_validate_json((run / VIEW_FIGURES).read_bytes())
    return ViewPart(
        classes=CLASSES,
        weights=_copied(run / HEAD, bundle),
        least_frontal=measured.least_frontal,
        figures=measured.figures,
        figures_on=VIEWS_MEASURED_ON,
    )


def _copied(source: Path, bundle: Path) -> Weights:
    target = bundle / FOLDER / source.name
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(source, target)
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    return Weights(path=target.relative_to(bundle).as_posix(), sha256=digest)
