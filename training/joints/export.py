"""Exports an evaluated joint task to a bundle: weights, manifest (format 2) and a part of the card."""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from ra_node.domain.preprocessing import JOINT_CROPS_ID
from ra_node.errors import Fatal
from ra_node.inference.bundles.bundle import load_bundle, read_bundle
from ra_node.inference.bundles.manifest import Interval, JointTask, Manifest
from training.io.atomic_file import write_whole
from training.joints.calibrate import JointCalibration
from training.joints.evaluate import kept_figures
from training.joints.hands import WEIGHTS
from training.joints.run import Detectors, detectors_of, kept_joint_recipe
from training.recipes.joints import JointRecipe

FOLDER = "joints"
HEADING = "## Joints"
NEXT_HEADING = "\n## Hand "
MEASURED_ON = {
    "simulated": "held-out hands with simulated lesions",
    "labelled": "held-out hands of a dataset of labelled radiographs",
}


def add_joints(run: Path, bundle: Path, version: str) -> str:
    """Add the joint task of an evaluated run to a bundle as its next version; returns its new SHA-256.

    Where it was measured on labelled radiographs the version ends with a hash of all weights, as that of
    `training.export.bundle`: two bundles of a hospital never have one name and version.
    Raises Fatal where the run was evaluated with another hand detector than the bundle's, or the version is
    that of the bundle.
    """
    found = read_bundle(bundle)
    manifest = found.manifest
    if version == manifest.version:
        raise Fatal(
            f"expected another version than {version} for a bundle with other weights, found the same"
        )
    detectors = detectors_of(run)
    if manifest.finder is None or manifest.finder.sha256 != detectors.measured_sha256:
        raise Fatal(
            "expected a run measured with the hand detector of the bundle, found one measured with "
            f"{detectors.measured_sha256[:12]}; measure it with the bundle's: "
            "`python -m training joints --weights-of`"
        )
    calibration, figures = kept_figures(run)
    if "labelled" in figures:
        version = f"{version.partition('+')[0]}+{_digest(manifest, run)}"
    target = bundle / FOLDER / WEIGHTS
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(run / WEIGHTS, target)
    task = _task(run, target.relative_to(bundle).as_posix(), calibration, figures, detectors)
    changed = manifest.model_copy(
        update={
            "format": 2,
            "version": version,
            "tasks": manifest.tasks.model_copy(update={"joints": task}),
        }
    )
    changed = Manifest.model_validate(changed.model_dump())
    content = changed.model_dump_json(indent=2).encode() + b"\n"
    card = _with_joints(
        (bundle / "card.md").read_text(),
        _card(task, figures, calibration.chosen_on, kept_joint_recipe(run).hands.name),
    )
    card = card.replace(
        f"# Model card: {manifest.name} {manifest.version}", f"# Model card: {manifest.name} {version}"
    )
    write_whole(bundle / "manifest.json", lambda file: file.write(content))
    write_whole(bundle / "card.md", lambda file: file.write(card.encode()))
    return load_bundle(bundle).identity.sha256


def _digest(manifest: Manifest, run: Path) -> str:
    """Eight digits of the weights of the bundle's tasks and of the run."""
    digest = hashlib.sha256((run / WEIGHTS).read_bytes())
    for task in (manifest.tasks.recognition, manifest.tasks.staging):
        digest.update(task.weights_sha256.encode())
    return digest.hexdigest()[:8]


def _task(
    run: Path,
    weights: str,
    calibration: JointCalibration,
    figures: Mapping[str, Mapping[str, Interval]],
    detectors: Detectors,
) -> JointTask:
    recipe: JointRecipe = kept_joint_recipe(run)
    about = "labelled" if "labelled" in figures else "simulated"
    training: dict[str, JsonValue] = {
        "recipe": recipe.model_dump(mode="json"),
        "calibrated_on": calibration.chosen_on,
        "learnt_with_hand_detector_sha256": detectors.learnt_sha256,
        "figures": {origin: _finite(found) for origin, found in figures.items()},
    }
    return JointTask(
        crops=JOINT_CROPS_ID,
        side_px=recipe.side_px,
        weights=weights,
        weights_sha256=hashlib.sha256((run / WEIGHTS).read_bytes()).hexdigest(),
        temperatures=calibration.temperatures,
        threshold=calibration.threshold,
        hand_detector_sha256=detectors.measured_sha256,
        metrics={name: found for name, found in figures[about].items() if all(map(math.isfinite, found))},
        metrics_on=MEASURED_ON[about],
        training=training,
    )


def _finite(found: Mapping[str, Interval]) -> dict[str, JsonValue]:
    """Metrics for strict JSON: NaN becomes null."""
    return {name: [v if math.isfinite(v) else None for v in values] for name, values in found.items()}


def _with_joints(card: str, part: str) -> str:
    """The card with this part instead of an earlier one, before the part of the hand detector."""
    before, found, after = card.partition(NEXT_HEADING)
    tail = f"\n{NEXT_HEADING}{after}" if found else "\n"
    return f"{before.partition(HEADING)[0].rstrip()}\n\n{part.rstrip()}{tail}"


def _card(task: JointTask, figures: Mapping[str, Mapping[str, Interval]], chosen_on: str, hands: str) -> str:
    """The card's part about the joint task."""
    tables = "\n".join(
        f"| held-out, {origin} | {name.replace('_', ' ')} | {value:.3f} | {low:.3f} to {high:.3f} |"
        for origin, found in figures.items()
        for name, (value, low, high) in found.items()
    )
    truth = (
        "given by readers" if "labelled" in figures else "**simulated**; no stage of a real joint was shown"
    )
    return f"""{HEADING}

One small convolutional network for all joints: each of the 13 joints that the hand detector sees is cut out
of the full image at {task.side_px} px, turned along its finger or along the wrist; crop and kind of joint
in, probabilities of stage 0 to 5 out (ordinal), calibrated by kind. A joint is of stage 0 where its
probability of disease is below {task.threshold:.3f}; this and the calibration were chosen on
{chosen_on}.
It was trained on joints whose stage was {truth}.
Hands and split are those of the recipe {hands}; the other tasks of the bundle may have another split.

Where a joint is diseased and recognition says absent, the hand is inconclusive. RA present without a joint at
its operating point, or a highest joint two or more stages from the whole hand, is a doubt that results state.

| hands | figure | value | 95 % interval |
|---|---|---|---|
{tables}
"""
