"""A pre-training learns what can be learnt, goes on after a kill, and says how far it came."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ra_node.errors import Fatal
from tests.training.network_builders import small_network
from tests.training.recipe_builders import DEMO, small_recipe
from training.classifier import pretrain
from training.classifier.pretrain import OUTPUTS, PLACES, figures, hand_loss, pretrained
from training.data.pretrain_dataset import KnownHands
from training.recipes.pretraining import PretrainNetworkRecipe, PretrainRecipe, read_pretrain_recipe

CPU = torch.device("cpu")


def recipe(epochs: int = 4) -> PretrainRecipe:
    network = PretrainNetworkRecipe(side_px=64, epochs=epochs, batch=8, learning_rate=1e-2, amp="off")
    return PretrainRecipe(
        seed=1,
        respects=(Path("demo.toml"),),
        validation=0.2,
        side_px=64,
        mean=0.25,
        std=0.25,
        augment=small_recipe().augment.model_copy(update={"gain": 0.0, "gamma": 0.0}),
        networks={"googlenet": network},
    )


def hands(count: int = 32) -> KnownHands:
    """Bright pictures are of older hands; half of the joints are unknown."""
    rng = np.random.default_rng(0)
    months = rng.uniform(60, 200, count).astype(np.float32)
    joints = rng.uniform(-0.5, 0.5, (count, 13, 2)).astype(np.float32)
    joints[::2] = np.nan
    images = np.clip(months[:, None, None] + rng.normal(0, 20, (count, 64, 64)), 0, 255)
    names = np.array([f"p{k}" for k in range(count)])
    return KnownHands(images.astype(np.uint8), joints, months, months > 130, names)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain, "build", lambda _, outputs: small_network(classes=outputs))


def test_the_age_of_hands_that_brighten_with_age_is_learnt(tmp_path: Path) -> None:
    chosen = recipe(epochs=12)
    network, ages = pretrained(chosen, "googlenet", hands(), tmp_path / "kept", CPU, lambda _: None)
    found = figures(network, chosen, "googlenet", hands(), hands(), ages, resamples=20)
    assert found["age error (months)"][0] < 0.6 * found["age error of the median age"][0]
    assert found["sex AUC (a guess: 0.5)"][0] > 0.8


def test_a_killed_pretraining_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(Exception):
        pass

    def kill(text: str) -> None:
        if "epoch 3/" in text:
            raise KilledError

    monkeypatch.setattr(pretrain, "CHECKPOINT_S", 0.0)
    whole, _ = pretrained(recipe(), "googlenet", hands(), tmp_path / "whole", CPU, lambda _: None)
    with pytest.raises(KilledError):
        pretrained(recipe(), "googlenet", hands(), tmp_path / "cut", CPU, kill)
    torch.rand(9)
    said: list[str] = []
    cut, _ = pretrained(recipe(), "googlenet", hands(), tmp_path / "cut", CPU, said.append)
    assert len(said) == 1
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), cut.parameters(), strict=True))


def test_joints_that_are_not_known_count_for_nothing() -> None:
    told = torch.randn(2, OUTPUTS)
    joints = torch.zeros(2, 13, 2)
    joints[1] = torch.nan
    other = told.clone()
    other[1, PLACES] += 5
    ages, male = torch.zeros(2), torch.ones(2)
    assert torch.equal(hand_loss(told, joints, ages, male), hand_loss(other, joints, ages, male))
    assert torch.isfinite(hand_loss(told, joints.fill_(torch.nan), ages, male))


def test_the_shipped_recipe_knows_all_five_networks_and_respects_both_splits() -> None:
    shipped, respected = read_pretrain_recipe(DEMO.with_name("pretrain.toml"))
    assert set(shipped.networks) == {"alexnet", "vgg16", "googlenet", "resnet50", "efficientnet_b2"}
    assert set(respected) == {"demo", "paper"}


def test_other_epochs_are_of_the_named_network_alone_and_an_unknown_one_is_refused() -> None:
    shipped, _ = read_pretrain_recipe(DEMO.with_name("pretrain.toml"))
    short = shipped.with_epochs("vgg16", 3)
    assert short.networks["vgg16"].epochs == 3
    assert short.networks["alexnet"] == shipped.networks["alexnet"]
    assert shipped.with_epochs("vgg16", None) == shipped
    with pytest.raises(Fatal, match=r"alexnet.*found 'lenet'"):
        shipped.with_epochs("lenet", None)
