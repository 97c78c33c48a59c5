"""Exports an evaluated run as bundle."""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from pydantic import JsonValue

import ra_node
from ra_node.domain.preprocessing import PREPROCESSING_ID
from ra_node.errors import Fatal, Refused
from ra_node.inference.bundles.bundle import read_bundle
from ra_node.inference.bundles.manifest import (
    BundleTask,
    DomainPart,
    FinderPart,
    Manifest,
    Preprocessing,
    Tasks,
)
from training.data.data_kind import ADULT_SOURCE, WITH_ADULTS, DataKind
from training.data.detector import KeptDetector, copy_weights
from training.data.weights_origin import Origin, read_origin
from training.evaluation.evaluate import Result, weights_path
from training.evaluation.task_calibration import Calibration
from training.export.model_card import card
from training.io.atomic_file import write_whole
from training.recipes.classifier import Recipe

DESCRIPTION = (
    "Box of the hand with a 4 % margin, turned fingers up, longer side to {side_px} px by area averaging, "
    "1st to 99.5th percentile inside the outline of the hand to 0..255, 0 outside the outline and a rim of "
    "2 % of the box around it, padded with 0 to a square; "
    "then (grey / 255 - mean) / std in three equal channels."
)
RECOGNITION = {
    "staging": "recognition started from the trunk of staging",
    "start": "recognition started from the same",
    "shared": "recognition trained at the same time on the same trunk",
}
CLASS_NAMES = {
    "recognition": ("normal", "rheumatoid arthritis"),
    "staging": ("normal", "stage 1", "stage 2", "stage 3", "stage 4", "stage 5"),
}


def export(
    run: Path,
    recipe: Recipe,
    calibration: Calibration,
    result: Result,
    folder: Path,
    *,
    detector: KeptDetector,
    started: str | None,
    name: str = "",
    version: str = "",
) -> Manifest:
    """Write manifest, card, weights and the detector of a bundle into `folder`.

    `detector` is the one that cut the hands of the run. `started` is the hash of the weights that staging
    started from, None for random ones. Name and version are the recipe's without others; the version ends
    with a hash of the weights, so that no two bundles of other weights have one name. Raises Refused where
    `folder` holds another bundle or a site's bundle would have the name of the demonstration.
    """
    recipe = recipe.model_copy(
        update={"name": name or recipe.name, "version": _version(version or recipe.version, run)}
    )
    _refuse_names(recipe, result)
    _refuse_other_bundle(recipe, folder)
    folder.mkdir(parents=True, exist_ok=True)
    for task in CLASS_NAMES:
        (folder / task).mkdir(exist_ok=True)
        shutil.copyfile(weights_path(run, task), weights_path(folder, task))
    copy_weights(detector, folder)
    manifest = _manifest(folder, recipe, calibration, result, detector.part, started)
    content, text = f"{manifest.model_dump_json(indent=2)}\n".encode(), card(manifest, result, calibration)
    write_whole(folder / "manifest.json", lambda file: file.write(content))
    write_whole(folder / "card.md", lambda file: file.write(text.encode()))
    return manifest


def _version(stated: str, run: Path) -> str:
    """The version with the weights' own hash as its build (semver 2.0.0, clause 10)."""
    digest = hashlib.sha256()
    for task in CLASS_NAMES:
        digest.update(weights_path(run, task).read_bytes())
    return f"{stated.partition('+')[0]}+{digest.hexdigest()[:8]}"


def _refuse_names(recipe: Recipe, result: Result) -> None:
    for what, word in (("name", recipe.name), ("version", recipe.version)):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,31}", word):
            raise Refused(f"expected a {what} of 1 to 32 letters, digits, . _ + and -, found {word!r}")
    if result.data == "labelled" and recipe.name.casefold() == "demo":
        raise Refused('expected a name of your own for a bundle of your own hands in --name, found "demo"')


def _refuse_other_bundle(recipe: Recipe, folder: Path) -> None:
    """Refuse to overwrite another bundle: a node that uses it would not notice the change."""
    try:
        known = read_bundle(folder).identity if (folder / "manifest.json").exists() else None
    except Fatal:
        raise Refused(
            f"expected a new folder in --out, found {folder}, whose manifest cannot be read"
        ) from None
    if known and (known.name, known.version) != (recipe.name, recipe.version):
        raise Refused(
            f"expected a new folder in --out, found the bundle {known.name} {known.version} in {folder}"
        )


def _manifest(
    folder: Path,
    recipe: Recipe,
    calibration: Calibration,
    result: Result,
    detector: FinderPart,
    started: str | None,
) -> Manifest:
    origin = read_origin(weights_path(folder, "staging"))
    return Manifest(
        format=2,
        name=recipe.name,
        version=recipe.version,
        manufacturer="ra-node",
        notice=result.words.notice,
        preprocessing=Preprocessing(
            id=PREPROCESSING_ID,
            description=DESCRIPTION.format(side_px=recipe.side_px),
            side_px=recipe.side_px,
            mean=recipe.mean,
            std=recipe.std,
            detector_sha256=detector.sha256,
        ),
        tasks=_tasks(folder, recipe, calibration, result),
        training=_training(recipe, result),
        domain=DomainPart(ages=result.words.ages),
        provenance={
            "source": _source(result, origin),
            "terms": " ".join(dict.fromkeys([*origin.terms, result.words.terms])),
            "software": f"ra-node {ra_node.__version__}",
            "initialisation": initialisation(
                started, "shared" if recipe.trunk == "shared" else recipe.recognition_from, result.data
            ),
            "detector": f"Trained on {detector.trained_on}.",
        },
        finder=detector,
    )


def initialisation(started: str | None, recognition_from: str, data: DataKind = "simulated") -> str:
    """Text about the initial weights: `started` is None, a run's hash, or hash and name of a state file."""
    begun = "Staging started from random weights (no ImageNet weights)"
    digest, _, name = (started or "").partition("  ")
    if name.startswith("bundle "):
        begun = f"Staging started from the staging weights of the {name} (sha256 {digest})"
    elif name:
        begun = f"Staging started from the state file {name}, its last layer replaced (sha256 {digest})"
    elif started and data == "labelled":
        begun = f"Staging started from an earlier run whose weights have the sha256 {started}"
    elif started:
        begun = (
            "Staging started from earlier runs on the same tune patients, with lesions and phantoms as the "
            "project drew them then; the first of them started from random weights (no ImageNet weights). "
            f"The weights at the start have the sha256 {started}"
        )
    return f"{begun}; {RECOGNITION[recognition_from]}."


def _source(result: Result, origin: Origin) -> str:
    """Sources of the radiographs, also of the initial weights; a dataset by the hash of its manifest."""
    digest = result.dataset.get("manifest_sha256")
    own = f"{result.words.source} (dataset {digest})" if digest else result.words.source
    known = {result.words.source}
    if result.adults:
        own, known = f"{own}; {ADULT_SOURCE}", {*known, ADULT_SOURCE}
    earlier = [source for source in origin.sources if source not in known]
    return f"{own}; weights at the start: {'; '.join(earlier)}" if earlier else own


def _training(recipe: Recipe, result: Result) -> dict[str, JsonValue]:
    """Training data and all figures, for the manifest."""
    return {
        "data": WITH_ADULTS if result.adults else result.words.learnt_from,
        "dataset": _plain(result.dataset),
        "split": result.words.split,
        "counts": _plain(result.counts),
        "cross_validation": {"folds": result.folds, "chosen_from": result.candidates},
        "readers": _plain([asdict(one) for one in result.readers]),
        "reader_study": _plain(result.reader_study),
        "recipe": recipe.model_dump(mode="json"),
        "held_out": _plain(asdict(result.held_out)),
        "held_out_phantoms": _plain(asdict(result.phantom)) if result.phantom else None,
        "held_out_unedited_hands": _plain(result.unedited),
        "held_out_adults": _plain(asdict(result.adults)) if result.adults else None,
        "held_out_unedited_adults": _plain(result.unedited_adults),
    }


def _tasks(folder: Path, recipe: Recipe, calibration: Calibration, result: Result) -> Tasks:
    points = {"recognition": (calibration.threshold,), "staging": calibration.class_thresholds}
    metrics = {"recognition": result.held_out.recognition, "staging": result.held_out.staging}
    made = {}
    for name, classes in CLASS_NAMES.items():
        path = weights_path(folder, name)
        made[name] = BundleTask(
            architecture=recipe.architecture,
            classes=classes,
            weights=path.relative_to(folder).as_posix(),
            weights_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            head=(recipe.staging if name == "staging" else recipe.recognition).head,
            temperature=calibration.scaling(name).temperature,
            offsets=calibration.scaling(name).offsets,
            shares=calibration.scaling(name).shares,
            operating_points=points[name],
            metrics={key: found for key, found in metrics[name].items() if all(map(math.isfinite, found))},
            metrics_on=result.measured_on,
        )
    return Tasks(recognition=made["recognition"], staging=made["staging"])


def _plain(value: object) -> JsonValue:
    """Strict JSON: tuples become lists, and undefined figures null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(held) for held in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return json.loads(json.dumps(value))  # type: ignore[no-any-return]  # int, str or None
