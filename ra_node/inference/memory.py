"""Runs a network on as many hands at once as the GPU has room for, and on the CPU where it has none.

A GPU that others fill up must not bury studies: what does not fit is tried with half as many hands,
at last on the CPU, and the log says so. The next call tries more again, so that it recovers by itself.
"""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import structlog
import torch
from numpy.typing import NDArray
from torch import nn

from ra_node.inference.network import logits_of


class Room:
    """What is known of the room on one device; `batch` is the most hands that go through at once."""

    def __init__(self, device: torch.device, batch: int) -> None:
        self.device = device
        self.batch = batch
        self._fitted = batch
        self._copies: dict[int, nn.Module] = {}

    def logits(
        self, network: nn.Module, crops: NDArray[np.uint8], mean: float, std: float
    ) -> NDArray[np.float64]:
        """Run crops (N, side, side) through a network of this device: logits (N, classes).

        Raises torch.OutOfMemoryError only where even the CPU has no room for one hand.
        """
        batch = min(self.batch, max(1, 2 * self._fitted))
        while batch:
            try:
                logits = logits_of(network, crops, mean, std, batch)
            except torch.OutOfMemoryError:
                structlog.get_logger().warning(
                    "gpu_out_of_memory", device=str(self.device), batch=batch, next_batch=batch // 2
                )
            else:
                self._fitted = batch
                return logits
            batch //= 2
            self._give_back()  # after the error is gone, and the tensors with it
        self._fitted = 0
        structlog.get_logger().warning("judged_on_cpu", device=str(self.device), hands=len(crops))
        return logits_of(self._on_cpu(network), crops, mean, std, 1)

    def _give_back(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _on_cpu(self, network: nn.Module) -> nn.Module:
        """A copy in main memory, made once; the network itself stays where it is."""
        if id(network) not in self._copies:
            moved: dict[int, object] = {
                id(one): nn.Parameter(one.detach().cpu(), requires_grad=False) for one in network.parameters()
            }
            moved |= {id(one): one.cpu() for one in network.buffers()}
            self._copies[id(network)] = deepcopy(network, moved)  # which copies nothing on the full GPU
        return self._copies[id(network)]
