"""Judgements follow the crops, their order and the calibration, whatever the batch."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from ra_node.domain.report import Recognition, Staging, explaining_task
from ra_node.domain.statistics.prevalence import posterior
from ra_node.errors import Fatal
from ra_node.inference.bundles.bundle import Bundle, load_bundle
from ra_node.inference.class_activation import heat_of
from ra_node.inference.cpu.feature_split import run_batches
from ra_node.inference.networks.loaded_network import chosen_device, load_network
from ra_node.inference.predictor import HandPrediction, Predictor
from tests.inference.bundle_builders import SIDE_PX, read_manifest, write_bundle, write_manifest


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return load_bundle(write_bundle(tmp_path_factory.mktemp("bundles") / "guess"))


@pytest.fixture(scope="module")
def predictor(bundle: Bundle) -> Predictor:
    """Its networks, which no test changes."""
    return Predictor(bundle, "cpu", 8)


def crops(count: int) -> list[NDArray[np.uint8]]:
    """Noise, each brighter than the last, so that even random weights tell them apart."""
    rng = np.random.default_rng(1)
    return [rng.integers(0, 50 * k + 20, (SIDE_PX, SIDE_PX)).astype(np.uint8) for k in range(count)]


def test_probabilities_are_complete_and_the_threshold_is_the_bundle_s(predictor: Predictor) -> None:
    for judgement in predictor.judge(crops(3)):
        assert sum(judgement.staging.probabilities) == pytest.approx(1)
        assert 0 <= judgement.recognition.probability <= 1
        assert judgement.recognition.threshold == 0.4


def test_the_batch_changes_neither_results_nor_their_order(bundle: Bundle, predictor: Predictor) -> None:
    hands, in_pairs = crops(5), Predictor(bundle, "cpu", 2)
    together, apart = predictor.judge(hands), in_pairs.judge(hands)
    for a, b in zip(together, apart, strict=True):
        assert a.recognition.probability == pytest.approx(b.recognition.probability, abs=1e-5)
        assert a.staging.probabilities == pytest.approx(b.staging.probabilities, abs=1e-5)
    backwards = in_pairs.judge(hands[::-1])[::-1]
    found = [judgement.recognition.probability for judgement in backwards]
    assert found == pytest.approx([judgement.recognition.probability for judgement in together], abs=1e-5)
    assert np.diff(sorted(found)).min() > 1e-4


def test_each_network_runs_once_for_all_hands_of_a_batch(bundle: Bundle) -> None:
    """A pass a task, not one a hand; only the rest of the network that says disease runs again for those."""
    predictor, trunks, rests = Predictor(bundle, "cpu", 8), [], []
    for network in (predictor._recognition, predictor._staging):
        split = network.split
        split.trunk.register_forward_pre_hook(lambda _, inputs: trunks.append(inputs[0].shape[0]))
        split.rest.register_forward_pre_hook(lambda _, inputs: rests.append(inputs[0].shape[0]))
    judged = predictor.judge(crops(5))
    told = [explaining_task(one.recognition, one.staging) for one in judged]
    explained = [hands for hands in (told.count("staging"), told.count("recognition")) if hands]
    assert trunks == [5, 5]
    assert rests == [5, 5, *explained]
    assert explained


def test_more_hands_than_a_batch_are_judged_part_by_part(bundle: Bundle) -> None:
    """So that the maps of many hands are never held at once."""
    predictor, passes = Predictor(bundle, "cpu", 2), []
    trunk = predictor._staging.split.trunk
    trunk.register_forward_pre_hook(lambda _, inputs: passes.append(inputs[0].shape[0]))
    judged = predictor.judge(crops(5))
    assert passes == [2, 2, 1]
    assert len(judged) == 5


def test_threads_that_predict_at_once_answer_as_one_after_the_other(predictor: Predictor) -> None:
    """The threads of a worker share the networks, also on the way back that the heat takes."""
    hands = crops(6)
    expected = [predictor.judge([hand])[0] for hand in hands]
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda hand: predictor.judge([hand])[0], hands * 4))
    assert any(one.heat is not None for one in expected)
    for one, alone in zip(found, expected * 4, strict=True):
        assert one.recognition.probability == pytest.approx(alone.recognition.probability, abs=1e-6)
        assert one.staging.probabilities == pytest.approx(alone.staging.probabilities, abs=1e-6)
        assert (one.heat is None) == (alone.heat is None)
        assert one.heat is None or alone.heat is None or np.abs(one.heat - alone.heat).max() < 1e-3


def test_only_disease_is_explained_and_by_the_network_that_says_it(
    bundle: Bundle, predictor: Predictor
) -> None:
    hands = np.stack(crops(4))
    staged = Staging((0.1, 0.9, 0.0, 0.0, 0.0, 0.0))
    healthy = Staging((0.9, 0.1, 0.0, 0.0, 0.0, 0.0))
    judged = [
        HandPrediction(Recognition(probability, 0.5), staging)
        for probability, staging in ((0.1, healthy), (0.9, healthy), (0.1, staged), (0.9, staged))
    ]
    recognition, staging = (
        predictor._probabilities(network, hands)[1]
        for network in (predictor._recognition, predictor._staging)
    )
    none, *by = [one.heat for one in predictor._with_heat_maps(judged, recognition, staging)]
    assert none is None
    recipe = bundle.manifest.preprocessing
    networks = (predictor._recognition, predictor._staging, predictor._staging)
    for heat, network, crop in zip(by, networks, hands[1:], strict=True):
        _, maps = run_batches(network.split, crop[None], recipe.mean, recipe.std, 1)
        expected = heat_of(network.split, network.place, maps, SIDE_PX, 1)[0]
        assert heat is not None
        assert np.abs(heat - expected).max() < 1e-2


def test_the_temperature_softens_the_probabilities(bundle: Bundle, tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "hot")
    manifest = read_manifest(folder)
    manifest["tasks"]["staging"]["temperature"] = 1e6
    write_manifest(folder, manifest)
    (judgement,) = Predictor(load_bundle(folder), "cpu").judge(crops(1))
    assert judgement.staging.probabilities == pytest.approx([1 / 6] * 6, abs=1e-4)


def test_the_offset_of_a_class_multiplies_its_odds(bundle: Bundle, tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "offset")
    manifest = read_manifest(folder)
    manifest["tasks"]["staging"]["offsets"] = [0, 0, 0, 0, 0, math.log(3)]
    write_manifest(folder, manifest)
    (before,) = Predictor(bundle, "cpu").judge(crops(1))
    (after,) = Predictor(load_bundle(folder), "cpu").judge(crops(1))
    odds = [
        found.staging.probabilities[5] / (1 - found.staging.probabilities[5]) for found in (before, after)
    ]
    assert odds[1] == pytest.approx(3 * odds[0], rel=1e-6)


def test_a_stated_prevalence_adds_a_probability_and_changes_no_call(bundle: Bundle, tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "shares")
    manifest = read_manifest(folder)
    manifest["tasks"]["recognition"]["shares"] = [0.5, 0.5]
    write_manifest(folder, manifest)
    (plain,) = Predictor(bundle, "cpu").judge(crops(1))
    (found,) = Predictor(load_bundle(folder), "cpu", prevalence=0.02).judge(crops(1))
    assert found.recognition.probability == plain.recognition.probability
    assert found.recognition.positive == plain.recognition.positive
    assert found.recognition.at_prevalence == posterior(plain.recognition.probability, 0.5, 0.02)


def test_a_prevalence_needs_a_bundle_that_states_its_own(bundle: Bundle) -> None:
    with pytest.raises(Fatal, match="prevalence: expected a bundle with the shares of classes"):
        Predictor(bundle, "cpu", prevalence=0.02)


def test_no_hands_need_no_forward_pass(predictor: Predictor) -> None:
    assert predictor.judge([]) == []


def test_a_crop_of_another_size_is_an_error_with_both_sizes(predictor: Predictor) -> None:
    with pytest.raises(ValueError, match=r"expected crops of \(64, 64\), found \[\(32, 32\)\]"):
        predictor.judge([np.zeros((32, 32), np.uint8)])


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(Fatal, match="expected the device 'abacus:0'"):
        chosen_device("abacus:0")


def test_auto_takes_what_the_machine_has() -> None:
    assert chosen_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    save_file({"fc.weight": torch.zeros(2, 2)}, tmp_path / "weights.safetensors")
    with pytest.raises(Fatal, match="expected weights of alexnet"):
        load_network("alexnet", 2, tmp_path / "weights.safetensors", torch.device("cpu"))


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    torch.save({"fc.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(Fatal, match="expected weights of alexnet"):
        load_network("alexnet", 2, path, torch.device("cpu"))
