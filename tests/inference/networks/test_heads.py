"""Every last layer answers with numbers whose softmax is the probability of each class."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from ra_node.errors import Fatal
from ra_node.inference.networks.architectures import ARCHITECTURES, build
from ra_node.inference.networks.heads import (
    PACE,
    OrdinalHead,
    TwoHeads,
    last_layer,
    new_head,
    replace_last_layer,
    width_of,
)
from ra_node.inference.networks.loaded_network import load_network

CPU = torch.device("cpu")


def ordinal() -> OrdinalHead:
    torch.manual_seed(3)
    head = OrdinalHead(4, 6)
    nn.init.normal_(head.gaps, std=0.1)
    return head


def test_the_ordinal_probabilities_are_differences_of_sigmoids_and_complete() -> None:
    head, features = ordinal(), torch.randn(5, 4)
    gaps = nn.functional.softplus(PACE * head.gaps)
    cuts = PACE * head.first_cut + torch.cat([torch.zeros(1), gaps.cumsum(0)])
    above = torch.sigmoid(head.score(features) - cuts)
    edges = torch.cat([torch.ones(5, 1), above, torch.zeros(5, 1)], dim=1)
    found = torch.softmax(head(features), dim=1)
    assert torch.allclose(found, edges[:, :-1] - edges[:, 1:], atol=1e-5)
    assert torch.allclose(head(features).exp().sum(dim=1), torch.ones(5), atol=1e-5)


def test_a_higher_score_is_a_higher_stage_and_extreme_ones_stay_finite() -> None:
    head = OrdinalHead(1, 6)
    nn.init.ones_(head.score.weight)
    told = head(torch.linspace(-9, 9, 200)[:, None]).argmax(dim=1)
    assert told.tolist() == sorted(told.tolist())
    assert set(told.tolist()) == set(range(6))
    extreme = torch.tensor([[-1e4], [1e4]], requires_grad=True)
    head(extreme).sum().backward()
    assert torch.isfinite(head(extreme)).all()
    assert torch.isfinite(head.gaps.grad if head.gaps.grad is not None else torch.tensor(math.nan)).all()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_last_layer_of_every_network_can_be_replaced(name: str) -> None:
    with torch.device("meta"):
        network = build(name, 6)
        path, linear = last_layer(network)
        layer = TwoHeads(new_head("ordinal", width_of(linear), 6), new_head("softmax", width_of(linear), 2))
        replace_last_layer(network, layer)
    assert last_layer(network) == (path, layer)
    assert width_of(layer) == width_of(linear)


def test_two_heads_answer_side_by_side() -> None:
    heads, features = TwoHeads(ordinal(), nn.Linear(4, 2)), torch.randn(3, 4)
    told = heads(features)
    assert torch.equal(told[:, :6], heads.staging(features))
    assert torch.equal(told[:, 6:], heads.recognition(features))


def test_weights_with_an_ordinal_layer_load_only_as_such(tmp_path: Path) -> None:
    network = build("googlenet", 6)
    replace_last_layer(network, new_head("ordinal", 1024, 6))
    path = tmp_path / "weights.safetensors"
    save_file({key: t.contiguous() for key, t in network.state_dict().items()}, path)
    loaded = load_network("googlenet", 6, path, CPU, "ordinal")
    assert torch.equal(last_layer(loaded)[1].get_parameter("gaps"), load_file(path)["fc.gaps"])
    told = loaded(torch.zeros(1, 3, 64, 64))
    assert np.isclose(float(told.exp().sum()), 1, atol=1e-5)
    with pytest.raises(Fatal, match="expected weights of googlenet"):
        load_network("googlenet", 6, path, CPU)
