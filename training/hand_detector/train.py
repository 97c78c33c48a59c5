"""Trains the two networks of the hand detector on composed scenes; an interrupted training is resumed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from ra_node.inference.hand_detector.networks import Reader, Seeker
from training.classifier.checkpoint import Checkpoint
from training.hand_detector.losses import reader_loss, seeker_loss
from training.hand_detector.scene_sampler import Studio
from training.hand_detector.targets import near, whole
from training.io.atomic_file import write_whole
from training.recipes.hand_detector import FinderRecipe

Name = Literal["seeker", "reader"]
NAMES: tuple[Name, ...] = ("seeker", "reader")
_EVERY_S = 60.0
_Seen = TypeVar("_Seen")


def weights_file(run: Path, name: Name) -> Path:
    """Path of the weights of one network in a run."""
    return run / f"{name}.safetensors"


def train_network(
    name: Name,
    studio: Studio,
    recipe: FinderRecipe,
    run: Path,
    say: Callable[[str], None],
    start: Path | None = None,
) -> None:
    """Train one network and write its weights to the run; `start` is a run with the initial weights."""
    torch.manual_seed(recipe.seed)
    network: nn.Module = Seeker() if name == "seeker" else Reader()
    if start is not None:
        network.load_state_dict(_wide(weights_file(start, name)))
    _learn(name, network.to(memory_format=torch.channels_last), studio, recipe, run, say)
    write_whole(weights_file(run, name), lambda file: file.write(save(_halved(network))))


def _learn(
    name: Name,
    network: nn.Module,
    studio: Studio,
    recipe: FinderRecipe,
    run: Path,
    say: Callable[[str], None],
) -> None:
    part = recipe.seeker if name == "seeker" else recipe.reader
    optimiser = torch.optim.AdamW(network.parameters(), lr=part.learning_rate, weight_decay=part.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, part.learning_rate, part.steps, pct_start=0.15)
    kept = Checkpoint(run / f"{name}.checkpoint", f"{name} {recipe.model_dump_json()}", _EVERY_S)
    step = _resumed(kept, network, optimiser, schedule)
    begun, first, losses = time.monotonic(), step, []
    network.train()
    while step < part.steps:
        rng = np.random.default_rng((recipe.seed, len(name), ord(name[0]), step))
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.amp):
            loss = _loss(name, network, studio, part.batch, rng)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch does not say
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        step += 1
        if step % 20 == 0 or step == part.steps:
            left = (time.monotonic() - begun) / (step - first) * (part.steps - step)
            say(f"{name} step {step} of {part.steps}, loss {np.mean(losses):.4f}, {left / 60:.1f} min left")
            losses.clear()
        if kept.due:
            kept.save(
                {
                    "step": step,
                    "network": network.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "schedule": schedule.state_dict(),
                }
            )
    kept.discard()


def _resumed(
    kept: Checkpoint,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> int:
    held = kept.load()
    if held is None:
        return 0
    network.load_state_dict(held["network"])
    optimiser.load_state_dict(held["optimiser"])
    schedule.load_state_dict(held["schedule"])
    return int(held["step"])


def _loss(name: Name, network: nn.Module, studio: Studio, batch: int, rng: np.random.Generator) -> Tensor:
    if name == "seeker":
        scenes = _several(lambda: whole(studio.scene(rng), rng), batch)
        out = network(_stacked([scene.seen for scene in scenes]))
        return seeker_loss(
            out,
            _stacked([scene.heat for scene in scenes]),
            _stacked([scene.numbers for scene in scenes]),
            _stacked([scene.at for scene in scenes]),
        )
    hands = _several(lambda: near(studio.scene(rng), rng), batch)
    return reader_loss(
        network(_stacked([hand.seen for hand in hands]))[:3],
        _stacked([hand.joints for hand in hands]),
        _stacked([hand.silhouette for hand in hands]),
        torch.tensor([float(hand.known) for hand in hands]),
    )


def _several(make: Callable[[], _Seen | None], count: int) -> list[_Seen]:
    """Make `count` examples; unusable ones (None) are skipped."""

    def made() -> Iterator[_Seen]:
        while True:
            one = make()
            if one is not None:
                yield one

    stream = made()
    return [next(stream) for _ in range(count)]


def _stacked(arrays: Sequence[np.ndarray]) -> Tensor:
    stacked = torch.from_numpy(np.stack(arrays))
    return stacked.contiguous(memory_format=torch.channels_last) if stacked.ndim == 4 else stacked


def _halved(network: nn.Module) -> dict[str, Tensor]:
    return {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in network.state_dict().items()
    }


def _wide(path: Path) -> dict[str, Tensor]:
    return {
        key: value.float() if value.is_floating_point() else value for key, value in load_file(path).items()
    }
