"""A process tells how much of the GPUs it holds, and nothing where it holds none."""

import torch

from ra_node.inference import gpu


def test_without_a_gpu_there_is_nothing_to_tell(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.held_bytes() is None


def test_all_gpus_together_are_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda number: (number + 1) * 100)
    assert gpu.held_bytes() == 300
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda number: 0)
    assert gpu.held_bytes() is None
