"""The loop learns what can be learnt, the same way every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ra_node.errors import Fatal
from ra_node.inference.networks.architectures import build
from tests.training.recipe_builders import small_recipe
from training.classifier.epoch_log import Log
from training.classifier.loop import LoopContext, Progress, tune
from training.classifier.targets import soft_targets


def hands() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Noise whose brightness is its stage."""
    rng = np.random.default_rng(0)
    stages = np.arange(64) % 2
    crops = rng.integers(0, 60, (64, 64, 64)) + 120 * stages[:, None, None]
    return crops.astype(np.uint8), stages.astype(np.int64)


def losses(seed: int = 0) -> list[Progress]:
    log: list[Progress] = []
    torch.manual_seed(seed)
    recipe = small_recipe()
    network, (crops, stages) = build("googlenet", 2), hands()
    tune(network, crops, stages, recipe, "staging", log.append, torch.device("cpu"))
    return log


def test_a_few_steps_on_separable_noise_reduce_the_loss() -> None:
    log = losses()
    assert [line.step for line in log] == list(range(1, 17))
    assert log[-1].seconds_left == 0
    assert np.mean([line.loss for line in log[-4:]]) < 0.7 * np.mean([line.loss for line in log[:2]])


def test_frozen_layers_keep_their_weights_and_statistics_and_the_others_are_trained(tmp_path: Path) -> None:
    """Also after an epoch's validation, which leaves training mode."""
    around = LoopContext(
        log=Log(tmp_path / "log.csv"), validate=lambda network: float(network.eval().training)
    )
    torch.manual_seed(0)
    frozen = ("conv1", "inception3a", "inception4e")
    recipe = small_recipe().model_copy(update={"frozen": frozen})
    network, (crops, stages) = build("googlenet", 2), hands()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    tune(network, crops, stages, recipe, "staging", lambda _: None, torch.device("cpu"), around)
    changed = {n.split(".")[0] for n, v in network.state_dict().items() if not torch.equal(v, before[n])}
    assert changed.isdisjoint(frozen)
    assert {"conv2", "inception3b", "inception5b", "fc"} <= changed


def test_a_frozen_layer_that_the_network_does_not_have_is_named() -> None:
    recipe = small_recipe().model_copy(update={"frozen": ("conv1", "features")})
    network, (crops, stages) = build("googlenet", 2), hands()
    with pytest.raises(Fatal, match=r"layers of googlenet \(conv1, .*found features"):
        tune(network, crops, stages, recipe, "staging", lambda _: None, torch.device("cpu"))


def test_neighbouring_stages_share_the_label_and_rows_sum_to_one() -> None:
    targets = soft_targets(torch.tensor([0, 3]), 6, 0.2)
    assert targets.sum(dim=1).tolist() == pytest.approx([1, 1])
    assert targets[0].tolist() == pytest.approx([0.8, 0.2, 0, 0, 0, 0])
    assert targets[1].tolist() == pytest.approx([0, 0, 0.1, 0.8, 0.1, 0])
