"""Forward pass of the two networks of the hand detector on the CPU: squares in, probabilities out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import fx, nn

from ra_node.errors import Fatal
from ra_node.inference.cpu.fx_graph import folded
from ra_node.inference.cpu.packed_convolution import can_pack
from ra_node.inference.cpu.packing import packed
from ra_node.inference.hand_detector.networks import Reader, Seeker, ViewHead, joint_log_probabilities
from ra_node.inference.hand_detector.preprocessing import SIDE_PX

_TYPICAL_HANDS = 2
"""Batch size for which weights are packed; others run as well."""

Maps32 = NDArray[np.float32]


class Maps:
    """The networks; raises Fatal where a file does not hold the weights of its network.

    `views` is the number of classes of the head in the file `view_head`.
    """

    def __init__(self, seeker: Path, reader: Path, view_head: Path | None = None, views: int = 0) -> None:
        self._seeker = _ready(_loaded(Seeker(), seeker), 1)
        self._reader = _ready(_loaded(Reader(), reader), _TYPICAL_HANDS)
        self._view_head = None if view_head is None else _loaded(ViewHead(views), view_head)

    def seek(self, seen: Maps32) -> tuple[Maps32, Maps32]:
        """Run a whole image (2, H, W): heat (H/4, W/4) in 0..1, and numbers (4, H/4, W/4)."""
        with torch.inference_mode():
            out = self._seeker(_input(seen[None]))[0]
            return out[0].sigmoid().numpy(), out[1:].numpy()

    def read(self, seen: Maps32) -> tuple[Maps32, Maps32, Maps32, Maps32]:
        """Run hands (N, 2, H, W): joints (N, 13, H/4, W/4), absence (N, 13), silhouette (N, H/2, W/2).

        The last output is views (N, views), with 0 views without a view head.
        """
        with torch.inference_mode():
            where, absent, silhouette, bottom = self._reader(_input(seen))
            views = np.zeros((len(seen), 0), np.float32)
            if self._view_head is not None:
                views = self._view_head(bottom).softmax(dim=1).numpy()
            chance = joint_log_probabilities(where, absent).exp()
            return (
                chance[:, :, :-1].reshape(where.shape).numpy(),
                chance[:, :, -1].numpy(),
                silhouette.sigmoid().numpy(),
                views,
            )


def reader_bottom(reader: Path) -> Callable[[Maps32], torch.Tensor]:
    """A function from squares (N, 2, H, W) to the reader's bottom maps, for training the view head."""
    network = _ready(_loaded(Reader(), reader), _TYPICAL_HANDS)

    def bottom(seen: Maps32) -> torch.Tensor:
        result: torch.Tensor = network(_input(seen))[3]
        return result

    return bottom


def _input(seen: Maps32) -> torch.Tensor:
    return torch.from_numpy(seen).contiguous(memory_format=torch.channels_last)


def _ready(network: nn.Module, squares: int) -> nn.Module:
    """The network with folded batch norm, packed for that batch size where the CPU supports it."""
    whole = folded(network, fx.Tracer().trace(network)).to(memory_format=torch.channels_last).eval()
    if not can_pack(torch.device("cpu")):
        return whole
    return packed(whole, _input(np.zeros((squares, 2, SIDE_PX, SIDE_PX), np.float32)))


def _loaded(network: nn.Module, path: Path) -> nn.Module:
    try:
        held = load_file(path)
        network.load_state_dict({key: t.float() if t.is_floating_point() else t for key, t in held.items()})
    except (RuntimeError, SafetensorError, OSError) as error:
        raise Fatal(f"expected weights of the hand detector in {path}, found: {error}") from error
    network.requires_grad_(requires_grad=False)
    return network.eval()
