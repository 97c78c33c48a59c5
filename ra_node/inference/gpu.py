"""GPU memory of this process."""

from __future__ import annotations

import torch


def device_names() -> list[str]:
    """Name and memory of each GPU that PyTorch can use."""
    if not torch.cuda.is_available():
        return []
    found = (torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count()))
    return [f"{one.name}, {one.total_memory / 2**30:.0f} GiB" for one in found]


def held_bytes() -> int | None:
    """Bytes that PyTorch has reserved on all GPUs together; None while this process uses none."""
    if not torch.cuda.is_available():
        return None
    return sum(torch.cuda.memory_reserved(number) for number in range(torch.cuda.device_count())) or None
