"""GPU memory of this process."""

from __future__ import annotations

import torch


def held_bytes() -> int | None:
    """Bytes that PyTorch has reserved on all GPUs together; None while this process uses none."""
    if not torch.cuda.is_available():
        return None
    return sum(torch.cuda.memory_reserved(number) for number in range(torch.cuda.device_count())) or None
