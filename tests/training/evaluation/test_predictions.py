"""What the networks say is worked out once, and again only for other weights or crops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ra_node.inference.networks.architectures import build
from ra_node.inference.networks.loaded_network import load_network, logits_of
from tests.training.recipe_builders import small_recipe
from training.classifier.loop import save_half
from training.data.dataset import Crops, Row, stacked
from training.evaluation.evaluate import weights_path
from training.evaluation.predictions import Predictions, load_predictions, predictions
from training.evaluation.task_calibration import CLASSES

CPU = torch.device("cpu")


def crops() -> Crops:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (12, 64, 64)).astype(np.uint8)
    held = [Row(image, k % 6, f"p{k}", "held-out", "simulated") for k, image in enumerate(picture[:5])]
    tune = [Row(image, k % 6, f"t{k}", "tune", "simulated") for k, image in enumerate(picture[5:])]
    return stacked([*tune, *held])


def write_weights(run: Path, seed: int) -> None:
    torch.manual_seed(seed)
    for task, classes in CLASSES.items():
        save_half(build("googlenet", classes), weights_path(run, task))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_weights(tmp_path, 1)
    return tmp_path


def made(run: Path, hands: Crops) -> tuple[Predictions, int]:
    """Predictions, and how many hands had to be judged for them."""
    judged = []
    return predictions(run, small_recipe(), hands, CPU, lambda done, _: judged.append(done)), len(judged)


def test_the_last_layer_turns_the_kept_features_into_the_kept_logits(run: Path) -> None:
    """So the features are those of the penultimate layer, of held-out hands in their order."""
    told, _ = made(run, crops())
    chosen = told.rows("held-out")
    last = load_network("googlenet", 6, weights_path(run, "staging"), CPU).fc
    features = torch.from_numpy(told.features("staging", chosen))
    expected = last(features).numpy()
    assert features.shape == (5, 1024)
    assert told.logits(chosen)["staging"] == pytest.approx(expected, abs=1e-5)


def test_the_logits_are_those_of_the_network_alone(run: Path) -> None:
    told, _ = made(run, crops())
    recipe = small_recipe()
    network = load_network("googlenet", 2, weights_path(run, "recognition"), CPU)
    expected = logits_of(network, crops().images, recipe.mean, recipe.std, recipe.staging.batch)
    assert told.recognition == pytest.approx(expected, abs=1e-6)


def test_they_are_made_once_and_again_for_other_weights_or_stages(run: Path) -> None:
    first, judged = made(run, crops())
    assert judged > 0
    again, judged = made(run, crops())
    assert judged == 0
    assert np.array_equal(first.staging, again.staging)
    relabelled = replace(crops(), stages=np.zeros(12, np.int64))
    assert made(run, relabelled)[0].stages.max() == 0
    write_weights(run, 2)
    other, judged = made(run, relabelled)
    assert judged > 0
    assert load_predictions(run).key == other.key != first.key
    assert sorted(path.name for path in run.iterdir()) == ["predictions.npz", "recognition", "staging"]
