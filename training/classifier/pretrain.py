"""Pre-trains a network on healthy hands: joint positions, age and sex.

One last layer has all outputs: 26 numbers for 13 joints, one for age, one for sex. A training that starts
from these weights drops that layer.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, smooth_l1_loss

from ra_node.domain.joints import JOINTS
from ra_node.errors import Fatal
from ra_node.inference.networks.architectures import build
from ra_node.inference.networks.loaded_network import logits_of, network_input
from training.classifier.augment import augmented_with_turns, moved_points
from training.classifier.checkpoint import Checkpoint
from training.classifier.distributed import ALONE
from training.classifier.train_state import TrainState, new_learner
from training.data.pretrain_dataset import KnownHands
from training.evaluation.metrics import Interval, auc, with_intervals
from training.recipes.pretraining import PretrainRecipe

PLACES = slice(0, 2 * len(JOINTS))
AGE, SEX, OUTPUTS = 2 * len(JOINTS), 2 * len(JOINTS) + 1, 2 * len(JOINTS) + 2

PLACE_WEIGHT = 5.0
"""Weight of positions, which vary by about a fifth of standardised ages."""

LOGIT_BATCH = 32

SHOWN = 4
"""Number of augmented copies of each hand in the evaluation."""

CHECKPOINT_S = 60.0
"""Interval of checkpoints: a kill costs about this much time."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Known:
    """Hands of one side on the device, their ages standardised by the training hands'."""

    grey: Tensor
    joints: Tensor
    age: Tensor
    male: Tensor


@dataclass(frozen=True, slots=True)
class Ages:
    """Standardisation of ages in months."""

    mean: float
    std: float


def pretrained(
    recipe: PretrainRecipe,
    architecture: str,
    hands: KnownHands,
    kept: Path,
    device: torch.device,
    say: Say,
) -> tuple[nn.Module, Ages]:
    """Train a network of `OUTPUTS` outputs on hands; resumes from the checkpoint in `kept`."""
    task = recipe.networks[architecture]
    ages = Ages(float(hands.months.mean()), float(hands.months.std()))
    known = _on_device(hands.shrunk(task.side_px), ages, device)
    torch.manual_seed(recipe.seed)
    network = build(architecture, OUTPUTS).to(device).to(memory_format=torch.channels_last)
    starts = range(0, max(1, len(hands) - task.batch + 1), task.batch)
    arithmetic = _Arithmetic(task.amp, recipe.seed)
    learner = new_learner(network, arithmetic, task, task.epochs * len(starts), device)
    checkpoint = Checkpoint(kept, _mark(recipe, architecture, hands), every_s=CHECKPOINT_S)
    held = checkpoint.load()
    if held:
        learner.restore(held, ALONE)
    network.train()
    for epoch in range(held["epoch"] if held else 0, task.epochs):
        start_s = time.monotonic()
        loss = _epoch(learner, known, recipe, task.batch, starts)
        if not math.isfinite(loss):
            raise Fatal(f"pre-training: expected a finite loss, found {loss} in epoch {epoch + 1}")
        left_min = (task.epochs - epoch - 1) * (time.monotonic() - start_s) / 60
        if checkpoint.due or epoch + 1 == task.epochs:
            checkpoint.save(learner.state(ALONE) | {"epoch": epoch + 1})
        say(f"{architecture} epoch {epoch + 1}/{task.epochs} loss {loss:.3f}, {left_min:.1f} min left")
    return network, ages


def figures(
    network: nn.Module,
    recipe: PretrainRecipe,
    architecture: str,
    learnt: KnownHands,
    others: KnownHands,
    ages: Ages,
    resamples: int = 1000,
) -> dict[str, Interval]:
    """Errors on `others`, and those of the trivial guess from `learnt`.

    Joint errors are mean distances in percent of the side of the crop; intervals over patients. Because the
    positions in crops vary little, every hand is also evaluated rotated and shifted, `SHOWN` times, as in the
    training.
    """
    others = _moved(others.shrunk(recipe.networks[architecture].side_px), recipe)
    told = logits_of(network.eval(), others.images, recipe.mean, recipe.std, LOGIT_BATCH)
    places = told[:, PLACES].reshape(-1, len(JOINTS), 2)
    error = _distance_percent(places, others)
    usual = _distance_percent(np.nanmean(_moved(learnt, recipe).joints, axis=0)[None], others)
    months = np.abs(told[:, AGE] * ages.std + ages.mean - others.months)
    usual_months = np.abs(np.median(learnt.months) - others.months)

    def resampled(k: NDArray[np.intp]) -> dict[str, float]:
        return {
            "joint error (% of the side)": _mean(error[k]),
            "joint error of the mean place": _mean(usual[k]),
            "age error (months)": float(months[k].mean()),
            "age error of the median age": float(usual_months[k].mean()),
            "sex AUC (a guess: 0.5)": auc(others.male[k], told[k, SEX]),
        }

    return with_intervals(resampled, others.patients, np.random.default_rng(recipe.seed), resamples)


def _moved(hands: KnownHands, recipe: PretrainRecipe) -> KnownHands:
    """Each hand `SHOWN` times with augmentation, with a fixed seed."""
    many = hands.where(np.repeat(np.arange(len(hands)), SHOWN))
    generator = torch.Generator().manual_seed(recipe.seed)
    grey_NHW, turns = augmented_with_turns(torch.from_numpy(many.images), recipe.augment, generator)
    joints = moved_points(torch.from_numpy(many.joints), turns).numpy()
    images = grey_NHW.round().to(torch.uint8).numpy()
    return KnownHands(images, joints, many.months, many.male, many.patients)


@dataclass(frozen=True, slots=True)
class _Arithmetic:
    amp: str
    learning_seed: int


def _on_device(hands: KnownHands, ages: Ages, device: torch.device) -> Known:
    return Known(
        torch.from_numpy(hands.images).to(device),
        torch.from_numpy(hands.joints).to(device),
        torch.from_numpy((hands.months - ages.mean) / ages.std).float().to(device),
        torch.from_numpy(hands.male).float().to(device),
    )


def _epoch(learner: TrainState, known: Known, recipe: PretrainRecipe, batch: int, starts: range) -> float:
    """One epoch; returns the mean loss."""
    generator = learner.generator
    order = torch.randperm(len(known.age), generator=generator, device=generator.device)
    losses = []
    for start in starts:
        chosen = order[start : start + batch]
        grey_NHW, turns = augmented_with_turns(known.grey[chosen], recipe.augment, generator)
        joints_NP2 = moved_points(known.joints[chosen], turns)
        with learner.autocast():
            told = learner.network(network_input(grey_NHW, recipe.mean, recipe.std))
        loss = hand_loss(told.float(), joints_NP2, known.age[chosen], known.male[chosen])
        learner.step(loss)
        losses.append(float(loss.detach()))
    return float(np.mean(losses))


def hand_loss(told: Tensor, joints_NP2: Tensor, age_N: Tensor, male_N: Tensor) -> Tensor:
    """Places where they are known, age and sex: outputs (N, OUTPUTS) to one number."""
    known = ~joints_NP2[:, 0, 0].isnan()
    loss = smooth_l1_loss(told[:, AGE], age_N) + binary_cross_entropy_with_logits(told[:, SEX], male_N)
    if known.any():
        places = told[known, PLACES].reshape(-1, len(JOINTS), 2)
        loss = loss + PLACE_WEIGHT * smooth_l1_loss(places, joints_NP2[known], beta=0.1)
    return loss


def _distance_percent(places: NDArray[np.float64], hands: KnownHands) -> NDArray[np.float64]:
    """Mean distance of the joints of each hand (N,), in percent of the side; NaN where not known."""
    return np.asarray(50 * np.linalg.norm(places - hands.joints, axis=2).mean(axis=1), np.float64)


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def _mark(recipe: PretrainRecipe, architecture: str, hands: KnownHands) -> str:
    digest = hashlib.sha256(f"{architecture} {recipe.networks[architecture].model_dump_json()}".encode())
    digest.update(recipe.model_dump_json(exclude={"networks", "respects"}).encode())
    digest.update(np.ascontiguousarray(hands.images).data)
    return digest.hexdigest()
