"""Trains the joint network of a recipe in one loop; an interrupted run is resumed."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor

from ra_node.domain.joints import JOINTS
from ra_node.domain.report import STAGES
from ra_node.errors import Fatal
from ra_node.inference.networks.joint_network import (
    JointNetwork,
    joint_input,
    joint_log_probabilities,
    load_joint_network,
)
from training.classifier.augment import augmented
from training.classifier.checkpoint import Checkpoint
from training.io.atomic_file import write_whole
from training.joints.hands import UNKNOWN, WEIGHTS, JointHands
from training.joints.loss import hand_loss, joint_loss
from training.recipes.joints import JointRecipe

STATE, FINISHED = "checkpoint.pt", "finished.sha256"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Budget:
    """Time limit of one call; the next call continues."""

    seconds: float = float("inf")


def train_joints(
    recipe: JointRecipe,
    hands: JointHands,
    out: Path,
    say: Say,
    budget: Budget = Budget(),
    start: Path | None = None,
) -> bool:
    """Train on hands of the tune split and write the weights; True when the run is finished.

    `start` is a finished run with the initial weights. Raises Fatal where no joint was detected, or a stage
    has no hand.
    """
    learnt = with_joint_labels(hands.part("tune"), recipe)
    _refuse_unusable(learnt)
    mark = fingerprint(recipe, learnt, start)
    if (out / FINISHED).exists() and (out / FINISHED).read_text().strip() == mark:
        say(f"{out} is already trained with this recipe and these hands")
        return True
    begun = time.monotonic()
    torch.manual_seed(recipe.seed)
    network = JointNetwork().to(memory_format=torch.channels_last)
    if start is not None:
        network.load_state_dict(load_joint_network(start / WEIGHTS, torch.device("cpu")).state_dict())
    steps = recipe.epochs * -(-len(learnt) // recipe.batch)
    optimiser = torch.optim.AdamW(
        network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=steps, pct_start=0.15
    )
    checkpoint = Checkpoint(out / STATE, mark, 20.0)
    kept = checkpoint.load()
    first = 0
    if kept is not None:
        network.load_state_dict(kept["network"])
        optimiser.load_state_dict(kept["optimiser"])
        schedule.load_state_dict(kept["schedule"])
        first = int(kept["epoch"])
    for epoch in range(first, recipe.epochs):
        loss = _epoch(network, optimiser, schedule, learnt, recipe, epoch)
        say(f"epoch {epoch + 1} of {recipe.epochs}, loss {loss:.3f}")
        over = time.monotonic() - begun > budget.seconds
        if epoch + 1 < recipe.epochs and (checkpoint.due or over):
            checkpoint.save(
                {
                    "network": network.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "schedule": schedule.state_dict(),
                    "epoch": epoch + 1,
                }
            )
            if over:
                return False
    save_weights(network, out / WEIGHTS)
    (out / FINISHED).write_text(f"{mark}\n")
    checkpoint.discard()
    return True


def _epoch(
    network: JointNetwork,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    hands: JointHands,
    recipe: JointRecipe,
    epoch: int,
) -> float:
    """One epoch; its random numbers depend on seed and epoch only, so that a resumed run gives the same."""
    network.train()
    chance = torch.Generator().manual_seed(recipe.seed * 100_003 + epoch)
    torch.manual_seed(recipe.seed * 100_003 + epoch)
    order = torch.randperm(len(hands), generator=chance).numpy()
    total = 0.0
    for start in range(0, len(order), recipe.batch):
        part = hands.where(order[start : start + recipe.batch])
        optimiser.zero_grad()
        loss = _loss(network, part, recipe, chance)
        (loss / len(part)).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        total += float(loss.detach())
    return total / len(hands)


def _loss(network: JointNetwork, part: JointHands, recipe: JointRecipe, chance: torch.Generator) -> Tensor:
    seen_NJ = torch.from_numpy(part.seen)
    grey_MHW = torch.from_numpy(part.images)[seen_NJ]
    kinds_M = torch.arange(len(JOINTS)).expand(len(part), -1)[seen_NJ]
    x_M1HW = joint_input(augmented(grey_MHW, recipe.augment, chance))
    with torch.autocast("cpu", torch.bfloat16, enabled=recipe.amp):
        log_MC = network(x_M1HW.contiguous(memory_format=torch.channels_last), kinds_M)
    log_MC = log_MC.float().log_softmax(dim=1)
    log_NJC = log_MC.new_zeros((*seen_NJ.shape, log_MC.shape[1]))
    log_NJC[seen_NJ] = log_MC
    labels_NJ = torch.from_numpy(np.where(part.seen, part.joint_stages, UNKNOWN))
    by_joint = joint_loss(log_NJC, labels_NJ)
    by_hand = hand_loss(log_NJC, seen_NJ, torch.from_numpy(part.stages))
    return len(JOINTS) * by_joint + recipe.hand_weight * by_hand


def joint_logits(network: JointNetwork, hands: JointHands, batch: int = 16) -> NDArray[np.float64]:
    """Log-probabilities (N, 13, 6) of each joint in evaluation mode; 0 for an undetected joint."""
    network.eval()
    found = np.zeros((*hands.seen.shape, len(STAGES)))
    kinds = np.broadcast_to(np.arange(len(JOINTS)), hands.seen.shape)
    for start in range(0, len(hands), batch):
        rows = slice(start, start + batch)
        seen = hands.seen[rows]
        if seen.any():
            found[rows][seen] = joint_log_probabilities(network, hands.images[rows][seen], kinds[rows][seen])
    return found


def save_weights(network: JointNetwork, path: Path) -> None:
    """Write the weights in half precision, as in a bundle."""
    held = {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in network.state_dict().items()
    }
    content = save(held)
    write_whole(path, lambda file: file.write(content))


def with_joint_labels(hands: JointHands, recipe: JointRecipe) -> JointHands:
    """The hands with joint labels for the recipe's share of the patients only."""
    if recipe.joint_labels == 1:
        return hands
    people = np.unique(hands.patients)
    chosen = np.random.default_rng(recipe.hands.seed).permutation(people)
    known = np.isin(hands.patients, chosen[: round(recipe.joint_labels * len(people))])
    labels = np.where(known[:, None], hands.joint_stages, UNKNOWN)
    return JointHands(
        hands.images, hands.seen, labels, hands.stages, hands.patients, hands.splits, hands.origins
    )


def fingerprint(recipe: JointRecipe, hands: JointHands, start: Path | None = None) -> str:
    """Hash of all inputs of the training."""
    digest = hashlib.sha256(recipe.model_dump_json().encode())
    for part in (hands.images, hands.joint_stages, hands.stages):
        digest.update(np.ascontiguousarray(part).data)
    if start is not None:
        digest.update((start / WEIGHTS).read_bytes())
    return digest.hexdigest()


def _refuse_unusable(hands: JointHands) -> None:
    if not len(hands) or not hands.seen.any():
        raise Fatal(f"expected training hands whose joints were found, found none among {len(hands)}")
    absent = sorted(set(STAGES) - set(hands.stages.tolist()) - set(hands.joint_stages.ravel().tolist()))
    if absent:
        raise Fatal(f"expected training hands or joints of every stage, found none of {absent}")
