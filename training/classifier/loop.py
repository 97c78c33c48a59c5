"""The training loop: seeded, resumable, with printed loss and remaining time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor, nn

from ra_node.errors import Fatal
from ra_node.inference.networks.loaded_network import network_input
from training.classifier.augment import augmented
from training.classifier.checkpoint import Checkpoint
from training.classifier.distributed import ALONE, Ranks
from training.classifier.epoch_log import EpochRow, Log
from training.classifier.targets import goals, loss_sum
from training.classifier.train_state import new_learner
from training.io.atomic_file import write_whole
from training.recipes.classifier import Recipe, TaskRecipe


@dataclass(frozen=True, slots=True)
class Progress:
    """One line for the terminal."""

    task: str
    step: int
    steps: int
    loss: float
    """Mean since the last line."""
    seconds_left: float


Report = Callable[[Progress], None]
TaskName = Literal["staging", "recognition"]
Validate = Callable[[nn.Module], float]


@dataclass(frozen=True, slots=True)
class LoopContext:
    """Environment of the loop: names of hands, other processes, and the checkpoint."""

    hands: Sequence[str] = ()
    """A name for each crop, for messages about a batch with a NaN loss."""
    ranks: Ranks = ALONE
    checkpoint: Checkpoint | None = None
    log: Log | None = None
    validate: Validate | None = None
    """A figure of the network, once an epoch."""


NOTHING = LoopContext()


def tune(
    network: nn.Module,
    crops: NDArray[np.uint8],
    labels: NDArray[np.int64] | Sequence[NDArray[np.int64]],
    recipe: Recipe,
    name: TaskName,
    report: Report,
    device: torch.device,
    around: LoopContext = NOTHING,
    classes: Sequence[int] = (),
) -> None:
    """Train `network` in place on crops (N, side, side) with labels (N,); resumes from a checkpoint.

    Several sets of labels are several tasks with concatenated outputs; `classes` are their numbers where
    labels may lack one. The crops are on the device, and each process computes its share of every batch
    there. Raises Fatal at a NaN loss, with epoch, step and hands, and at disk errors.
    """
    task: TaskRecipe = getattr(recipe, name)
    ranks, plan = around.ranks, _Plan(len(crops), task, around.ranks.world)
    crops_NHW = torch.from_numpy(crops).to(device)
    asked = goals([labels] if isinstance(labels, np.ndarray) else labels, task, device, classes)
    for layer in frozen_layers(network, recipe):
        layer.requires_grad_(requires_grad=False)
    network.to(device)
    if recipe.channels_last:
        network.to(memory_format=torch.channels_last)
    together = ranks.together(network, device)
    learner = new_learner(network, recipe, task, plan.steps, device)
    held = around.checkpoint.load() if around.checkpoint else None
    if held:
        learner.restore(held, ranks)
    _begin_training(network, recipe)
    progress = _Progress(name, plan.steps, report, done=held["step"] if held else 0)
    for epoch in range(held["epoch"] if held else 0, plan.epochs):
        start_s, losses, rate = time.monotonic(), [], learner.learning_rate
        for chosen in plan.batches(epoch, learner.generator):
            rows, rate = ranks.share(len(chosen)), learner.learning_rate
            grey_NHW = augmented(crops_NHW[chosen], recipe.augment, learner.generator, rows)
            with learner.autocast():
                logits = together(network_input(grey_NHW, recipe.mean, recipe.std))
            total = loss_sum(logits, asked, chosen[rows])
            losses.append(float(ranks.total(total.detach().clone())) / len(chosen))
            if not math.isfinite(losses[-1]):
                raise _not_a_number(name, epoch, len(losses), losses[-1], chosen, around.hands)
            learner.step(total * ranks.world / len(chosen))
            progress.add(losses[-1])
        seconds = time.monotonic() - start_s
        _keep_epoch(
            EpochRow(name, epoch + 1, float(np.mean(losses)), rate, round(seconds, 3), None), network, around
        )
        _begin_training(network, recipe)
        last = epoch + 1 == plan.epochs
        if around.checkpoint and ranks.gathered(last or around.checkpoint.due)[0]:
            state = learner.state(ranks) | {"epoch": epoch + 1, "step": progress.done}
            if ranks.first:
                around.checkpoint.save(state)


def frozen_layers(network: nn.Module, recipe: Recipe) -> list[nn.Module]:
    """The layers that keep the weights of the start; raises Fatal where the network has none of that name."""
    layers = dict(network.named_children())
    unknown = [name for name in recipe.frozen if name not in layers]
    if unknown:
        raise Fatal(
            f"frozen: expected layers of {recipe.architecture} ({', '.join(layers)}), found {unknown[0]}"
        )
    return [layers[name] for name in recipe.frozen]


def _begin_training(network: nn.Module, recipe: Recipe) -> None:
    """Training mode; frozen layers also keep the statistics of their batch normalisation."""
    network.train()
    for layer in frozen_layers(network, recipe):
        layer.eval()


def save_half(network: nn.Module, path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write the weights as in a bundle: half precision, safetensors, atomically.

    `metadata` describes their origin.
    """
    state = network.state_dict()
    half = {k: (t.half() if t.is_floating_point() else t).contiguous().cpu() for k, t in state.items()}
    content = save(half, dict(metadata) if metadata else None)
    write_whole(path, lambda file: file.write(content))


@dataclass(frozen=True, slots=True)
class _Plan:
    """Steps and epochs of a task, and the hands of each batch."""

    hands: int
    task: TaskRecipe
    world: int

    @property
    def batch(self) -> int:
        return min(self.task.batch, self.hands)

    @property
    def starts(self) -> range:
        """Start indices of the batches of an epoch; a kept remainder has at least two hands per process."""
        least = 2 * self.world if self.task.rest == "keep" else self.batch
        return range(0, max(1, self.hands - least + 1), self.batch)

    @property
    def steps(self) -> int:
        return max(1, round(self.task.epochs * len(self.starts)))

    @property
    def epochs(self) -> int:
        return math.ceil(self.steps / len(self.starts))

    def batches(self, epoch: int, generator: torch.Generator) -> Sequence[Tensor]:
        """Shuffled indices, batch by batch; the last epoch may be a part of one."""
        order = torch.randperm(self.hands, generator=generator, device=generator.device)
        left = self.steps - epoch * len(self.starts)
        return [order[start : start + self.batch] for start in self.starts[:left]]


def _keep_epoch(row: EpochRow, network: nn.Module, around: LoopContext) -> None:
    """Evaluate the validation hands and write the row, in the first process only."""
    if not around.ranks.first or around.log is None:
        return
    figure = around.validate(network) if around.validate else None
    around.log.add(replace(row, validation_auc=figure))


def _not_a_number(
    name: str, epoch: int, step: int, loss: float, chosen: Tensor, hands: Sequence[str]
) -> Fatal:
    """Report where the loss became NaN and on which hands; the last checkpoint is kept."""
    names = ", ".join(hands[k] for k in chosen.tolist()) if len(hands) else "unnamed"
    return Fatal(
        f"{name}: expected a finite loss, found {loss} in epoch {epoch + 1}, step {step}; "
        f'the hands of its batch: {names}. Try a smaller learning rate, or amp = "off"'
    )


@dataclass(slots=True)
class _Progress:
    """Prints progress about fifty times a run."""

    task: str
    steps: int
    report: Report
    done: int
    losses: list[float] = field(default_factory=list)
    before: int = field(init=False)
    start_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.before, self.start_s = self.done, time.monotonic()

    def add(self, loss: float) -> None:
        self.losses.append(loss)
        self.done += 1
        if self.done % max(1, self.steps // 50) and self.done != self.steps:
            return
        pace_s = (time.monotonic() - self.start_s) / (self.done - self.before)
        left_s = pace_s * (self.steps - self.done)
        self.report(Progress(self.task, self.done, self.steps, float(np.mean(self.losses)), left_s))
        self.losses.clear()
