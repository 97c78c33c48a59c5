"""What is asked of and changed in a network that was traced (torch.fx): its parts by node and by path."""

from __future__ import annotations

from torch import fx, nn


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
