"""The small network shared by all joints: crop and kind of joint in, log-probabilities of stages out.

Shapes: N crops of one channel, H and W pixels; K kinds of joint, 6 stages.
"""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from ra_node.domain.joints import JOINTS
from ra_node.domain.report import STAGES
from ra_node.errors import Fatal
from ra_node.inference.networks.heads import OrdinalHead
from ra_node.inference.networks.loaded_network import refuse_no_numbers

MEAN, STD = 0.45, 0.25
"""Mean and standard deviation of grey / 255 in joint crops."""

WIDTHS = (16, 32, 64, 80)


class JointNetwork(nn.Module):
    """Four residual stages of halved size; the kind of the joint shifts and scales the features twice."""

    def __init__(self) -> None:
        super().__init__()
        first = WIDTHS[0]
        self.stem = nn.Sequential(_convolution(1, first, 5, 2), nn.ReLU(inplace=True))
        self.stages = nn.ModuleList(_Stage(before, after) for before, after in pairwise(WIDTHS))
        self.kind_middle = nn.Embedding(len(JOINTS), 2 * WIDTHS[1])
        self.kind_end = nn.Embedding(len(JOINTS), 4 * WIDTHS[-1])
        for kind in (self.kind_middle, self.kind_end):
            nn.init.zeros_(kind.weight)
        self.mixing = nn.Sequential(nn.Linear(2 * WIDTHS[-1], 96), nn.ReLU(inplace=True))
        self.head = OrdinalHead(96, len(STAGES))

    def forward(self, x_N1HW: Tensor, kinds_N: Tensor) -> Tensor:
        maps = self.stem(x_N1HW)
        for place, stage in enumerate(self.stages):
            maps = stage(maps)
            if place == 0:
                scale, shift = self.kind_middle(kinds_N)[:, :, None, None].chunk(2, dim=1)
                maps = maps * (1 + scale) + shift
        pooled = torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)
        scale, shift = self.kind_end(kinds_N).chunk(2, dim=1)
        logits: Tensor = self.head(
            self.mixing(functional.dropout(pooled * (1 + scale) + shift, 0.2, self.training))
        )
        return logits


class _Stage(nn.Module):
    """Residual stage: halves the size, then adds the output of two convolutions."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.down = nn.Sequential(_convolution(before, after, 3, 2), nn.ReLU(inplace=True))
        self.inner = nn.Sequential(
            _convolution(after, after, 3, 1), nn.ReLU(inplace=True), _convolution(after, after, 3, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        small = self.down(x)
        return torch.relu(small + self.inner(small))


def _convolution(before: int, after: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(after)
    )


def joint_input(grey_NHW: Tensor) -> Tensor:
    """Normalise grey levels 0 to 255: (N, 1, H, W)."""
    return ((grey_NHW.float() / 255 - MEAN) / STD)[:, None]


def load_joint_network(path: Path, device: torch.device) -> JointNetwork:
    """Build the network for inference in float32 from half-precision safetensors; no pickle is read.

    Raises Fatal where the file does not hold its weights.
    """
    network = JointNetwork()
    try:
        held = load_file(path)
        wide = {key: t.float() if t.is_floating_point() else t for key, t in held.items()}
        network.load_state_dict(wide)
        refuse_no_numbers(wide)
    except (RuntimeError, SafetensorError, OSError, ValueError) as error:
        raise Fatal(f"expected weights of the joint network in {path}, found: {error}") from error
    network.requires_grad_(requires_grad=False)
    return network.to(device).to(memory_format=torch.channels_last).eval()


def joint_log_probabilities(
    network: JointNetwork, crops: NDArray[np.uint8], kinds: NDArray[np.int64], batch: int = 208
) -> NDArray[np.float64]:
    """Run crops (N, side, side) of joints and their mirror images through the network in evaluation: (N, 6).

    The mean of both: on 104 simulated hands at 64 px the accuracy of the highest joint was 0.68 for 0.64.
    """
    device = next(network.parameters()).device
    parts = []
    with torch.inference_mode():
        for start in range(0, len(crops), batch):
            rows = slice(start, start + batch)
            x_N1HW = joint_input(torch.from_numpy(crops[rows]).to(device))
            kinds_N = torch.from_numpy(kinds[rows]).to(device)
            both = [network(x, kinds_N).double().log_softmax(dim=1) for x in (x_N1HW, x_N1HW.flip(3))]
            parts.append((torch.logaddexp(*both) - math.log(2)).cpu().numpy())
    return np.concatenate(parts)
