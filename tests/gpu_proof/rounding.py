"""How far logits of two devices may lie apart, from the rounding of their arithmetic.

Every layer rounds its weights and its input to p significant bits, a relative error of at most 2^-p each.
Errors of different layers are independent, so they add in quadrature over the n convolutions and linear
layers: sqrt(2 n) 2^-p. A layer may amplify what it gets; four times the sum leaves room for it. A test
holds the formula against bfloat16 on a CPU.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

BITS = {"float32": 24, "TF32": 11, "float16": 11, "bfloat16": 8}
"""Significant bits, the hidden one included."""
ROOM = 4


def arithmetic_of(device: torch.device) -> str:
    """What a device makes of float32: convolutions on a card take TF32 unless PyTorch is told otherwise."""
    return "TF32" if device.type == "cuda" and torch.backends.cudnn.allow_tf32 else "float32"


def tolerance(network: nn.Module, arithmetic: str) -> float:
    """Largest relative distance of logits, in this arithmetic and exactly."""
    layers = sum(isinstance(one, nn.Conv2d | nn.Linear) for one in network.modules())
    return float(ROOM * math.sqrt(2 * layers) * 2.0 ** -BITS[arithmetic])


def distance(found: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    """Relative distance of logits (N, classes), as a whole."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
