"""Targets and losses: one goal for each task of a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from training.recipes.classifier import TaskRecipe


@dataclass(frozen=True, slots=True)
class TaskTargets:
    """The targets (N, classes) of the network's outputs in `columns`."""

    columns: slice
    targets: Tensor
    weights: Tensor | None


def goals(
    labels: Sequence[NDArray[np.int64]],
    task: TaskRecipe,
    device: torch.device,
    classes_of: Sequence[int] = (),
) -> list[TaskTargets]:
    """A goal for each set of labels (N,), with concatenated outputs; only the first is smoothed.

    `classes_of` is the number of outputs of each, which may be more than its labels have.
    """
    made, start = [], 0
    for place, own in enumerate(labels):
        classes = classes_of[place] if classes_of else int(own.max()) + 1
        smoothing = 0.0 if place else task.neighbour_smoothing
        targets = soft_targets(torch.from_numpy(own), classes, smoothing).to(device)
        weights = _class_weights(own, classes).to(device) if task.class_weighting else None
        made.append(TaskTargets(slice(start, start + classes), targets, weights))
        start += classes
    return made


def loss_sum(logits: Tensor, chosen: Sequence[TaskTargets], hands: Tensor) -> Tensor:
    """Cross entropy of the outputs for `hands` (indices), summed over hands and goals, in float32."""
    parts = [
        cross_entropy(
            logits[:, goal.columns].float(), goal.targets[hands], weight=goal.weights, reduction="sum"
        )
        for goal in chosen
    ]
    return torch.stack(parts).sum()


def soft_targets(labels: Tensor, classes: int, smoothing: float) -> Tensor:
    """One-hot (N, classes) with `smoothing` of each label given to its neighbouring stages."""
    distance = (torch.arange(classes)[None] - labels[:, None]).abs()
    near = (distance == 1).float()
    near = smoothing * near / near.sum(dim=1, keepdim=True).clamp(min=1)
    return near + (distance == 0).float() * (1 - smoothing)


def _class_weights(labels: NDArray[np.int64], classes: int) -> Tensor:
    """Inverse frequency with a mean of 1 over the hands; classes without hands are ignored."""
    counts = np.bincount(labels, minlength=classes)
    present = int((counts > 0).sum())
    return torch.from_numpy(len(labels) / (present * np.maximum(counts, 1))).float()
