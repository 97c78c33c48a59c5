"""A network in two parts, folded and packed, answers as the whole one did, and has its slope."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from ra_node.inference.class_activation import feature_map
from ra_node.inference.cpu import feature_split
from ra_node.inference.cpu.feature_split import SplitNetwork, run_batches, split_network
from ra_node.inference.cpu.packed_convolution import can_pack
from ra_node.inference.networks.architectures import ARCHITECTURES
from ra_node.inference.networks.loaded_network import logits_of, network_input
from tests.inference.network_builders import MEAN, STD, blobs, lively, rounding

SIDE_PX = 96


def parted(network: nn.Module, architecture: str) -> SplitNetwork:
    return split_network(network, feature_map(architecture, SIDE_PX).path, SIDE_PX)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def whole(request: pytest.FixtureRequest) -> tuple[str, nn.Module]:
    """An architecture and a network of it, which no test changes."""
    return request.param, lively(request.param, SIDE_PX)


@cache
def googlenet() -> nn.Module:
    """One that no test changes."""
    return lively("googlenet", SIDE_PX)


def test_the_batch_norm_of_these_tests_is_not_fresh():
    """Fresh statistics would let a fold that forgets them pass."""
    norms = [part for part in googlenet().modules() if isinstance(part, nn.BatchNorm2d)]
    assert all(norm.running_mean.abs().max() > 0.1 for norm in norms)


def test_every_architecture_answers_as_the_whole_network(whole: tuple[str, nn.Module], monkeypatch):
    """Packed and unpacked, to a thousandth of what tells hands apart; the network is left as it was."""
    architecture, network = whole
    before = [(value.data_ptr(), value._version) for value in network.state_dict().values()]
    hands = blobs(3, SIDE_PX)
    expected = logits_of(network, hands, MEAN, STD, 3)
    spread = np.ptp(expected, axis=0).max()
    assert spread > 1e-3
    packing = parted(network, architecture)
    monkeypatch.setattr(feature_split, "can_pack", lambda _device: False)
    for made in (packing, parted(network, architecture)):
        found, maps = run_batches(made, hands, MEAN, STD, 2)
        most = rounding(network) * np.abs(expected).max()
        assert np.abs(found - expected).max() < min(1e-3 * spread, most)
        with torch.no_grad():
            assert made.rest(maps.clone()).numpy() == pytest.approx(expected, abs=most)
        assert not [part for part in made.modules() if isinstance(part, nn.BatchNorm2d)]
    assert before == [(value.data_ptr(), value._version) for value in network.state_dict().values()]


def slopes(network: nn.Module, architecture: str, hands: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """The slope of the last class at the feature map: of the split network, and of the whole one."""
    kept: list[torch.Tensor] = []

    def keep(_part: nn.Module, _given: object, made: torch.Tensor) -> torch.Tensor:
        kept.append(made.detach().requires_grad_())
        return kept[0]

    place = feature_map(architecture, SIDE_PX)
    with network.get_submodule(place.path).register_forward_hook(keep):
        logits = network(network_input(torch.from_numpy(hands), MEAN, STD))
    (expected,) = torch.autograd.grad(logits[:, -1].sum(), kept[0])
    split = parted(network, architecture)
    maps = run_batches(split, hands, MEAN, STD, len(hands))[1].clone().requires_grad_()
    (found,) = torch.autograd.grad(split.rest(maps)[:, -1].sum(), maps)
    assert (maps - kept[0]).abs().max() < rounding(network) * kept[0].abs().max()
    return found, expected


def test_the_slope_at_the_map_is_that_of_the_whole_network(whole: tuple[str, nn.Module]):
    """Through every kind of convolution and activation; the explanation is made of it."""
    architecture, network = whole
    found, expected = slopes(network, architecture, blobs(2, SIDE_PX))
    assert expected.abs().max() > 0
    # A rounding may turn a ReLU at its bend: 0.02 at most on the CPUs seen; one wrong layer makes it 1.
    assert (found - expected).norm() < 0.15 * expected.norm()


def test_an_ordinal_network_has_its_slope_as_well():
    network = lively("googlenet", SIDE_PX, "ordinal")
    found, expected = slopes(network, "googlenet", blobs(2, SIDE_PX))
    assert (found - expected).norm() < 0.15 * expected.norm()


@pytest.mark.skipif(not can_pack(torch.device("cpu")), reason="this CPU has no packed convolutions")
def test_the_trunk_holds_nothing_for_a_way_back():
    """Its weights are held once; who asks for a slope through it is told."""
    trunk = parted(googlenet(), "googlenet").trunk
    assert not list(trunk.parameters())
    made = trunk(torch.zeros(1, 1, SIDE_PX, SIDE_PX, requires_grad=True))
    with pytest.raises(RuntimeError, match="packed for the way back"):
        made.sum().backward()


def test_another_size_of_batch_or_hand_than_the_usual_runs_as_well():
    network = googlenet()
    made = parted(network, "googlenet")
    for count, side in ((1, SIDE_PX), (9, SIDE_PX), (2, 128)):
        hands = np.resize(blobs(3, SIDE_PX), (count, side, side))
        expected = logits_of(network, hands, MEAN, STD, count)
        most = rounding(network) * np.abs(expected).max()
        assert run_batches(made, hands, MEAN, STD, count)[0] == pytest.approx(expected, abs=most)


def test_a_part_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="expected a part 'inception9z'"):
        split_network(googlenet(), "inception9z", SIDE_PX)
