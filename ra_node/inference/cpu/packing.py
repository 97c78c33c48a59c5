"""Replaces the convolutions of a network by packed ones with their activations."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from ra_node.inference.cpu.fx_graph import leave_out, part_of, put
from ra_node.inference.cpu.packed_convolution import Activation, Packed

_ACTIVATIONS: dict[object, Activation] = {
    nn.ReLU: "relu",
    nn.SiLU: "swish",
    functional.relu: "relu",
}


def packed(half: fx.GraphModule, x_NCHW: Tensor, *, slope: bool = False) -> fx.GraphModule:
    """The network with packed convolutions, for inputs of the size of `x_NCHW`; others work as well.

    With `slope` its outputs have a gradient to the input, and every weight is held twice.
    """
    sizes = _sizes(half, x_NCHW)
    made = fx.GraphModule(half, deepcopy(half.graph))
    for node in list(made.graph.nodes):
        convolution = part_of(made, node)
        if isinstance(convolution, nn.Conv2d):
            activation = _taken_in(made, node)
            put(made, node.target, Packed(convolution, activation, sizes[node.target], slope=slope))
    made.delete_all_unused_submodules()
    made.recompile()
    return made


def _taken_in(network: fx.GraphModule, node: fx.Node) -> Activation:
    """Remove an activation that is the only user of a node, and return it."""
    if len(node.users) != 1:
        return "none"
    (user,) = node.users
    part = part_of(network, user)
    activation = _ACTIVATIONS.get(user.target if part is None else type(part))
    if activation is None:
        return "none"
    leave_out(network, user)
    return activation


def _sizes(network: nn.Module, x_NCHW: Tensor) -> dict[str, list[int]]:
    """Input size of each convolution, by its path."""
    sizes: dict[str, list[int]] = {}
    hooks = [
        part.register_forward_pre_hook(
            lambda _part, given, path=path: sizes.update({path: list(given[0].shape)})
        )
        for path, part in network.named_modules()
        if isinstance(part, nn.Conv2d)
    ]
    with torch.inference_mode():
        network(x_NCHW)
    for hook in hooks:
        hook.remove()
    return sizes
