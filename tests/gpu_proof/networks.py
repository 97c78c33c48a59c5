"""The five networks: the card answers as the CPU does, and how fast, beside eager float32 and the bf16
limit.

Untrained networks with seeded weights: arithmetic and speed do not depend on what was learnt. The
bundle's own networks are those of the part `node`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ra_node.inference.class_activation import feature_map
from ra_node.inference.cpu.feature_split import SplitNetwork, run_batches, split_network
from ra_node.inference.networks.architectures import ARCHITECTURES, build
from ra_node.inference.networks.loaded_network import logits_of
from tests.benchmarks.gpu import Size, limit_flops, rate
from tests.benchmarks.table import Row
from tests.gpu_proof.place import Grey, Place, noise
from tests.gpu_proof.rounding import arithmetic_of, distance, tolerance

MEAN, STD, CLASSES = 0.25, 0.25, 6
ALIKE = 64
"""Hands whose answers are compared."""


def answers(place: Place) -> Iterator[Row]:
    """Logits of each network as the worker runs it on the device, beside eager float32 on the CPU."""
    for name in chosen(place):
        side_px = side_of(place)
        crops = noise(2 if place.tiny else ALIKE, side_px)
        whole = untrained(name)
        expected = logits_of(whole, crops, MEAN, STD, batch=16)
        found, _ = run_batches(split_on(place.device, name, side_px), crops, MEAN, STD, batch=16)
        arithmetic = arithmetic_of(place.device)
        apart, limit = distance(found, expected), tolerance(whole, arithmetic)
        title = f"{name}: logits of {len(crops)} hands, {arithmetic}, relative distance from the CPU"
        yield Row(title, f"{apart:.1e}", f"{limit:.1e}", apart / limit, 1.0, at_least=False)


def speed(place: Place) -> Iterator[Row]:
    """Hands a second of each network, as the worker runs it and as torchvision builds it."""
    size = sizes(place)
    limit = limit_flops(place.device, size)
    yield Row("product of matrices in bfloat16", f"{limit / 1e12:.3g} TFLOP/s")
    for name in chosen(place):
        side_px = side_of(place)
        split, eager = split_on(place.device, name, side_px), untrained(name).to(place.device)
        each = flops_of(name, side_px)
        for batch in (size.batch, size.large):
            crops = noise(batch, side_px)
            mine = rate(partial(run_batches, split, crops, MEAN, STD, batch), batch, size)
            theirs = rate(partial(logits_of_eager, eager, crops), batch, size)
            title = f"{name}, {batch} hands at once"
            yield Row(f"{title}, beside eager float32", f"{mine:.0f}/s", f"{theirs:.0f}/s", mine / theirs)
            got, most = (f"{flops / 1e12:.3g} TFLOP/s" for flops in (mine * each, limit))
            yield Row(f"{title}, share of the bf16 limit", got, most, mine * each / limit)


def chosen(place: Place) -> tuple[str, ...]:
    """Those without the two slowest where only the lines are to be run."""
    return ("alexnet", "googlenet") if place.tiny else ARCHITECTURES


def side_of(place: Place) -> int:
    return 64 if place.tiny else 224


def sizes(place: Place) -> Size:
    """A tiny size, or what a minute a part allows."""
    if place.tiny:
        return Size(batch=1, window_s=0.0, rounds=1, images=1, studies=1, large=2, side=32)
    return Size(batch=16, window_s=0.5, rounds=3, images=40)


def untrained(name: str) -> nn.Module:
    """A network on the CPU, in evaluation, the same in every process."""
    torch.manual_seed(0)
    return build(name, CLASSES).requires_grad_(requires_grad=False).eval()


def split_on(device: torch.device, name: str, side_px: int) -> SplitNetwork:
    """A network as the worker holds it."""
    whole = untrained(name).to(device).to(memory_format=torch.channels_last)
    return split_network(whole, feature_map(name, side_px).path, side_px)


def logits_of_eager(network: nn.Module, crops: Grey) -> np.ndarray:
    """One batch as a script runs it: no folding, PyTorch's own order of memory."""
    grey_NHW = torch.from_numpy(crops).to(next(network.parameters()).device).float()
    x_N3HW = ((grey_NHW / 255 - MEAN) / STD)[:, None].expand(-1, 3, -1, -1).contiguous()
    with torch.inference_mode():
        return np.asarray(network(x_N3HW).cpu().numpy())


def flops_of(name: str, side_px: int) -> int:
    """FLOP of one hand as torchvision builds the network; costs no arithmetic."""
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        build(name, CLASSES).eval()(torch.empty(1, 3, side_px, side_px))
    return int(counter.get_total_flops())


class OfGrey(nn.Module):
    """A network as it was loaded, for grey (N, 1, H, W); packed ones of a CPU have no half precision."""

    def __init__(self, whole: nn.Module) -> None:
        super().__init__()
        self.whole = whole

    def forward(self, x_N1HW: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.whole(x_N1HW.expand(-1, 3, -1, -1)),)
