"""Prepares a network for the node: folds batch norm, and splits it at the feature map.

The heat map needs the gradient of the output at the feature map, so the trunk, the more expensive half, runs
once for both. Outputs are those of the loaded network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from ra_node.inference.cpu.fx_graph import folded, put
from ra_node.inference.cpu.packed_convolution import can_pack
from ra_node.inference.cpu.packing import packed
from ra_node.inference.networks.heads import OrdinalHead
from ra_node.inference.networks.loaded_network import grey_input

_TYPICAL_HANDS = 2
"""Batch size for which weights are packed; others run as well."""


class SplitNetwork(nn.Module):
    """Both parts of one network in evaluation mode, on one device.

    `trunk` takes normalised grey (N, 1, side, side) to the map (N, C, h, w); `rest` takes the map to logits
    (N, classes), which have a gradient at the map.
    """

    def __init__(self, trunk: nn.Module, rest: nn.Module) -> None:
        super().__init__()
        self.trunk, self.rest = trunk, rest

    @property
    def device(self) -> torch.device:
        return next(self.rest.parameters()).device

    def forward(self, x_N1HW: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, classes), and the feature map that they were computed from."""
        map_NCHW = self.trunk(x_N1HW)
        return self.rest(map_NCHW), map_NCHW


def split_network(network: nn.Module, path: str, side_px: int) -> SplitNetwork:
    """Split a network (N, 3, side, side) after its module `path`, through which all data must pass.

    The network is in evaluation mode; it is not changed, but its weights may be shared.
    """
    before, behind = _split_graph(network, path)
    trunk, rest = folded(network, before), folded(network, behind)
    _take_grey(trunk)
    trunk, rest = (half.to(memory_format=torch.channels_last).eval() for half in (trunk, rest))
    device = next(network.parameters()).device
    if not can_pack(device):
        return SplitNetwork(trunk, rest)
    x_N1HW = torch.zeros(_TYPICAL_HANDS, 1, side_px, side_px)
    with torch.inference_mode():
        map_NCHW = trunk(x_N1HW)
    return SplitNetwork(packed(trunk, x_N1HW), packed(rest, map_NCHW, slope=True))


def run_batches(
    network: SplitNetwork, crops: NDArray[np.uint8], mean: float, std: float, batch: int
) -> tuple[NDArray[np.float64], Tensor]:
    """Run crops (N, side, side): logits (N, classes), and maps (N, C, h, w) that stay on the device."""
    logits, maps = [], []
    with torch.inference_mode():
        for start in range(0, len(crops), batch):
            grey_NHW = torch.from_numpy(crops[start : start + batch]).to(network.device)
            logits_NC, map_NCHW = network(grey_input(grey_NHW, mean, std))
            logits.append(logits_NC.double().cpu().numpy())
            maps.append(map_NCHW)
        return np.concatenate(logits), maps[0] if len(maps) == 1 else torch.cat(maps)


class _Tracer(fx.Tracer):
    """Traces a network, and records the output of its module `path`."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self.made: fx.Node | None = None

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, OrdinalHead) or super().is_leaf_module(m, module_qualified_name)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:  # noqa: ANN401  # as torch declares it
        made = super().call_module(m, forward, args, kwargs)
        if self.path_of_module(m) == self._path:
            self.made = made.node
        return made


def _split_graph(network: nn.Module, path: str) -> tuple[fx.Graph, fx.Graph]:
    """The graph up to the output of module `path`, and the graph from there to the logits."""
    tracer = _Tracer(path)
    nodes = list(tracer.trace(network).nodes)
    if tracer.made is None:
        raise ValueError(f"expected a part {path!r} in the network, found none")
    at = nodes.index(tracer.made) + 1
    before, behind = fx.Graph(), fx.Graph()
    known: dict[fx.Node, fx.Node] = {}
    for node in nodes[:at]:
        known[node] = before.node_copy(node, known.__getitem__)
    before.output(known[tracer.made])
    known = {tracer.made: behind.placeholder("map_NCHW")}
    for node in nodes[at:]:
        known[node] = behind.node_copy(node, known.__getitem__)
    return before, behind


def _take_grey(trunk: fx.GraphModule) -> None:
    """Convert the first convolution to one input channel, because the three channels are equal."""
    path, first = next((p, m) for p, m in trunk.named_modules() if isinstance(m, nn.Conv2d))
    grey = nn.Conv2d(
        1,
        first.out_channels,
        first.kernel_size,  # type: ignore[arg-type]  # torch types a pair as any tuple
        first.stride,  # type: ignore[arg-type]
        first.padding,  # type: ignore[arg-type]
        bias=first.bias is not None,
        device="meta",
    )
    weight = first.weight.detach().sum(dim=1, keepdim=True)
    grey.weight, grey.bias = nn.Parameter(weight, requires_grad=False), first.bias
    put(trunk, path, grey)
