"""Untrained networks that behave like trained ones: their batch norm has statistics, of hands it has seen."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ra_node.inference.bundles.manifest import Head
from ra_node.inference.networks.architectures import build
from ra_node.inference.networks.heads import last_layer, new_head, replace_last_layer, width_of
from ra_node.inference.networks.loaded_network import network_input

MEAN, STD = 0.25, 0.3


def rounding(network: nn.Module) -> float:
    """How far, in parts of the largest value, two ways to compute a network in float32 may differ.

    Each sum of n products rounds n times by half a unit (6e-8), in any order and by any number of threads, so
    the errors grow as a walk does: by the root of all fan-ins along the way. Eight deviations for each way.
    """
    layers = [part for part in network.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    return 16 * torch.finfo(torch.float32).eps / 2 * sum(part.weight[0].numel() for part in layers) ** 0.5


def blobs(count: int, side_px: int, seed: int = 2) -> NDArray[np.uint8]:
    """Pictures (count, side, side), of another shape and brightness each."""
    coarse = np.random.default_rng(seed).integers(0, 255, (count, 6, 6)).astype(np.uint8)
    return np.stack([cv2.resize(one // (at % 3 + 1), (side_px, side_px)) for at, one in enumerate(coarse)])


def lively(architecture: str, side_px: int, head: Head = "softmax", classes: int = 6) -> nn.Module:
    """A network in evaluation, channels last, whose answers differ from picture to picture."""
    torch.manual_seed(3)
    network = build(architecture, classes)
    replace_last_layer(network, new_head(head, width_of(last_layer(network)[1]), classes))
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 0.9
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, 0, 0.2)
        elif isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
    network.requires_grad_(requires_grad=False).to(memory_format=torch.channels_last)
    network.train()(network_input(torch.from_numpy(blobs(4, side_px, seed=9)), MEAN, STD))
    return network.eval()
