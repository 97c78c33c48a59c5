"""Runs a network with the batch size that fits the GPU memory, and on the CPU where none fits.

Jobs must not fail because other processes fill the GPU: a batch that does not fit is halved, finally run on
the CPU, and logged. The next call tries a larger batch again.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import TypeVar, cast

import numpy as np
import structlog
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ra_node.inference.class_activation import FeatureMap, heat_of
from ra_node.inference.cpu.feature_split import SplitNetwork, run_batches

Result = TypeVar("Result")
Network = TypeVar("Network", bound=nn.Module)


class MemoryBudget:
    """The networks of a device with the batch size that fits it; `batch` is the largest."""

    def __init__(self, device: torch.device, batch: int) -> None:
        self.device = device
        self.batch = batch
        self._fitted: dict[str, int] = {}
        self._copies: dict[int, nn.Module] = {}

    def answer(
        self, network: SplitNetwork, crops: NDArray[np.uint8], mean: float, std: float
    ) -> tuple[NDArray[np.float64], Tensor]:
        """Run crops (N, side, side) through a network of this device: logits (N, classes), and maps.

        Raises torch.OutOfMemoryError only where one hand does not fit the CPU memory.
        """
        return self.fit(
            "answer", network, len(crops), lambda run, batch: run_batches(run, crops, mean, std, batch)
        )

    def heat(
        self, network: SplitNetwork, place: FeatureMap, maps_NCHW: Tensor, side_px: int
    ) -> NDArray[np.float32]:
        """Heat maps by `heat_of`: (N, side, side). Raises like `answer`."""
        return self.fit(
            "heat", network, len(maps_NCHW), lambda run, batch: heat_of(run, place, maps_NCHW, side_px, batch)
        )

    def fit(self, kind: str, network: Network, hands: int, run: Callable[[Network, int], Result]) -> Result:
        """Run with the batch size that fitted last for this kind of pass. Raises like `answer`."""
        batch = min(self.batch, max(1, 2 * self._fitted.get(kind, self.batch)))
        while batch:
            try:
                result = run(network, batch)
            except torch.OutOfMemoryError:
                structlog.get_logger().warning(
                    "gpu_memory_exhausted", device=str(self.device), batch=batch, next_batch=batch // 2
                )
            else:
                self._fitted[kind] = batch
                return result
            batch //= 2
            self._give_back()  # after the exception and its tensors are released
        self._fitted[kind] = 0
        structlog.get_logger().warning("cpu_fallback_used", device=str(self.device), hands=hands)
        return run(self._on_cpu(network), 1)

    def _give_back(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _on_cpu(self, network: Network) -> Network:
        """A copy in main memory, made once; the network itself stays on its device."""
        held = self._copies.get(id(network))
        if held is None:
            moved: dict[int, object] = {
                id(one): nn.Parameter(one.detach().cpu(), requires_grad=False) for one in network.parameters()
            }
            moved |= {id(one): one.cpu() for one in network.buffers()}
            held = deepcopy(network, moved)  # which copies nothing on the full GPU
            self._copies[id(network)] = held
        return cast("Network", held)
