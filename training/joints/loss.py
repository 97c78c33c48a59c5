"""Losses of the joint network: labels of joints, and of hands by the likelihood of the highest joint."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import nll_loss

from training.joints.hands import UNKNOWN

_LEAST = 1e-6


def joint_loss(log_NJC: Tensor, labels_NJ: Tensor) -> Tensor:
    """Negative log-likelihood of the labelled joints, mean over the joints of a hand, sum over hands."""
    known_NJ = labels_NJ != UNKNOWN
    each = nll_loss(log_NJC.flatten(0, 1), labels_NJ.clamp(min=0).flatten(), reduction="none").view_as(
        labels_NJ
    )
    return ((each * known_NJ).sum(dim=1) / known_NJ.sum(dim=1).clamp(min=1)).sum()


def hand_loss(log_NJC: Tensor, seen_NJ: Tensor, stages_N: Tensor) -> Tensor:
    """Negative log-likelihood of the hands' stages, each the highest of its joints, summed over hands.

    The probability that no joint is above stage k is the product over the detected joints.
    """
    known_N = (stages_N != UNKNOWN) & seen_NJ.any(dim=1)
    log_NC = highest_log_probabilities(log_NJC, seen_NJ)
    return nll_loss(log_NC[known_N], stages_N[known_N], reduction="sum")


def highest_log_probabilities(log_NJC: Tensor, seen_NJ: Tensor) -> Tensor:
    """Log-probabilities (N, C) of the highest stage of the detected joints, assumed independent."""
    up_to_NJC = torch.logcumsumexp(log_NJC, dim=2) * seen_NJ[:, :, None]
    below_NC = up_to_NJC.sum(dim=1)
    first_N1, step_NC = below_NC[:, :1], below_NC[:, :-1] - below_NC[:, 1:]
    rest = below_NC[:, 1:] + torch.log((-torch.expm1(step_NC.clamp(max=0))).clamp(min=_LEAST))
    return torch.cat([first_N1, rest], dim=1)
