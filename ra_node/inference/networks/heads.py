"""Last layers: one logit a class, or an ordinal score with cut points.

The ordinal layer is the cumulative link model: the probability of more than stage k is the sigmoid of the
score minus cut point k. Its outputs are log-probabilities of the classes, so that the softmax of the outputs
is valid for both layers.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, softplus

from ra_node.inference.bundles.manifest import Head

GAP = 2.0
"""Initial distance of two cut points."""

PACE = 10.0
"""Scale of cut points, which must change more than weights in the same number of steps."""


class OrdinalHead(nn.Module):
    """Features (N, width) to log-probabilities (N, classes) of ordered classes, in float32."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1, bias=False)
        self.first_cut = nn.Parameter(torch.full((1,), -GAP * (classes - 2) / 2 / PACE))
        self.gaps = nn.Parameter(torch.full((classes - 2,), math.log(math.expm1(GAP)) / PACE))

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            score_N1 = self.score(features.float())
            gaps = softplus(PACE * self.gaps)
            first = PACE * self.first_cut
            cuts = torch.cat([first, first + gaps.cumsum(0)])
            edge_N1 = torch.zeros_like(score_N1)
            above = torch.cat([edge_N1, logsigmoid(score_N1 - cuts)], dim=1)
            below = torch.cat([logsigmoid(cuts - score_N1), edge_N1], dim=1)
            between = torch.cat(
                [self.gaps.new_zeros(1), torch.log(-torch.expm1(-gaps)), self.gaps.new_zeros(1)]
            )
            return above + below + between


class TwoHeads(nn.Module):
    """Both tasks on one trunk: outputs of staging (N, 6), then of recognition (N, 2)."""

    def __init__(self, staging: nn.Module, recognition: nn.Module) -> None:
        super().__init__()
        self.staging = staging
        self.recognition = recognition

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([self.staging(features).float(), self.recognition(features).float()], dim=1)


def new_head(head: Head, width: int, classes: int) -> nn.Module:
    """An untrained last layer for features (N, width)."""
    return OrdinalHead(width, classes) if head == "ordinal" else nn.Linear(width, classes)


def last_layer(network: nn.Module) -> tuple[str, nn.Module]:
    """Path and module of the last layer of a network, of any type."""
    found: list[tuple[str, nn.Module]] = []
    for path, part in network.named_modules():
        inside = bool(found) and path.startswith(f"{found[-1][0]}.")
        if isinstance(part, nn.Linear | OrdinalHead | TwoHeads) and not inside:
            found.append((path, part))
    return found[-1]


def width_of(layer: nn.Module) -> int:
    """Number of input features of a last layer."""
    first = next(part for part in layer.modules() if isinstance(part, nn.Linear))
    return first.in_features


def replace_last_layer(network: nn.Module, layer: nn.Module) -> None:
    """Replace the last layer of a network."""
    parent, _, attribute = last_layer(network)[0].rpartition(".")
    setattr(network.get_submodule(parent), attribute, layer)
