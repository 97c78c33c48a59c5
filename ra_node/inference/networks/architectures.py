"""The five networks of Peng et al. 2024, without weights: one name, one constructor."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torchvision
from torch import nn

from ra_node.errors import Fatal

_CONSTRUCTORS: dict[str, Callable[..., nn.Module]] = {
    "alexnet": torchvision.models.alexnet,
    "vgg16": torchvision.models.vgg16,
    # torchvision's own initialisation (0.01 everywhere) converges slowly and is not needed with batch norm
    "googlenet": partial(torchvision.models.googlenet, aux_logits=False, init_weights=False),
    "resnet50": torchvision.models.resnet50,
    "efficientnet_b2": torchvision.models.efficientnet_b2,
}

ARCHITECTURES = tuple(_CONSTRUCTORS)


def build(name: str, classes: int, in_channels: int = 3) -> nn.Module:
    """Make a network that maps (N, in_channels, H, W) to logits (N, classes), untrained.

    Raises Fatal for a name that is not one of the five.
    """
    if name not in _CONSTRUCTORS:
        raise Fatal(f"expected an architecture of {', '.join(ARCHITECTURES)}, found {name!r}")
    network = _CONSTRUCTORS[name](weights=None, num_classes=classes)
    if in_channels != 3:
        _replace_first_convolution(network, in_channels)
    return network


def _replace_first_convolution(network: nn.Module, in_channels: int) -> None:
    path, first = next((p, m) for p, m in network.named_modules() if isinstance(m, nn.Conv2d))
    parent_path, _, attribute = path.rpartition(".")
    convolution = nn.Conv2d(
        in_channels,
        first.out_channels,
        kernel_size=first.kernel_size,  # type: ignore[arg-type]  # torch types a pair as any tuple
        stride=first.stride,  # type: ignore[arg-type]
        padding=first.padding,  # type: ignore[arg-type]
        bias=first.bias is not None,
    )
    setattr(network.get_submodule(parent_path), attribute, convolution)
