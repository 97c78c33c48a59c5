"""Exports an evaluated marker reader to a bundle: weights, manifest and a part of the card."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from pydantic import TypeAdapter

from ra_node.domain.laterality.marker import MARKER_CLASSES
from ra_node.errors import Fatal
from ra_node.inference.bundles.bundle import load_bundle
from ra_node.inference.bundles.manifest import Interval, MarkerReaderPart, Weights
from ra_node.inference.marker_reader.candidates import PATCH_PX
from training.io.atomic_file import write_whole
from training.marker_reader.evaluate import MEASURED_ON

WEIGHTS, FIGURES = "marker_reader.safetensors", "figures.json"
FOLDER = "marker_reader"
HEADING = "## Marker reader"
LEAST_SCORE = 0.7
"""Least probability of a letter, chosen on tuning plates."""
TRAINED_ON = (
    "letters rendered in the fonts of Matplotlib and of the machine, on gradients and pieces of hands, and "
    "pieces of tuning radiographs of children (RSNA Pediatric Bone Age Challenge 2017; academic research, "
    "education and other non-commercial use) and, where they were given, of adults (Roboflow export "
    '"Science Research 2022", CC BY 4.0 as stated by the source, origin of single images not verified)'
)


def add_marker_reader(run: Path, bundle: Path) -> str:
    """Add the marker reader of a run to a bundle, or replace its own; returns the bundle's new SHA-256."""
    missing = [name for name in (WEIGHTS, FIGURES) if not (run / name).exists()]
    if missing:
        raise Fatal(f"expected a trained and measured marker reader, found no {', '.join(missing)}")
    found = load_bundle(bundle)
    figures = TypeAdapter(dict[str, Interval]).validate_json((run / FIGURES).read_bytes())
    part = MarkerReaderPart(
        name=f"{found.manifest.name} marker reader",
        side_px=PATCH_PX,
        classes=MARKER_CLASSES,
        weights=Weights(
            path=f"{FOLDER}/weights.safetensors",
            sha256=hashlib.sha256((run / WEIGHTS).read_bytes()).hexdigest(),
        ),
        least_score=LEAST_SCORE,
        figures=figures,
        figures_on=MEASURED_ON,
        trained_on=TRAINED_ON,
    )
    _add(part, run / WEIGHTS, bundle)
    return load_bundle(bundle).identity.sha256


def carry_marker_reader(source: Path, folder: Path) -> bool:
    """Copy the marker reader of one bundle to another; False where the first one has none."""
    part = load_bundle(source).manifest.marker_reader
    if part is None:
        return False
    _add(part, source / part.weights.path, folder)
    return True


def _add(part: MarkerReaderPart, weights: Path, bundle: Path) -> None:
    target = bundle / part.weights.path
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(weights, target)
    manifest = load_bundle(bundle).manifest.model_copy(update={"marker_reader": part})
    content = manifest.model_dump_json(indent=2) + "\n"
    text = _with_part((bundle / "card.md").read_text(), _card(part))
    write_whole(bundle / "manifest.json", lambda file: file.write(content.encode()))
    write_whole(bundle / "card.md", lambda file: file.write(text.encode()))


def _with_part(card: str, part: str) -> str:
    """The card with this part instead of the earlier one, or at its end."""
    before, _, after = card.partition(HEADING)
    _, heading, rest = after.partition("\n## ")
    return f"{before.rstrip()}\n\n{part}" + (f"\n## {rest}" if heading else "")


def _card(part: MarkerReaderPart) -> str:
    rows = "\n".join(
        f"| {name} | {100 * value:.1f} % | {100 * low:.1f} to {100 * high:.1f} % |"
        for name, (value, low, high) in part.figures.items()
    )
    return (
        f"{HEADING}\n\nA small convolutional network reads pieces of {part.side_px} px that may be letters "
        "of a lead marker. A letter counts as evidence of the side where its probability is "
        f"{part.least_score:.2f} or more and the thumb points as in a PA view of that side.\n\n"
        f"Trained on {part.trained_on}.\n\n| measured on {part.figures_on} | value | 95 % interval |\n"
        f"|---|---|---|\n{rows}\n\nAn I is never read. D, E and G were measured on rendered letters only.\n"
    )
