"""Where a part of the proof runs, and the memory that it took."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tests.benchmarks.table import Row

Grey = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Place:
    """A device and an empty folder; `tiny` runs every line with next to no work."""

    device: torch.device
    folder: Path
    tiny: bool = False

    @property
    def processes(self) -> BaseContext:
        """How children start: a CUDA context does not survive a fork."""
        return multiprocessing.get_context("spawn" if self.device.type == "cuda" else "fork")


def noise(count: int, side_px: int, seed: int = 0) -> Grey:
    """Blurred noise (N, side, side): smooth like a radiograph, the same in every process."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, side_px // 8, side_px // 8))
    return coarse.repeat(8, axis=1).repeat(8, axis=2).astype(np.uint8)


def peak_rows(part: str, device: torch.device) -> Iterator[Row]:
    """Largest memory of this process so far, and of its share of the card."""
    main = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    yield Row(f"{part}: peak of main memory", f"{main:.2f} GiB")
    if device.type == "cuda":
        used, held = (
            f"{one(device) / 2**30:.2f} GiB"
            for one in (torch.cuda.max_memory_allocated, torch.cuda.max_memory_reserved)
        )
        yield Row(f"{part}: peak of GPU memory, used beside reserved", used, held)
