"""The one training loop: seeded, with its loss and the time left in sight."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ra_node.inference.network import network_input
from training.augment import augmented
from training.recipe import Recipe, TaskRecipe


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of the log."""

    task: str
    step: int
    steps: int
    loss: float
    """Mean since the last line."""
    seconds_left: float


Report = Callable[[Progress], None]
TaskName = Literal["staging", "recognition"]


def tune(
    network: nn.Module,
    crops: NDArray[np.uint8],
    labels: NDArray[np.int64],
    recipe: Recipe,
    name: TaskName,
    report: Report,
    device: torch.device,
) -> None:
    """Train `network` in place on crops (N, side, side) with labels (N,) by AdamW and one cycle.

    Classes weigh the same whatever their number. On the CPU, the arithmetic is bfloat16 where the
    processor has it; weights stay float32.
    """
    task: TaskRecipe = getattr(recipe, name)
    targets = soft_targets(torch.from_numpy(labels), _classes(labels), task.neighbour_smoothing)
    weights = _class_weights(labels)
    steps = max(1, round(task.epochs * (len(labels) // task.batch)))
    optimiser = torch.optim.AdamW(network.parameters(), task.learning_rate, weight_decay=task.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, task.learning_rate, total_steps=steps + 1)
    generator = torch.Generator().manual_seed(recipe.seed)
    network.to(device).to(memory_format=torch.channels_last)
    network.train()
    log = _Log(name, steps, report)
    for step, chosen in zip(range(steps), _batches(len(labels), task.batch, generator), strict=False):
        grey_NHW = augmented(torch.from_numpy(crops)[chosen], recipe.augment, generator)
        x_NCHW = network_input(grey_NHW.to(device), recipe.mean, recipe.std)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits = network(x_NCHW)
        loss = cross_entropy(logits.float(), targets[chosen].to(device), weight=weights.to(device))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own gap
        optimiser.step()
        schedule.step()
        log.add(step, float(loss.detach()))


def soft_targets(labels: Tensor, classes: int, smoothing: float) -> Tensor:
    """One-hot (N, classes) with `smoothing` of each label given to its neighbouring stages."""
    distance = (torch.arange(classes)[None] - labels[:, None]).abs()
    near = (distance == 1).float()
    near = smoothing * near / near.sum(dim=1, keepdim=True).clamp(min=1)
    return near + (distance == 0).float() * (1 - smoothing)


def save_half(network: nn.Module, path: Path) -> None:
    """Write the weights as the bundle ships them: half precision, safetensors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = network.state_dict()
    half = {k: (t.half() if t.is_floating_point() else t).contiguous().cpu() for k, t in state.items()}
    save_file(half, path)


def _classes(labels: NDArray[np.int64]) -> int:
    return int(labels.max()) + 1


def _class_weights(labels: NDArray[np.int64]) -> Tensor:
    """Inverse frequency with a mean of 1 over the hands."""
    counts = np.bincount(labels, minlength=_classes(labels))
    return torch.from_numpy(len(labels) / (len(counts) * np.maximum(counts, 1))).float()


def _batches(count: int, batch: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Endless shuffled batches of indices; a short rest waits for no one."""
    while True:
        order = torch.randperm(count, generator=generator)
        yield from (order[start : start + batch] for start in range(0, count - batch + 1, batch))


class _Log:
    """Says how far the loop is, about fifty times a run."""

    def __init__(self, task: str, steps: int, report: Report) -> None:
        self._task, self._steps, self._report = task, steps, report
        self._every = max(1, steps // 50)
        self._losses: list[float] = []
        self._start_s = time.monotonic()

    def add(self, step: int, loss: float) -> None:
        self._losses.append(loss)
        done = step + 1
        if done % self._every and done != self._steps:
            return
        left_s = (time.monotonic() - self._start_s) / done * (self._steps - done)
        self._report(Progress(self._task, done, self._steps, float(np.mean(self._losses)), left_s))
        self._losses.clear()
