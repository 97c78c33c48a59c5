"""The network of the marker reader: patches of 32 px in, a probability for each letter out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, fx, nn

from ra_node.domain.laterality.marker import MARKER_CLASSES
from ra_node.errors import Fatal
from ra_node.inference.cpu.fx_graph import folded


class MarkerLetters(nn.Module):
    """About 95,000 weights; (N, 2, 32, 32) to logits (N, classes)."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            _conv(2, 16, size=5, stride=2),
            _conv(16, 32, stride=2),
            _conv(32, 48),
            _conv(48, 64, stride=2),
            nn.Flatten(),
        )
        self.head = nn.Sequential(
            nn.Linear(64 * 16, 48), nn.ReLU(), nn.Dropout(0.2), nn.Linear(48, len(MARKER_CLASSES))
        )

    def forward(self, x_NCHW: Tensor) -> Tensor:
        result: Tensor = self.head(self.trunk(x_NCHW))
        return result


def loaded(path: Path) -> nn.Module:
    """The network with the weights of a file, ready to run; raises Fatal where they do not fit."""
    network = MarkerLetters()
    try:
        network.load_state_dict({key: value.float() for key, value in load_file(path).items()})
    except (RuntimeError, SafetensorError, OSError) as error:
        raise Fatal(f"expected weights of the marker reader in {path}, found: {error}") from error
    network.requires_grad_(requires_grad=False).eval()
    return folded(network, fx.Tracer().trace(network)).eval()


def probabilities(network: nn.Module, patches: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities (N, classes) of patches (N, 2, 32, 32)."""
    with torch.inference_mode():
        return np.asarray(network(torch.from_numpy(patches)).softmax(dim=1).numpy(), np.float32)


def _conv(low: int, high: int, *, size: int = 3, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(low, high, size, stride=stride, padding=size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(high), nn.ReLU())
