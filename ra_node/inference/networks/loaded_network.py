"""Loads and runs the networks, shared by the node and the evaluation of the training code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from ra_node.errors import Fatal
from ra_node.inference.bundles.manifest import Head
from ra_node.inference.networks.architectures import build
from ra_node.inference.networks.heads import last_layer, new_head, replace_last_layer, width_of


def chosen_device(name: str) -> torch.device:
    """Resolve "auto" (CUDA where there is any) or check a named device; raises Fatal without it."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise Fatal(f"expected the device {name!r} of [models] device, found: {reason}") from error
    return torch.device(name)


def load_network(
    architecture: str, classes: int, path: Path, device: torch.device, head: Head = "softmax"
) -> nn.Module:
    """Build a network for inference in float32 from half-precision safetensors; no pickle is read.

    Raises Fatal where the file does not hold the weights of this architecture with this last layer.
    """
    with torch.device("meta"):
        network = build(architecture, classes)
        replace_last_layer(network, new_head(head, width_of(last_layer(network)[1]), classes))
    try:
        tensors = load_file(path)
        wide = {key: t.float() if t.is_floating_point() else t for key, t in tensors.items()}
        network.load_state_dict(wide, assign=True)
        refuse_no_numbers(wide)
    except (RuntimeError, SafetensorError, OSError, ValueError) as error:
        raise Fatal(f"expected weights of {architecture} in {path}, found: {error}") from error
    network.requires_grad_(requires_grad=False)
    network.to(device).to(memory_format=torch.channels_last)
    return network.eval()


def refuse_no_numbers(tensors: Mapping[str, torch.Tensor]) -> None:
    """Raise ValueError for weights with NaN or infinity, as a diverged training leaves them.

    The output would not show it: oneDNN's activations turn NaN into zero.
    """
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ValueError(f"{key} holds what is no number")


def logits_of(
    network: nn.Module, crops: NDArray[np.uint8], mean: float, std: float, batch: int
) -> NDArray[np.float64]:
    """Run crops (N, side, side) through a network in evaluation: logits (N, classes)."""
    device = next(network.parameters()).device
    parts = []
    with torch.inference_mode():
        for start in range(0, len(crops), batch):
            grey_NHW = torch.from_numpy(crops[start : start + batch]).to(device)
            parts.append(network(network_input(grey_NHW, mean, std)).double().cpu().numpy())
    return np.concatenate(parts)


def network_input(grey_NHW: torch.Tensor, mean: float, std: float) -> torch.Tensor:
    """Normalise grey levels 0 to 255 and repeat them in three channels: (N, 3, H, W), channels last."""
    x_NCHW = grey_input(grey_NHW, mean, std).expand(-1, 3, -1, -1)
    return x_NCHW.contiguous(memory_format=torch.channels_last)


def grey_input(grey_NHW: torch.Tensor, mean: float, std: float) -> torch.Tensor:
    """Normalise grey levels 0 to 255, in one channel: (N, 1, H, W), channels last."""
    x_NHW1 = ((grey_NHW.float() / 255 - mean) / std)[..., None]
    return x_NHW1.permute(0, 3, 1, 2)
