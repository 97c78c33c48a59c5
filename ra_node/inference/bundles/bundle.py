"""A bundle as it is read: manifest and identity, checked against hashes and preprocessing of this node.

A bundle is a folder with `manifest.json`, one `weights.safetensors` a task and `card.md`. It is read without
importing torch, so that checks and status pages are fast.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ra_node.domain.bundle_identity import BundleIdentity
from ra_node.domain.preprocessing import JOINT_CROPS_ID, PREPROCESSING_ID
from ra_node.errors import Fatal
from ra_node.inference.bundles.identity import bundle_identity
from ra_node.inference.bundles.manifest import BundleTask, Manifest


@dataclass(frozen=True, slots=True)
class Bundle:
    """A checked bundle: its identity for reports, and its manifest for the predictor."""

    folder: Path
    identity: BundleIdentity
    manifest: Manifest

    def weights_path(self, task: BundleTask) -> Path:
        return self.folder / task.weights


def load_bundle(folder: Path, preprocessing: str = PREPROCESSING_ID) -> Bundle:
    """Read and check a bundle; raises Fatal with what was expected and what was found."""
    bundle = read_bundle(folder)
    check_preprocessing(bundle, preprocessing)
    check_detector(bundle)
    check_joints(bundle)
    check_weights(bundle)
    return bundle


def read_bundle(folder: Path) -> Bundle:
    """Read the manifest of a bundle, not its weights; raises Fatal for an invalid manifest."""
    content = _content(folder / "manifest.json")
    manifest = _manifest(content, folder)
    return Bundle(folder, bundle_identity(manifest, hashlib.sha256(content).hexdigest()), manifest)


def check_preprocessing(bundle: Bundle, expected: str = PREPROCESSING_ID) -> None:
    """Raise Fatal unless the bundle's networks were trained with the preprocessing of this node."""
    found = bundle.manifest.preprocessing.id
    if found != expected:
        raise Fatal(
            f"bundle {bundle.folder.name}: expected preprocessing {expected!r}, "
            f"found {found!r}; train or install a bundle made for this node"
        )


def check_detector(bundle: Bundle) -> None:
    """Raise Fatal where the bundle's networks were trained on crops of another detector than the bundle's.

    Crops of the same hands by two detectors differed in staging accuracy by 0.053 (0.014 to 0.093). A bundle
    that does not name the detector is accepted.
    """
    finder, trained_on = bundle.manifest.finder, bundle.manifest.preprocessing.detector_sha256
    if finder is not None and trained_on is not None and trained_on != finder.sha256:
        raise Fatal(
            f"bundle {bundle.folder.name}: expected networks trained on hands cut by its own detector"
            f" {finder.sha256[:12]}, found {trained_on[:12]}; train and export it again"
        )


def check_weights(bundle: Bundle) -> None:
    """Raise Fatal unless every weights file exists with the SHA-256 of the manifest."""
    for name, sha256 in bundle.manifest.weights:
        check_weights_file(bundle.folder, name, sha256)


def check_weights_file(folder: Path, name: str, expected: str) -> None:
    """Raise Fatal unless a file inside `folder` holds weights with the expected SHA-256."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()) or path.suffix != ".safetensors":
        raise Fatal(f"expected .safetensors weights inside the bundle, found {name!r}")
    found = hashlib.sha256(_content(path)).hexdigest()
    if found != expected:
        raise Fatal(f"weights {path}: expected sha256 {expected}, found {found}")


def check_joints(bundle: Bundle) -> None:
    """Raise Fatal unless joint crops and hand detector are those with which the joint task was measured."""
    joints, finder = bundle.manifest.tasks.joints, bundle.manifest.finder
    if joints is None or finder is None:
        return
    if joints.crops != JOINT_CROPS_ID:
        raise Fatal(
            f"bundle {bundle.folder.name}: expected joint crops {JOINT_CROPS_ID!r}, found {joints.crops!r}; "
            "train or install a bundle made for this node"
        )
    if joints.hand_detector_sha256 != finder.sha256:
        raise Fatal(
            f"bundle {bundle.folder.name}: expected a joint task measured with the bundle's hand detector "
            f"{finder.sha256[:12]}, found one measured with {joints.hand_detector_sha256[:12]}"
        )


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Fatal(f"expected a bundle file {path}, found none: {error.strerror}") from error


def _manifest(content: bytes, folder: Path) -> Manifest:
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        found = "; ".join(
            f"{'.'.join(map(str, part['loc'])) or 'manifest'}: {part['msg']}" for part in error.errors()
        )
        raise Fatal(f"bundle {folder.name}: manifest.json is not as expected: {found}") from error
