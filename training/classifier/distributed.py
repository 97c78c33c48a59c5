"""The processes that train together under torchrun, or this one alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

PATIENCE = timedelta(hours=2)
"""Time-out of the others while the first process makes the crops or evaluates validation hands."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """Rank and number of processes; only the first one writes files and prints."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def share(self, count: int) -> slice:
        """The rows of a batch of `count` hands that this process computes."""
        return slice(count * self.rank // self.world, count * (self.rank + 1) // self.world)

    def total(self, value: Tensor) -> Tensor:
        """The sum of a value over all processes."""
        if self.world > 1:
            distributed.all_reduce(value)
        return value

    def gathered(self, value: object) -> list[Any]:
        """Gather a value of every process, in rank order; also a barrier."""
        if self.world == 1:
            return [value]
        everyone: list[Any] = [None] * self.world
        distributed.all_gather_object(everyone, value)
        return everyone

    def together(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network with gradients averaged over the processes; weights are copied from the first."""
        if self.world == 1:
            return network
        if device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]  # torch's
        return DistributedDataParallel(network, device_ids=[device] if device.type == "cuda" else None)


ALONE = Ranks()


@contextmanager
def joined_ranks(device: torch.device) -> Iterator[tuple[Ranks, torch.device]]:
    """Join the processes that torchrun started (from the environment): NCCL on CUDA, gloo on a CPU."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield ALONE, device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Ranks(distributed.get_rank(), world), device
    finally:
        distributed.destroy_process_group()
