"""A bundle that is not what it says is refused, with what was expected and what was found."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ra_node.domain.preprocessing import PREPROCESSING_ID
from ra_node.errors import Fatal
from ra_node.inference.bundles.bundle import load_bundle, read_bundle
from ra_node.inference.bundles.identity import device_uid
from tests.inference.bundle_builders import read_manifest, write_bundle, write_manifest
from training.io.shipped import shipped


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "guess")


def test_a_sound_bundle_names_itself_and_both_of_its_models(folder: Path) -> None:
    identity = load_bundle(folder).identity
    weights = (folder / "staging" / "weights.safetensors").read_bytes()
    assert (identity.name, identity.version, identity.notice) == ("guess", "1", "Random weights.")
    assert identity.sha256 == hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    assert [model.task for model in identity.models] == ["recognition", "staging"]
    assert identity.models[1].weights_sha256 == hashlib.sha256(weights).hexdigest()
    assert identity.models[0].auc == (0.5, 0.4, 0.6)


def test_the_demonstration_model_states_what_its_card_measured() -> None:
    """Figures of stages belong to staging alone; each has its interval."""
    recognition, staging = load_bundle(shipped("bundles") / "demo").identity.models[:2]
    assert recognition.exact_stage is None
    assert recognition.within_one_stage is None
    of_staging = (staging.exact_stage, staging.within_one_stage, staging.calibration_error)
    for figure in (recognition.calibration_error, *of_staging):
        assert figure is not None
        assert figure[1] <= figure[0] <= figure[2]


def test_one_changed_byte_of_the_weights_is_refused_with_both_hashes(folder: Path) -> None:
    path = folder / "recognition" / "weights.safetensors"
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    found = hashlib.sha256(content).hexdigest()
    with pytest.raises(Fatal, match=f"expected sha256 {expected}, found {found}"):
        load_bundle(folder)


def test_weights_of_another_preprocessing_are_refused_with_both_names(folder: Path) -> None:
    manifest = read_manifest(folder)
    manifest["preprocessing"]["id"] = "whole-image-v0"
    write_manifest(folder, manifest)
    with pytest.raises(Fatal, match=f"expected preprocessing '{PREPROCESSING_ID}', found 'whole-image-v0'"):
        load_bundle(folder)


def _unknown(manifest: dict[str, Any]) -> None:
    manifest["colour"] = "red"


def _missing(manifest: dict[str, Any]) -> None:
    del manifest["tasks"]["staging"]["temperature"]


def _one_task(manifest: dict[str, Any]) -> None:
    del manifest["tasks"]["recognition"]


def _five_stages(manifest: dict[str, Any]) -> None:
    manifest["tasks"]["staging"]["classes"].pop()


def _five_offsets(manifest: dict[str, Any]) -> None:
    manifest["tasks"]["staging"]["offsets"] = [0.0] * 5


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (_five_offsets, "offsets: expected one a class, 6, found 5"),
        (_unknown, "colour: Extra inputs"),
        (_missing, "tasks.staging.temperature: Field required"),
        (_one_task, "tasks.recognition: Field required"),
        (_five_stages, "staging needs 6 classes"),
    ],
)
def test_a_manifest_with_a_wrong_key_is_refused_by_the_name_of_the_key(
    folder: Path, spoil: Callable[[dict[str, Any]], None], named: str
) -> None:
    manifest = read_manifest(folder)
    spoil(manifest)
    write_manifest(folder, manifest)
    with pytest.raises(Fatal, match=re.escape(named)):
        load_bundle(folder)


@pytest.mark.parametrize("weights", ["../other/weights.safetensors", "recognition/weights.pt"])
def test_weights_outside_the_bundle_or_in_another_format_are_never_opened(folder: Path, weights: str) -> None:
    manifest = read_manifest(folder)
    manifest["tasks"]["recognition"]["weights"] = weights
    write_manifest(folder, manifest)
    with pytest.raises(Fatal, match=r"expected \.safetensors weights inside the bundle"):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["manifest.json", "staging/weights.safetensors"])
def test_an_absent_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(Fatal, match=f"{name}, found none"):
        load_bundle(folder)


def test_the_device_uid_follows_from_the_weights_and_is_a_uid() -> None:
    """PS3.5 9.1 and B.2: at most 64 characters, components without a leading zero."""
    uid = device_uid("ab" * 32)
    assert uid == device_uid("ab" * 32) != device_uid("cd" * 32)
    assert re.fullmatch(r"2\.25\.(0|[1-9][0-9]{0,38})", uid)
    assert len(uid) <= 64


def test_reading_a_bundle_does_not_cost_an_import_of_torch(folder: Path) -> None:
    """`ra-node check` and the operator page read bundles; `listen` must be ready in a second."""
    program = (
        "import sys; from pathlib import Path; import ra_node.inference.predictor; "
        "from ra_node.inference.bundles.bundle import load_bundle; "
        f"load_bundle(Path({str(folder)!r})); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=300).returncode == 0


def with_domain(folder: Path, **domain: object) -> Path:
    write_manifest(folder, {**read_manifest(folder), "domain": domain})
    return folder


def test_a_bundle_states_the_hands_that_it_rates(folder: Path) -> None:
    """A bundle that states nothing rates every age, frontal views, and no plaster."""
    silent = read_bundle(folder).identity
    assert (silent.ages, silent.views, silent.casts) == (None, ("frontal",), False)
    stated = with_domain(folder, ages=[18, 90], views=["frontal", "oblique"], casts=True)
    told = read_bundle(stated).identity
    assert (told.ages, told.views, told.casts) == ((18.0, 90.0), ("frontal", "oblique"), True)


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        ({"ages": [19, 8.5]}, "expected 0 <= youngest < oldest <= 120, found 19, 8.5"),
        ({"ages": [-1, 8.5]}, "expected 0 <= youngest"),
        ({"ages": [8, 300]}, "expected 0 <= youngest"),
        ({"ages": [8]}, "ages"),
        ({"views": []}, "views"),
        ({"views": ["frontal", "frontal"]}, "expected each once"),
        ({"views": ["sideways"]}, "views"),
        ({"age": [8, 19]}, "domain.age"),
    ],
)
def test_a_domain_that_cannot_be_is_refused(folder: Path, domain: dict[str, object], message: str) -> None:
    with pytest.raises(Fatal, match=re.escape(message)):
        read_bundle(with_domain(folder, **domain))
