"""Heat map of a hand: class activation map (HiResCAM).

HiResCAM (Draelos and Carin, arXiv:2011.08891) is Grad-CAM without averaging the gradient over the map: every
cell is weighted by its effect on the output. It uses the last feature map with about 28 cells a side, not the
last of all, whose 7 cells a side cannot separate neighbouring joints: on tuning hands with a lesion at one
joint the former found the joint in 35 of 38 hands, Grad-CAM of the latter in 13.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ra_node.inference.cpu.feature_split import SplitNetwork
from ra_node.inference.networks.architectures import build

COARSEST_PX = 9
"""Largest cell size in pixels of the crop: 8 in all five networks."""


@dataclass(frozen=True, slots=True)
class FeatureMap:
    """Module of the feature map, and position of its cells in the input.

    Cell k is centred at the pixel `first_px` + k * `step_px`, counted from the outer corner of the first.
    """

    path: str
    first_px: float
    step_px: float


@cache
def feature_map(architecture: str, side_px: int, coarsest_px: float = COARSEST_PX) -> FeatureMap:
    """The last map of the trunk whose cells are no larger than `coarsest_px`; traced without computation."""
    with torch.device("meta"):
        network = build(architecture, 2).eval()
        trace = _Trace(network, side_px / coarsest_px)
        with torch.no_grad():
            network(torch.empty(1, 3, side_px, side_px))
    return trace.found


def heat_of(
    network: SplitNetwork, place: FeatureMap, maps_NCHW: Tensor, side_px: int, batch: int
) -> NDArray[np.float32]:
    """Heat (N, side, side) of a trunk's maps: 0 to 1, all 0 where nothing supports a higher class.

    Each hand has its own scale. Classes are ordered from healthy to worst; heat raises the output.
    """
    parts = [_coarse(network, maps_NCHW[start : start + batch]) for start in range(0, len(maps_NCHW), batch)]
    return np.stack([_at_full_size(one, place, side_px) for part in parts for one in part])


def _coarse(network: SplitNetwork, maps_NCHW: Tensor) -> NDArray[np.float32]:
    """HiResCAM (N, cells, cells); the gradient is computed to the feature map only."""
    with torch.enable_grad():
        kept_NCHW = maps_NCHW.to(network.device, copy=True).requires_grad_()
        logits_NC = network.rest(kept_NCHW).float()
        (slope_NCHW,) = torch.autograd.grad(_severity(logits_NC).sum(), kept_NCHW)
    heat_NHW = torch.relu((slope_NCHW * kept_NCHW.detach()).sum(dim=1))
    return np.asarray(heat_NHW.float().cpu().numpy(), np.float32)


def _severity(logits_NC: Tensor) -> Tensor:
    """Score of the later classes from logits (N,); does not saturate as probabilities do."""
    classes = logits_NC.shape[1]
    ladder_C = torch.arange(classes, device=logits_NC.device) - (classes - 1) / 2
    return (logits_NC * ladder_C).sum(dim=1)


def _at_full_size(heat: NDArray[np.float32], place: FeatureMap, side_px: int) -> NDArray[np.float32]:
    """Resample coarse heat to the crop (side, side), its maximum at 1."""
    per_cell = 1 / place.step_px
    shift = (0.5 - place.first_px) * per_cell
    inverse = np.array([[per_cell, 0, shift], [0, per_cell, shift]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    full = cv2.warpAffine(heat, inverse, (side_px, side_px), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    peak = float(full.max())
    return np.asarray(full / peak if peak > 0 else full, np.float32)


class _Trace:
    """Traces one forward pass: the last module with a sufficiently fine map, and its grid.

    A strided layer moves the first cell by its kernel's half less its padding; layers that do not
    shrink the map are centred on their cells in all five networks.
    """

    def __init__(self, network: nn.Module, least_cells: float) -> None:
        self._least = least_cells
        self._first, self._step, self._cells = 0.5, 1.0, 0
        for part in network.modules():
            if isinstance(part, nn.Conv2d | nn.MaxPool2d):
                part.register_forward_hook(self._shrink)
        trunk = getattr(network, "features", network)
        prefix = "" if trunk is network else "features."
        for name, part in trunk.named_children():
            part.register_forward_hook(self._mark(prefix + name))

    def _shrink(self, part: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
        before, after = given[0].shape[-1], made.shape[-1]
        if after in (before, self._cells):
            return  # a parallel layer of one that has reduced the map already
        kernel, stride, padding = (_single(getattr(part, name)) for name in _GRID)
        self._first += self._step * ((kernel - 1) / 2 - padding)
        self._step *= stride
        self._cells = after

    def _mark(self, path: str) -> Callable[[nn.Module, object, Tensor], None]:
        def mark(_part: nn.Module, _given: object, made: Tensor) -> None:
            if made.ndim == 4 and made.shape[-1] >= self._least:
                self.found = FeatureMap(path, self._first, self._step)

        return mark


_GRID = ("kernel_size", "stride", "padding")


def _single(value: int | tuple[int, int]) -> int:
    return value if isinstance(value, int) else value[0]
