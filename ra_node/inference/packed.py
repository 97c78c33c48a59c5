"""Lays a network's convolutions out for this CPU once, with the activation behind each as part of it.

PyTorch lays weights out anew in every pass, and with one thread runs 1 x 1 convolutions through a library
that is half as fast on some CPUs. The operators here are those of oneDNN that its own compiler uses; that one
needs a C++ compiler on the machine. They have no gradient.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from ra_node.inference.graphs import leave_out, part_of, put

_ACTIVATIONS: dict[object, str] = {
    nn.ReLU: "relu",
    nn.SiLU: "swish",
    functional.relu: "relu",
}


def can_pack(device: torch.device) -> bool:
    """Whether this device has those operators."""
    return device.type == "cpu" and bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


def packed(half: fx.GraphModule, x_NCHW: Tensor) -> fx.GraphModule:
    """The same half with packed convolutions, made for inputs of the size of `x_NCHW`; it runs others too."""
    sizes = _sizes(half, x_NCHW)
    made = fx.GraphModule(half, deepcopy(half.graph))
    for node in list(made.graph.nodes):
        convolution = part_of(made, node)
        if not isinstance(convolution, nn.Conv2d):
            continue
        activation = None
        if len(node.users) == 1:
            (user,) = node.users
            activation = _ACTIVATIONS.get(type(part_of(made, user)) if part_of(made, user) else user.target)
            if activation is not None:
                leave_out(made, user)
        put(made, node.target, _Packed(convolution, activation or "none", sizes[node.target]))
    made.delete_all_unused_submodules()
    made.recompile()
    return made


def _sizes(half: nn.Module, x_NCHW: Tensor) -> dict[str, list[int]]:
    """The size of what each convolution is given, by its path."""
    sizes: dict[str, list[int]] = {}
    hooks = [
        part.register_forward_pre_hook(
            lambda _part, given, path=path: sizes.update({path: list(given[0].shape)})
        )
        for path, part in half.named_modules()
        if isinstance(part, nn.Conv2d)
    ]
    half(x_NCHW)
    for hook in hooks:
        hook.remove()
    return sizes


class _Packed(nn.Module):
    """One convolution and its activation; the packed weight is no tensor that PyTorch could copy or move."""

    def __init__(self, convolution: nn.Conv2d, activation: str, size: list[int]) -> None:
        super().__init__()
        grid = (convolution.padding, convolution.stride, convolution.dilation, convolution.groups)
        self._grid, self._activation = grid, activation
        self._weight = torch.ops.aten.mkldnn_reorder_conv2d_weight(
            convolution.weight.detach().to_mkldnn(), *grid, size
        )
        self._bias = convolution.bias

    def forward(self, x_NCHW: Tensor) -> Tensor:
        made: Tensor = torch.ops.mkldnn._convolution_pointwise(  # noqa: SLF001  # has no other name
            x_NCHW, self._weight, self._bias, *self._grid, self._activation, [], ""
        )
        return made
