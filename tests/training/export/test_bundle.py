"""An exported bundle says what the run said, in numbers and in words."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from ra_node.domain.statistics.agreement import Agreement
from ra_node.errors import Refused
from ra_node.inference.bundles.bundle import load_bundle
from ra_node.inference.bundles.manifest import Head
from ra_node.inference.hand_detector.detector import load_finder
from ra_node.inference.networks.architectures import build
from ra_node.inference.networks.heads import new_head, replace_last_layer
from ra_node.inference.predictor import Predictor
from tests.finders import demo_detector
from tests.training.recipe_builders import small_recipe
from training.classifier.loop import save_half
from training.data.data_kind import WORDS, DataKind
from training.data.dataset import Crops, Row, stacked
from training.data.weights_origin import Origin, metadata_of, read_origin
from training.evaluation.evaluate import Result, evaluated, unedited_figures, weights_path
from training.evaluation.metrics import in_words
from training.evaluation.network_outputs import run_outputs
from training.evaluation.task_calibration import CLASSES, Calibration, calibrated
from training.export.bundle import export
from training.export.model_card import card
from training.phantom.draw import draw_hands
from training.phantom.recipe import HandRecipe, PhantomRecipe
from training.recipes.classifier import Recipe

CPU = torch.device("cpu")


def hands() -> Crops:
    """Four hands a stage of eight patients, brighter by stage."""
    rng = np.random.default_rng(0)
    return stacked(
        [
            Row(rng.integers(0, 40 + 40 * k, (64, 64)).astype(np.uint8), k, f"p{n}", "held-out", "simulated")
            for k in range(6)
            for n in range(4)
        ]
    )


def written_run(folder: Path, head: Head) -> Path:
    """The weights of a run that learnt nothing, but are loud enough to differ by hand."""
    torch.manual_seed(1)
    for task, classes in CLASSES.items():
        network = build("googlenet", classes)
        if (task, head) == ("staging", "ordinal"):
            replace_last_layer(network, new_head(head, 1024, classes))
        loud = [part for part in network.modules() if isinstance(part, nn.Linear)][-1]
        loud.weight.data *= 50000 if loud.out_features > 1 else 500000
        save_half(network, weights_path(folder, task))
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_run(tmp_path_factory.mktemp("runs") / "small", "softmax")


def recipe(head: Head = "softmax") -> Recipe:
    plain = small_recipe()
    return plain.model_copy(update={"staging": plain.staging.model_copy(update={"head": head})})


def run_logits(run: Path, head: Head = "softmax") -> dict[str, np.ndarray]:
    outputs = run_outputs(run, recipe(head), hands().images, CPU, lambda _done, _total: None)
    return {task: logits for task, (logits, _features) in outputs.items()}


def exported(
    run: Path, folder: Path, head: Head = "softmax", data: DataKind = "simulated", **words: str
) -> tuple[Calibration, Result]:
    crops = hands()
    logits = run_logits(run, head)
    calibration = calibrated(logits, dict.fromkeys(CLASSES, crops.stages))
    staging = replace(calibration.staging, offsets=(0.3, -0.1, 0.0, 0.2, -0.4, 0.0))
    calibration = replace(calibration, staging=staging)
    figures = evaluated(logits, crops, calibration, seed=1, resamples=20)
    unedited = unedited_figures(logits, crops, calibration)
    result = Result({"held-out hands, simulated": 24}, figures, None, unedited, data)
    export(run, recipe(head), calibration, result, folder, detector=demo_detector(), started=None, **words)
    return calibration, result


@pytest.mark.parametrize("head", ["softmax", "ordinal"])
def test_the_bundle_gives_the_probabilities_of_the_run(tmp_path: Path, head: Head) -> None:
    """Half-precision weights, last layer, calibration and preprocessing are those that were evaluated."""
    run = written_run(tmp_path / "run", head)
    calibration, _ = exported(run, tmp_path / "bundle", head)
    logits = run_logits(run, head)
    expected = calibration.staging.probabilities(logits["staging"])
    judged = Predictor(load_bundle(tmp_path / "bundle"), "cpu").judge(list(hands().images))
    found = np.array([judgement.staging.probabilities for judgement in judged])
    assert np.abs(found - expected).max() < 1e-5
    assert np.ptp(found, axis=0).max() > 1e-3
    assert {judgement.recognition.threshold for judgement in judged} == {calibration.threshold}


def test_the_manifest_is_strict_json_with_counts_figures_and_terms(run: Path, tmp_path: Path) -> None:
    _, result = exported(run, tmp_path / "bundle")

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    manifest = json.loads((tmp_path / "bundle" / "manifest.json").read_text(), parse_constant=refuse)
    assert manifest["notice"] == WORDS["simulated"].notice
    assert "non-commercial" in manifest["provenance"]["terms"]
    assert manifest["training"]["counts"] == result.counts
    kept = manifest["tasks"]["recognition"]["metrics"]
    assert "sensitivity" in kept
    for name, (value, low, high) in kept.items():
        assert (value, low, high) == pytest.approx(asdict(result)["held_out"]["recognition"][name])
        assert low <= value <= high


def test_other_weights_have_another_version_and_the_same_ones_the_same(run: Path, tmp_path: Path) -> None:
    """Name and version come from a recipe, which two trainings may share."""
    exported(run, tmp_path / "a")
    exported(run, tmp_path / "a")
    other = shutil.copytree(run, tmp_path / "run")
    weights = weights_path(other, "recognition")
    state = load_file(weights)
    save_file(state | {"fc.bias": state["fc.bias"] + 1}, weights)
    exported(other, tmp_path / "b")
    versions = [load_bundle(tmp_path / name).identity.version for name in "ab"]
    assert versions[0] != versions[1]
    assert all(
        re.fullmatch(rf"{re.escape(recipe().version)}\+[0-9a-f]{{8}}", version) for version in versions
    )
    with pytest.raises(Refused, match=r"expected a new folder in --out, found the bundle demo .* in .*a"):
        exported(other, tmp_path / "a")


@pytest.mark.parametrize(
    ("words", "found"),
    [({"name": "a/b"}, "'a/b'"), ({"version": "1 beta"}, "'1 beta"), ({"name": "demo"}, "demo")],
)
def test_a_name_is_one_that_a_folder_can_have_and_not_that_of_the_demonstration(
    run: Path, tmp_path: Path, words: dict[str, str], found: str
) -> None:
    with pytest.raises(Refused, match=found):
        exported(run, tmp_path / "bundle", data="labelled", **words)
    assert not (tmp_path / "bundle").exists()


def test_terms_of_the_start_go_into_manifest_and_card(run: Path, tmp_path: Path) -> None:
    """Weights that began as somebody else's are not the site's alone."""
    own = shutil.copytree(run, tmp_path / "run")
    origin = Origin(("p1",), ("An archive", WORDS["labelled"].source), ("Not for sale.",))
    weights = weights_path(own, "staging")
    save_file(load_file(weights), weights, metadata_of(origin))
    exported(own, tmp_path / "bundle", data="labelled", name="mine")
    manifest = load_bundle(tmp_path / "bundle").manifest
    assert manifest.provenance["terms"] == f"Not for sale. {WORDS['labelled'].terms}"
    assert str(manifest.provenance["source"]).endswith("weights at the start: An archive")
    assert "Not for sale." in (tmp_path / "bundle" / "card.md").read_text()
    assert read_origin(weights_path(tmp_path / "bundle", "staging")) == origin


def test_the_detector_of_the_run_goes_along_and_the_networks_name_it(run: Path, tmp_path: Path) -> None:
    """With its weights, its figures and the terms of what it learnt from."""
    exported(run, tmp_path / "bundle")
    bundle = load_bundle(tmp_path / "bundle")
    assert bundle.manifest.finder == demo_detector().part
    assert bundle.manifest.preprocessing.detector_sha256 == demo_detector().sha256
    drawn = draw_hands(PhantomRecipe((HandRecipe(),), rows=500, columns=400, seed=3))
    (hand,) = load_finder(bundle).find(drawn.pixels.astype(np.float32))
    assert len(hand.joints) == 13
    assert "non-commercial" in str(bundle.manifest.provenance["detector"])
    assert demo_detector().sha256 in (tmp_path / "bundle" / "card.md").read_text()


def test_the_card_of_a_cross_validation_says_that_its_figures_are_not_those_of_its_own_networks(
    run: Path, tmp_path: Path
) -> None:
    """And how well the readers agreed, whose labels they are measured by."""
    calibration, result = exported(run, tmp_path / "bundle")
    agreement = Agreement("hands", 40, 32, (0.7, 0.6, 0.8), (0.9, 0.8, 0.95))
    changed = replace(result, data="labelled", folds=5, candidates=2, readers=[agreement], absent_stages=[5])
    text = " ".join(card(load_bundle(tmp_path / "bundle").manifest, changed, calibration).split())
    assert "by 5-fold cross-validation: each rated by networks that were not trained on its patient" in text
    assert "the best of 2 recipes, so biased upwards" in text
    assert "The readers among themselves: 32 of 40 hands alike; kappa 0.700 (0.600 to 0.800)" in text
    assert "No hand of stage 5 was in the training data" in text


def test_the_card_says_what_the_model_is_not(run: Path, tmp_path: Path) -> None:
    _, result = exported(run, tmp_path / "bundle")
    text = (tmp_path / "bundle" / "card.md").read_text()
    for said in ("not a medical device", "simulated", "non-commercial", "RSNA", "random weights"):
        assert said in text
    kappa = result.held_out.staging["quadratic_kappa"]
    assert f"| quadratic kappa | {kappa[0]:.3f} | {in_words(kappa)} |" in text
