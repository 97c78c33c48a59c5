"""Heat lies where the network saw what moved its answer, in all five architectures."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.ops import SqueezeExcitation

from ra_node.inference.class_activation import FeatureMap, feature_map, heat_of
from ra_node.inference.cpu.feature_split import run_batches, split_network
from ra_node.inference.networks.architectures import ARCHITECTURES, build

SIDE_PX = 96
TOY = FeatureMap("1", 4.0, 8.0)


def toy(sign: float) -> nn.Module:
    """Cells of 8 px; the brighter one is, the more it speaks for class 1 (or against it)."""
    convolution, last = nn.Conv2d(3, 1, 8, stride=8), nn.Linear(1, 2)
    with torch.no_grad():
        convolution.weight.fill_(1 / 192)
        convolution.bias.zero_()
        last.weight.copy_(torch.tensor([[-sign], [sign]]))
        last.bias.zero_()
    network = nn.Sequential(convolution, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), last)
    return network.requires_grad_(requires_grad=False).eval()


def heats(network: nn.Module, place: FeatureMap, crops: np.ndarray, mean: float, std: float, batch: int):
    """Heat of crops (N, side, side) as the node makes it."""
    side_px = crops.shape[-1]
    split = split_network(network, place.path, side_px)
    _, maps = run_batches(split, crops, mean, std, batch)
    return heat_of(split, place, maps, side_px, batch)


def spot(x: int, y: int, side: int = 64) -> np.ndarray:
    crop = np.zeros((side, side), np.uint8)
    crop[y - 8 : y + 8, x - 8 : x + 8] = 255
    return crop


def test_heat_lies_on_what_raises_the_answer_each_hand_on_its_own_scale():
    crops = np.stack([spot(16, 48), spot(40, 24) // 5])
    heat = heats(toy(1), TOY, crops, 0.0, 1.0, batch=1)
    assert heat.shape == crops.shape
    assert heat.max(axis=(1, 2)) == pytest.approx([1, 1])
    for one, (x, y) in zip(heat, ((16, 48), (40, 24)), strict=True):
        rows, columns = np.nonzero(one > 0.5)
        assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((x, y), abs=0.6)


def test_what_speaks_against_disease_is_no_heat():
    assert heats(toy(-1), TOY, spot(16, 48)[None], 0.0, 1.0, 1).max() == 0


@pytest.fixture(scope="module", params=ARCHITECTURES)
def untrained(request: pytest.FixtureRequest) -> tuple[str, nn.Module]:
    """An architecture and a network of it, which no test changes."""
    torch.manual_seed(3)
    return request.param, build(request.param, 6).requires_grad_(requires_grad=False).eval()


def test_every_architecture_gives_heat_at_the_same_answer_in_any_batch(untrained: tuple[str, nn.Module]):
    architecture, network = untrained
    place = feature_map(architecture, SIDE_PX)
    crops = np.random.default_rng(0).integers(0, 255, (3, SIDE_PX, SIDE_PX)).astype(np.uint8)
    together = heats(network, place, crops, 0.25, 0.25, 3)
    assert together.shape == crops.shape
    assert together.min() >= 0
    assert together.max(axis=(1, 2)) == pytest.approx([1, 1, 1])
    apart = heats(network, place, crops, 0.25, 0.25, 2)
    assert np.abs(apart - together).max() < 1e-2
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_cell_lies_where_the_pixels_lie_that_it_sees(untrained: tuple[str, nn.Module]):
    """The pixels that reach a cell lie evenly around the place that is told for it."""
    architecture, network = untrained
    if any(isinstance(part, SqueezeExcitation) for part in network.modules()):
        network = deepcopy(network)
    for path, part in list(network.named_modules()):
        if isinstance(part, SqueezeExcitation):  # it looks at the whole map, wherever the cell lies
            network.get_submodule(path.rpartition(".")[0])[int(path.rpartition(".")[2])] = nn.Identity()
    place, kept = feature_map(architecture, 224), []
    image = torch.rand(1, 3, 224, 224, requires_grad=True)
    with network.get_submodule(place.path).register_forward_hook(
        lambda _part, _given, made: kept.append(made)
    ):
        network(image)
    cells = kept[0].shape[-1]
    assert 24 <= cells <= 28
    at = cells // 2
    kept[0][0, :, at, at].abs().sum().backward()
    seen = np.nonzero(image.grad.abs().sum(dim=(0, 1, 2)).numpy())[0]
    middle = (seen[0] + seen[-1] + 1) / 2
    assert middle == pytest.approx(place.first_px + at * place.step_px, abs=2)
