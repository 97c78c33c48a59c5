"""Random changes of a batch of crops, drawn anew in every epoch, all on the batch at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from training.recipe import AugmentRecipe


def augmented(grey_NHW: Tensor, recipe: AugmentRecipe, generator: torch.Generator) -> Tensor:
    """Turn, shift, zoom, flip and re-expose grey levels 0..255: float (N, H, W) in 0..255."""
    share_N1HW = grey_NHW[:, None].float() / 255
    grid = affine_grid(_turns(len(grey_NHW), recipe, generator), list(share_N1HW.shape), align_corners=False)
    moved_NHW = grid_sample(share_N1HW, grid, align_corners=False)[:, 0]
    return 255 * _exposed(moved_NHW, recipe, generator)


def _turns(count: int, recipe: AugmentRecipe, generator: torch.Generator) -> Tensor:
    """Affine maps (N, 2, 3) from output to input, in the units of `affine_grid`."""
    angle = _spread(count, math.radians(recipe.rotation_deg), generator)
    scale = torch.exp(_spread(count, recipe.zoom, generator))
    flip_x = 1 - 2 * (torch.rand(count, generator=generator) < recipe.flip_horizontal).float()
    flip_y = 1 - 2 * (torch.rand(count, generator=generator) < recipe.flip_vertical).float()
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    x = torch.stack([cos * flip_x, -sin * flip_y, _spread(count, 2 * recipe.translation, generator)], dim=1)
    y = torch.stack([sin * flip_x, cos * flip_y, _spread(count, 2 * recipe.translation, generator)], dim=1)
    return torch.stack([x, y], dim=1)


def _exposed(share_NHW: Tensor, recipe: AugmentRecipe, generator: torch.Generator) -> Tensor:
    """Another exposure and another detector: gamma, gain and noise, within 0..1."""
    count = len(share_NHW)
    gamma = torch.exp(_spread(count, recipe.gamma, generator))[:, None, None]
    gain = torch.exp(_spread(count, recipe.gain, generator))[:, None, None]
    noise = torch.randn(share_NHW.shape, generator=generator) * recipe.noise
    return (share_NHW.clamp(1e-4, 1) ** gamma * gain + noise).clamp(0, 1)


def _spread(count: int, reach: float, generator: torch.Generator) -> Tensor:
    """Uniform in -reach..reach, (N,)."""
    return (2 * torch.rand(count, generator=generator) - 1) * reach
