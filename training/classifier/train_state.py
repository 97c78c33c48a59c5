"""The training state: everything that changes during a training, for checkpoints."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR

from ra_node.errors import Fatal
from training.classifier.distributed import Ranks

PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Arithmetic(Protocol):
    """Part of a recipe that a learner needs."""

    @property
    def amp(self) -> str: ...
    @property
    def learning_seed(self) -> int: ...


class TaskSchedule(Protocol):
    """Part of a task that a learner needs."""

    @property
    def learning_rate(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def schedule(self) -> str: ...


@dataclass(frozen=True, slots=True)
class TrainState:
    """A network, its optimiser, and the random generator for order and augmentation."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: LRScheduler
    scaler: torch.amp.GradScaler
    generator: torch.Generator
    precision: torch.dtype | None

    def autocast(self) -> AbstractContextManager[Any]:
        """The arithmetic of the forward pass."""
        device = self.generator.device.type
        return torch.autocast(device, dtype=self.precision, enabled=self.precision is not None)

    def step(self, loss: Tensor) -> None:
        """One optimiser step."""
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch's own gap
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.schedule.step()

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        return float(self.schedule.get_last_lr()[0])

    def state(self, ranks: Ranks) -> dict[str, Any]:
        """State that determines the rest of the training; numpy is not used in the loop.

        The dropout generators of all processes are stored.
        """
        device = self.generator.device
        chance = [torch.get_rng_state()]
        if device.type == "cuda":
            chance.append(torch.cuda.get_rng_state(device))
        return {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "generator": self.generator.get_state(),
            "chance": ranks.gathered(chance),
        }

    def restore(self, state: dict[str, Any], ranks: Ranks) -> None:
        """Load a state; raises Fatal where it is of another number of processes."""
        if len(state["chance"]) != ranks.world:
            raise Fatal(f"expected {len(state['chance'])} processes, as before the stop, found {ranks.world}")
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.scaler.load_state_dict(state["scaler"])
        self.generator.set_state(state["generator"])
        chance = state["chance"][ranks.rank]
        torch.set_rng_state(chance[0])
        if self.generator.device.type == "cuda":
            torch.cuda.set_rng_state(chance[1], self.generator.device)


def new_learner(
    network: nn.Module, recipe: Arithmetic, task: TaskSchedule, steps: int, device: torch.device
) -> TrainState:
    """AdamW on a network on `device`, with the schedule of `steps` steps."""
    optimiser = torch.optim.AdamW(
        network.parameters(), task.learning_rate, weight_decay=task.weight_decay, fused=True
    )
    schedule: LRScheduler
    if task.schedule == "one-cycle":
        schedule = OneCycleLR(optimiser, task.learning_rate, total_steps=steps + 1)
    else:
        schedule = ConstantLR(optimiser, factor=1.0)
    amp = {"auto": "bf16" if device.type == "cuda" else "off"}.get(recipe.amp, recipe.amp)
    return TrainState(
        network=network,
        optimiser=optimiser,
        schedule=schedule,
        scaler=torch.amp.GradScaler(device.type, enabled=amp == "fp16"),
        generator=torch.Generator(device).manual_seed(recipe.learning_seed),
        precision=PRECISIONS.get(amp),
    )
