"""Augmentation of a batch of crops on its device, drawn anew in every epoch."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from training.recipes.classifier import AugmentRecipe

WHOLE = slice(None)


def augmented(
    grey_NHW: Tensor, recipe: AugmentRecipe, generator: torch.Generator, rows: slice = WHOLE
) -> Tensor:
    """Rotate, shift, zoom, flip and change the exposure of grey levels 0..255: float (N, H, W) in 0..255.

    The generator is on the device of the crops. Random numbers are drawn for the whole batch and only `rows`
    of it are computed, so that several processes together make the same batch as one.
    """
    return augmented_with_turns(grey_NHW, recipe, generator, rows)[0]


def augmented_with_turns(
    grey_NHW: Tensor, recipe: AugmentRecipe, generator: torch.Generator, rows: slice = WHOLE
) -> tuple[Tensor, Tensor]:
    """Like `augmented`, with the transform of each crop: (N, 2, 3), for `moved_points`."""
    share_N1HW = grey_NHW[rows, None].float() / 255
    turns = _turns(len(grey_NHW), recipe, generator)[rows]
    grid = affine_grid(turns, list(share_N1HW.shape), align_corners=False)
    moved_NHW = grid_sample(share_N1HW, grid, align_corners=False)[:, 0]
    return 255 * _exposed(moved_NHW, grey_NHW.shape, recipe, generator, rows), turns


def moved_points(points_NP2: Tensor, turns: Tensor) -> Tensor:
    """Where points of the crops lie after `turns`: (x, y) from -1 to 1 between the edges of the crop."""
    back: Tensor = torch.linalg.inv(turns[:, :, :2])
    return (points_NP2 - turns[:, None, :, 2]) @ back.transpose(1, 2)


def _turns(count: int, recipe: AugmentRecipe, generator: torch.Generator) -> Tensor:
    """Affine maps (N, 2, 3) from output to input, in the units of `affine_grid`."""
    angle = _spread(count, math.radians(recipe.rotation_deg), generator)
    scale = torch.exp(_spread(count, recipe.zoom, generator))
    flip_x = 1 - 2 * (_uniform(count, generator) < recipe.flip_horizontal).float()
    flip_y = 1 - 2 * (_uniform(count, generator) < recipe.flip_vertical).float()
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    x = torch.stack([cos * flip_x, -sin * flip_y, _spread(count, 2 * recipe.translation, generator)], dim=1)
    y = torch.stack([sin * flip_x, cos * flip_y, _spread(count, 2 * recipe.translation, generator)], dim=1)
    return torch.stack([x, y], dim=1)


def _exposed(
    share_NHW: Tensor, whole: torch.Size, recipe: AugmentRecipe, generator: torch.Generator, rows: slice
) -> Tensor:
    """Random exposure and detector: gamma, gain and noise, within 0..1."""
    gamma = torch.exp(_spread(whole[0], recipe.gamma, generator))[rows, None, None]
    gain = torch.exp(_spread(whole[0], recipe.gain, generator))[rows, None, None]
    exposed = share_NHW.clamp(1e-4, 1) ** gamma * gain
    if recipe.noise:
        grain = torch.randn(whole, generator=generator, device=generator.device)[rows]
        exposed = exposed + grain * recipe.noise
    return exposed.clamp(0, 1)


def _uniform(count: int, generator: torch.Generator) -> Tensor:
    """In 0..1, (N,)."""
    return torch.rand(count, generator=generator, device=generator.device)


def _spread(count: int, reach: float, generator: torch.Generator) -> Tensor:
    """Uniform in -reach..reach, (N,)."""
    return (2 * _uniform(count, generator) - 1) * reach
