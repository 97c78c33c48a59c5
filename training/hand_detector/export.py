"""Puts a measured hand finder into a bundle: weights, manifest and a part of the card."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter

from ra_node.errors import Fatal
from ra_node.inference.bundles.manifest import (
    FinderPart,
    Interval,
    Weights,
    check_weights,
    read_bundle,
)
from ra_node.inference.hand_detector.preprocessing import SIDE_PX
from training.export.detector_card import detector_section
from training.hand_detector.evaluate import MEASURED_ON
from training.hand_detector.train import NAMES, weights_file
from training.io.atomic_file import write_whole

FIGURES = "figures.json"
FOLDER = "finder"
TRAINED_ON = (
    "240 healthy left hands of children and adolescents with 13 marked joints (RSNA Pediatric Bone Age "
    "Challenge 2017; academic research, education and other non-commercial use), as they are, with simulated "
    "lesions, mirrored, bent and composed, and drawn phantoms of every stage"
)


def write_figures(run: Path, figures: Mapping[str, Interval]) -> None:
    """Keep what was measured in the run's folder."""
    content = TypeAdapter(dict[str, Interval]).dump_json(dict(figures), indent=2)
    write_whole(run / FIGURES, lambda file: file.write(content))


def add_finder(run: Path, bundle: Path) -> str:
    """Add the finder of a run to a bundle, or replace its own; gives the bundle's new sha256.

    The bundle's networks were not trained on hands that this finder cuts: verify refuses the bundle, or says
    so, until they are trained and exported again.
    """
    found = read_bundle(bundle)
    check_weights(found)
    figures = _figures(run)
    part = FinderPart(
        name=f"{found.manifest.name} hand detector",
        side_px=SIDE_PX,
        seeker=_copied(run, bundle, "seeker"),
        reader=_copied(run, bundle, "reader"),
        figures=figures,
        figures_on=MEASURED_ON,
        trained_on=TRAINED_ON,
    )
    manifest = found.manifest.model_copy(update={"finder": part})
    content = manifest.model_dump_json(indent=2).encode() + b"\n"
    card = (bundle / "card.md").read_text()
    kept = card.partition("\n## Hand ")[0].rstrip()
    text = f"{kept}\n\n{detector_section(part)}"
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


def _copied(run: Path, bundle: Path, name: str) -> Weights:
    source = weights_file(run, "seeker" if name == "seeker" else "reader")
    target = bundle / FOLDER / source.name
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(source, target)
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    return Weights(path=target.relative_to(bundle).as_posix(), sha256=digest)
