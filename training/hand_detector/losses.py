"""Losses of the two networks of the hand detector."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ra_node.inference.hand_detector.networks import STRIDE, joint_log_probabilities

_SPREAD = 0.7
"""Standard deviation of a joint's target distribution in cells."""


def seeker_loss(out_N5HW: Tensor, heat_NHW: Tensor, numbers_N4HW: Tensor, at_NHW: Tensor) -> Tensor:
    """Focal loss of the middles (Zhou et al. 2019, "Objects as Points") and L1 loss of the numbers."""
    logit = out_N5HW[:, 0]
    here = heat_NHW >= 1
    chance = logit.sigmoid()
    found = (1 - chance) ** 2 * functional.softplus(-logit) * here
    elsewhere = (1 - heat_NHW) ** 4 * chance**2 * functional.softplus(logit) * ~here
    focal = (found.sum() + elsewhere.sum()) / len(logit)
    error = (out_N5HW[:, 1:] - numbers_N4HW).abs() * at_NHW[:, None]
    return focal + error.sum() / (at_NHW.sum().clamp(min=1))


def reader_loss(
    out: tuple[Tensor, Tensor, Tensor], joints_NJ2: Tensor, silhouette_NHW: Tensor, known_N: Tensor
) -> Tensor:
    """Cross-entropy of each joint's cell or absence, and of the silhouette where it is known."""
    where, absent, outline = out
    wanted = _joint_targets(joints_NJ2, where.shape[-2], where.shape[-1])
    joints = -(wanted * joint_log_probabilities(where, absent)).sum(dim=2).mean()
    pixels = functional.binary_cross_entropy_with_logits(outline, silhouette_NHW, reduction="none").mean(
        dim=(1, 2)
    )
    chance = outline.sigmoid()
    shared = (chance * silhouette_NHW).sum(dim=(1, 2))
    overlap = 1 - (2 * shared + 20) / (chance.sum(dim=(1, 2)) + silhouette_NHW.sum(dim=(1, 2)) + 20)
    weight = known_N / known_N.sum().clamp(min=1)
    return joints + 4 * (pixels * weight).sum() + (overlap * weight).sum()


def _joint_targets(joints_NJ2: Tensor, rows: int, columns: int) -> Tensor:
    """Target distributions over all cells and absence (N, 13, rows * columns + 1); NaN means absent."""
    x, y = torch.arange(columns) + 0.5, torch.arange(rows) + 0.5
    absent = joints_NJ2.isnan().any(dim=2)
    place = joints_NJ2.nan_to_num(-1e4) / STRIDE
    across = torch.exp(-((x - place[:, :, :1]) ** 2) / (2 * _SPREAD**2))
    down = torch.exp(-((y - place[:, :, 1:]) ** 2) / (2 * _SPREAD**2))
    bump = (down[:, :, :, None] * across[:, :, None, :]).flatten(2)
    bump = bump / bump.sum(dim=2, keepdim=True).clamp(min=1e-6)
    bump[absent] = 0
    return torch.cat([bump, absent[:, :, None].float()], dim=2)
