"""A measured joint task goes into a bundle as its next version, and an old bundle goes on."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from ra_node.domain.report import HandRegion
from ra_node.errors import Fatal
from ra_node.imaging.joint_crops import JointCrops
from ra_node.inference.bundles.bundle import load_bundle, read_bundle
from ra_node.inference.predictor import Predictor
from tests.imaging.test_joint_crops import hand, picture
from tests.inference.bundle_builders import add_random_finder, read_manifest, write_bundle, write_manifest
from tests.training.joints.builders import joint_hands, joint_recipe
from training.data.detector import bundle_detector
from training.joints.calibrate import JointCalibration
from training.joints.evaluate import keep_figures
from training.joints.export import add_joints
from training.joints.run import Detectors
from training.joints.train import train_joints

INTERVAL = (0.9, 0.8, 0.95)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("run")
    recipe = joint_recipe(epochs=1)
    train_joints(recipe, joint_hands(6), run, lambda _text: None)
    (run / "recipe.json").write_text(recipe.model_dump_json())
    figures = {"simulated": {"auc": INTERVAL, "accuracy": (float("nan"),) * 3}, "phantom": {"auc": INTERVAL}}
    keep_figures(run, JointCalibration((1.5,) * 13, 0.6), figures)
    return run


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = add_random_finder(write_bundle(tmp_path / "guess"))
    (folder / "card.md").write_text("# Model card: guess 1\n\n## Limits\n\nMany.\n\n## Hand finder\n\nTwo.\n")
    return folder


@pytest.fixture
def run(trained: Path, bundle: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    known = bundle_detector(bundle).sha256
    content = TypeAdapter(Detectors).dump_json(Detectors(known, known))
    (folder / "detectors.json").write_bytes(content)
    return folder


def test_the_bundle_grades_joints_as_version_2(run: Path, bundle: Path) -> None:
    sha256 = add_joints(run, bundle, "2")
    found = load_bundle(bundle)
    assert found.identity.sha256 == sha256
    assert (found.manifest.format, found.manifest.version) == (2, "2")
    assert [model.task for model in found.identity.models] == ["recognition", "staging", "joints"]
    task = found.manifest.tasks.joints
    assert task is not None
    assert (task.side_px, task.threshold, task.metrics) == (48, 0.6, {"auc": INTERVAL})
    graded = Predictor(found, "cpu").grade([cut(hand()), cut(hand(without=("mcp_3",))), cut(hand())])
    assert [one.shape for one in graded] == [(13, 6), (0, 6), (13, 6)]
    assert np.allclose(graded[0].sum(axis=1), 1)
    assert np.allclose(graded[0], graded[2], atol=1e-4)


def cut(region: HandRegion) -> JointCrops:
    from ra_node.imaging.joint_crops import joint_crops

    return joint_crops(picture(), region, 48)


def test_the_card_tells_it_before_the_hand_detector_and_only_once(run: Path, bundle: Path) -> None:
    add_joints(run, bundle, "2")
    add_joints(run, bundle, "3")
    card = (bundle / "card.md").read_text()
    headings = [line for line in card.splitlines() if line.startswith("#")]
    assert headings == ["# Model card: guess 3", "## Limits", "## Joints", "## Hand finder"]
    assert "**simulated**" in card
    assert "held-out, phantom" in card


def test_a_hospital_s_version_ends_with_a_hash_of_the_weights(run: Path, bundle: Path) -> None:
    keep_figures(run, JointCalibration((1.5,) * 13, 0.6), {"labelled": {"auc": INTERVAL}})
    versions = []
    for seed in (1, 2):
        recipe = joint_recipe(epochs=1).model_copy(update={"seed": seed})
        train_joints(recipe, joint_hands(6), run, lambda _text: None)
        add_joints(run, bundle, "1.1.0+0123abcd")
        versions.append(read_bundle(bundle).manifest.version)
    assert all(re.fullmatch(r"1\.1\.0\+[0-9a-f]{8}", version) for version in versions)
    assert len(set(versions)) == 2
    assert f"# Model card: guess {versions[1]}" in (bundle / "card.md").read_text()


def test_another_hand_detector_or_the_same_version_is_refused(run: Path, bundle: Path) -> None:
    with pytest.raises(Fatal, match="expected another version than 1"):
        add_joints(run, bundle, "1")
    other = TypeAdapter(Detectors).dump_json(Detectors("a" * 64, "a" * 64))
    (run / "detectors.json").write_bytes(other)
    with pytest.raises(
        Fatal, match="measured with the hand detector of the bundle, found one measured with aaa"
    ):
        add_joints(run, bundle, "2")


def test_a_bundle_without_the_task_goes_on(bundle: Path) -> None:
    found = load_bundle(bundle)
    assert (found.manifest.format, found.manifest.tasks.joints) == (1, None)
    with pytest.raises(ValueError, match="expected a bundle with the task joints"):
        Predictor(found, "cpu").grade([])


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", 1, "expected 2 for a bundle with the task joints"),
        ("finder", None, "expected a bundle with a hand detector, found none"),
    ],
)
def test_a_manifest_with_joints_that_cannot_be_is_refused(
    run: Path, bundle: Path, key: str, value: object, message: str
) -> None:
    add_joints(run, bundle, "2")
    write_manifest(bundle, read_manifest(bundle) | {key: value})
    with pytest.raises(Fatal, match=message):
        read_bundle(bundle)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("crops", "squares-v0", "expected joint crops .* found 'squares-v0'"),
        ("hand_detector_sha256", "b" * 64, "found one measured with bbb"),
        ("weights_sha256", "c" * 64, "expected sha256 c"),
    ],
)
def test_a_joint_task_of_other_crops_detector_or_weights_is_not_run(
    run: Path, bundle: Path, key: str, value: str, message: str
) -> None:
    add_joints(run, bundle, "2")
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["tasks"]["joints"][key] = value
    write_manifest(bundle, manifest)
    with pytest.raises(Fatal, match=message):
        load_bundle(bundle)
