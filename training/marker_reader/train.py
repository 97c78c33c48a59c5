"""Trains the network of the marker reader on pieces with labels: a few minutes on one core."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from ra_node.inference.marker_reader.candidates import PATCH_PX, Patches
from ra_node.inference.marker_reader.network import MarkerLetters

_BATCH = 256
_RATE, _DECAY, _SMOOTHING = 2e-3, 2e-3, 0.02
MIRRORED = (0, 6, 7, 3, 4, 8, 1, 2, 5)
"""The class of each class's mirror image, in the order of `MARKER_CLASSES`."""

Labels = NDArray[np.int64]


def train_marker_reader(
    patches: Patches,
    labels: Labels,
    epochs: int,
    seed: int,
    say: Callable[[str], None],
    start: Path | None = None,
) -> MarkerLetters:
    """Train on (N, 2, side, side) and classes (N,), with random rotation, mirroring and grey levels.

    `start` holds the weights of an earlier round.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = MarkerLetters()
    if start is not None:
        network.load_state_dict({key: t.float() for key, t in load_file(start).items()})
    batches = max(1, len(labels) // _BATCH)
    steps = max(2, epochs * batches)
    optimiser = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, steps, pct_start=0.15)
    for epoch in range(epochs):
        losses = []
        for part in np.array_split(rng.permutation(len(labels)), batches):
            x_NCHW, y_N = _varied(patches[part].astype(np.float32), labels[part], rng)
            loss = functional.cross_entropy(network(x_NCHW), y_N, label_smoothing=_SMOOTHING)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch does not say
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        say(f"epoch {epoch + 1} of {epochs}: loss {np.mean(losses):.4f}")
    return network.eval()


def _varied(x: Patches, y: Labels, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Augment: quarter turns and small rotations, mirroring with the class, contrast, noise."""
    x_NCHW, y_N = torch.from_numpy(_turned(x, rng)), torch.from_numpy(y)
    flip = torch.from_numpy(rng.random(len(y)) < 0.35)
    x_NCHW[flip] = x_NCHW[flip].flip(-1)
    y_N = torch.where(flip, torch.tensor(MIRRORED)[y_N], y_N)
    shape = (len(y), 1, 1)
    level = x_NCHW[:, 0] * torch.from_numpy(rng.uniform(0.8, 1.25, shape).astype(np.float32))
    level += torch.from_numpy(rng.normal(0, 0.06, shape).astype(np.float32))
    level += torch.from_numpy(rng.normal(0, 0.05, level.shape).astype(np.float32))
    x_NCHW[:, 0] = level
    return x_NCHW, y_N


def _turned(x: Patches, rng: np.random.Generator) -> Patches:
    out = np.empty_like(x)
    for at, patch in enumerate(x):
        turn = float(rng.normal(0, 7)) + 90 * int(rng.integers(4)) * (rng.random() < 0.5)
        middle = (PATCH_PX - 1) / 2
        matrix = cv2.getRotationMatrix2D((middle, middle), turn, float(rng.uniform(0.9, 1.12)))
        matrix = matrix + np.array([[0, 0, 1], [0, 0, 1]]) * rng.normal(0, 0.8, (2, 1))
        for channel in (0, 1):
            out[at, channel] = cv2.warpAffine(
                patch[channel], matrix, (PATCH_PX, PATCH_PX), borderMode=cv2.BORDER_REPLICATE
            )
    return out
