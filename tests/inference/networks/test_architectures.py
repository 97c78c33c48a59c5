"""Five names, five networks of the right shape."""

from __future__ import annotations

import pytest
import torch

from ra_node.errors import Fatal
from ra_node.inference.networks.architectures import ARCHITECTURES, build


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("in_channels", [1, 3])
def test_every_network_takes_its_channels_and_gives_its_classes(name: str, in_channels: int) -> None:
    """On the meta device, where shapes are checked and nothing is computed."""
    with torch.device("meta"):
        logits = build(name, 6, in_channels).eval()(torch.zeros(2, in_channels, 224, 224))
    assert logits.shape == (2, 6)


def test_an_unknown_network_is_named_with_the_known_ones() -> None:
    with pytest.raises(Fatal, match=r"expected .*googlenet.* found 'lenet'"):
        build("lenet", 2)
