"""The two small networks of the hand detector: for hands in a whole image, and for the joints of a hand.

Shapes: N pictures, 2 channels, H and W pixels of the input; maps have a quarter of both.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ra_node.domain.joints import JOINTS

STRIDE = 4
SEEK_MAPS = 5
"""Centre of a hand (logit), its offset within the cell (x, y), the vector from wrist to MCP 3 (x, y)."""
BOTTOM_MAPS = 128
"""Channels of the feature map at 1/32 of the size."""
VIEW_FEATURES = 9 * BOTTOM_MAPS
VIEW_HIDDEN = 160
"""Hidden units: five separately trained heads of 32, whose logits are averaged."""
READ_MAPS = len(JOINTS) + 4
"""One map a joint, then four sub-pixels of the hand's silhouette."""


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with a skip connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _conv(channels, channels)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), _norm(channels))

    def forward(self, x_NCHW: Tensor) -> Tensor:
        result: Tensor = functional.relu(x_NCHW + self.second(self.first(x_NCHW)))
        return result


class Trunk(nn.Module):
    """Encoder to 1/32 of the size, decoder back to 1/4."""

    def __init__(self, widths: tuple[int, int, int, int] = (32, 64, 96, 128)) -> None:
        super().__init__()
        a, b, c, d = widths
        self.stem = nn.Sequential(_conv(2, 16, size=5, stride=2), _conv(16, a, stride=2), ResidualBlock(a))
        self.down = nn.ModuleList(
            nn.Sequential(_conv(low, high, stride=2), ResidualBlock(high))
            for low, high in ((a, b), (b, c), (c, d))
        )
        self.bottom = ResidualBlock(d)
        self.narrow = nn.ModuleList(nn.Conv2d(high, low, 1) for low, high in ((c, d), (b, c), (a, b)))
        self.up = nn.ModuleList((ResidualBlock(c), ResidualBlock(b), ResidualBlock(a)))

    def forward(self, x_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        """The maps at a quarter of the size (N, a, H/4, W/4) and the bottom (N, d, H/32, W/32)."""
        kept = [self.stem(x_NCHW)]
        for down in self.down:
            kept.append(down(kept[-1]))
        bottom = x = self.bottom(kept[-1])
        for narrow, up, beside in zip(self.narrow, self.up, reversed(kept[:-1]), strict=True):
            x = up(functional.interpolate(narrow(x), size=beside.shape[-2:], mode="nearest") + beside)
        return x, bottom


class Seeker(nn.Module):
    """Finds hands in a whole image: (N, 2, H, W) to (N, SEEK_MAPS, H/4, W/4)."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Trunk()
        self.head = nn.Conv2d(32, SEEK_MAPS, 1)
        nn.init.constant_(self.head.bias[:1], -4.0)  # type: ignore[index]  # a head has a bias

    def forward(self, x_NCHW: Tensor) -> Tensor:
        result: Tensor = self.head(self.trunk(x_NCHW)[0]).float()
        return result


class Reader(nn.Module):
    """Reads one upright hand: (N, 2, H, W) to joint maps (N, 13, H/4, W/4), absence (N, 13), silhouette."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Trunk()
        self.head = nn.Conv2d(32, READ_MAPS, 1)
        self.absence = nn.Linear(128, len(JOINTS))

    def forward(self, x_NCHW: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits of where each joint is, of its absence, and of the silhouette (N, H/2, W/2); the bottom."""
        maps, bottom = self.trunk(x_NCHW)
        out = self.head(maps).float()
        silhouette = functional.pixel_shuffle(out[:, len(JOINTS) :], 2)[:, 0]
        absent = self.absence(bottom.float().mean(dim=(2, 3)))
        return out[:, : len(JOINTS)], absent, silhouette, bottom


class ViewHead(nn.Module):
    """Classifies the view of a hand by the reader's bottom map: (N, 128, h, w) to (N, classes)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(VIEW_FEATURES, VIEW_HIDDEN)
        self.out = nn.Linear(VIEW_HIDDEN, classes)

    def forward(self, bottom_NCHW: Tensor) -> Tensor:
        """Logits of the views, the same for a hand and its mirror image."""
        both = (self.of_features(view_features(side)) for side in (bottom_NCHW, bottom_NCHW.flip(3)))
        result: Tensor = sum(both, torch.zeros(()))
        return result / 2

    def of_features(self, features_NF: Tensor) -> Tensor:
        """Logits for the features of one side."""
        result: Tensor = self.out(functional.relu(self.hidden(features_NF)))
        return result


def view_features(bottom_NCHW: Tensor) -> Tensor:
    """Means of the maps in nine parts of the square, since finger positions show the view: (N, 9 * 128).

    AUC of frontal against oblique views with means of whole maps 0.83, with the nine parts 0.99 (38 and 13
    hands of adults, five folds).
    """
    return functional.adaptive_avg_pool2d(bottom_NCHW, 3).flatten(1)


def joint_log_probabilities(where_NJHW: Tensor, absent_NJ: Tensor) -> Tensor:
    """Log-probability of each cell and, last, of absence: (N, 13, H/4 * W/4 + 1)."""
    return torch.cat([where_NJHW.flatten(2), absent_NJ[:, :, None]], dim=2).log_softmax(dim=2)


def _conv(low: int, high: int, *, size: int = 3, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(low, high, size, stride=stride, padding=size // 2, bias=False)
    return nn.Sequential(conv, _norm(high), nn.ReLU(inplace=True))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels)
