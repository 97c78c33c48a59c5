"""What is asked of and changed in a network that was traced (torch.fx): its parts, and batch norm folded."""

from __future__ import annotations

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def part_of(network: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """The part that a node calls; None where it calls none."""
    return network.get_submodule(str(node.target)) if node.op == "call_module" else None


def put(network: nn.Module, path: str, part: nn.Module) -> None:
    """Put another part in the place of the one at `path`."""
    parent, _, name = path.rpartition(".")
    setattr(network.get_submodule(parent), name, part)


def leave_out(network: fx.GraphModule, node: fx.Node) -> None:
    """Let what a node was given go on in its place."""
    node.replace_all_uses_with(node.all_input_nodes[0])
    network.graph.erase_node(node)


def folded(network: nn.Module, graph: fx.Graph) -> fx.GraphModule:
    """What a graph does of a network, where each batch norm behind a convolution has become part of it."""
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
