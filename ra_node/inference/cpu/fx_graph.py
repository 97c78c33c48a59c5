"""Helpers for traced networks (torch.fx): modules, replacement, folding of batch norm."""

from __future__ import annotations

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def part_of(network: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """The module that a node calls; None where it calls none."""
    return network.get_submodule(str(node.target)) if node.op == "call_module" else None


def put(network: nn.Module, path: str, part: nn.Module) -> None:
    """Replace the module at `path`."""
    parent, _, name = path.rpartition(".")
    setattr(network.get_submodule(parent), name, part)


def leave_out(network: fx.GraphModule, node: fx.Node) -> None:
    """Replace a node by its input."""
    node.replace_all_uses_with(node.all_input_nodes[0])
    network.graph.erase_node(node)


def folded(network: nn.Module, graph: fx.Graph) -> fx.GraphModule:
    """The graph of a network with each batch norm after a convolution folded into it."""
    half = fx.GraphModule(network, graph)
    for node in list(half.graph.nodes):
        norm = part_of(half, node)
        if not isinstance(norm, nn.BatchNorm2d):
            continue
        (given,) = node.all_input_nodes
        convolution = part_of(half, given)
        if isinstance(convolution, nn.Conv2d) and len(given.users) == 1:
            put(half, str(given.target), fuse_conv_bn_eval(convolution, norm))
            leave_out(half, node)
    half.delete_all_unused_submodules()
    half.recompile()
    return half
