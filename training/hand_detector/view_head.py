"""Trains the view head on the feature maps of a trained reader.

The reader is frozen. Squares are those of the node, around every proposal of the seeker, with copies that are
misplaced, mirrored and changed in grey levels: adults of the tuning part in every view, and children and
phantoms in frontal views.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ra_node.domain.view.pixel_view import PixelView
from ra_node.imaging.pixels import read_png
from ra_node.inference.hand_detector.detector import Finder, Reading
from ra_node.inference.hand_detector.networks import VIEW_FEATURES, VIEW_HIDDEN, ViewHead, view_features
from ra_node.inference.hand_detector.preprocessing import Channels, Grey, Pose, seen_hand
from training.data.adult_hands import hand_of, read_adults
from training.data.hand_ids import Part
from training.hand_detector.targets import developed, misplaced

CLASSES = tuple(PixelView)
_HEADS = 5
_PROPOSALS = 3
"""Most proposals used of a picture, highest score first."""


@dataclass(frozen=True, slots=True, eq=False)
class Square:
    """One square (2, side, side) around a proposal of a picture, with its view; `own` where not augmented."""

    picture: str
    view: PixelView
    seen: Channels
    own: bool
    score: float
    """Mean score of the detected joints."""


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Features (N, 2, VIEW_FEATURES) of squares and their mirror images, views (N,) as indices of CLASSES."""

    rows: NDArray[np.float32]
    views: NDArray[np.int64]
    pictures: NDArray[np.str_]
    own: NDArray[np.bool_]
    scores: NDArray[np.float32]

    def where(self, chosen: NDArray[np.bool_]) -> Features:
        return Features(*(getattr(self, field.name)[chosen] for field in fields(self)))


@dataclass(frozen=True, slots=True, eq=False)
class LabelledView:
    """A picture, bone bright, with its view, and the number of augmented squares for each proposal."""

    name: str
    view: PixelView
    values: Callable[[], Grey]
    copies: int


def adults(folder: Path, part: Part, copies: int) -> Iterator[LabelledView]:
    """The pictures of a part of the folder `adults`."""
    for one in read_adults(folder):
        if one.part == part:
            path = folder / one.file
            yield LabelledView(one.name, one.view, lambda path=path: read_png(path).values, copies)  # type: ignore[misc]


def squares(pictures: Sequence[LabelledView], finder: Finder, seed: int) -> Iterator[Square]:
    """Squares around the proposals of pictures, as in the node, followed by augmented ones."""
    for number, one in enumerate(pictures):
        rng = np.random.default_rng((seed, number))
        picture, readings = finder.looks(one.values())
        surest = sorted(readings, key=lambda reading: -reading.score)[:_PROPOSALS]
        for reading in surest:
            yield Square(one.name, one.view, seen_hand(picture, reading.pose), own=True, score=reading.score)
            for _ in range(one.copies):
                yield Square(
                    one.name, one.view, _disturbed(picture, reading, rng), own=False, score=reading.score
                )


def _disturbed(picture: Grey, reading: Reading, rng: np.random.Generator) -> Channels:
    pose: Pose = misplaced(reading.pose, rng)
    low, high = (float(value) for value in np.percentile(picture[::4, ::4], (0.5, 99.8)))
    shown = np.clip((picture - low) / max(high - low, 1e-3), 0, 1.2) * 255
    grey = developed(shown.astype(np.float32), rng) if rng.random() < 0.7 else picture
    seen = seen_hand(grey, pose)
    return np.ascontiguousarray(seen[:, :, ::-1]) if rng.random() < 0.5 else seen


def features(found: Sequence[Square], bottom: Callable[[NDArray[np.float32]], Tensor]) -> Features:
    """Pooled features of squares (N, 2, side, side) by the reader's `bottom`."""
    rows: list[NDArray[np.float32]] = [np.zeros((0, 2, VIEW_FEATURES), np.float32)]
    for start in range(0, len(found), 32):
        seen = np.stack([square.seen for square in found[start : start + 32]]).astype(np.float32)
        with torch.inference_mode():
            maps = bottom(seen)
            rows.append(torch.stack([view_features(maps), view_features(maps.flip(3))], dim=1).numpy())
    return Features(
        np.concatenate(rows),
        np.array([CLASSES.index(square.view) for square in found], np.int64),
        np.array([square.picture for square in found], np.str_),
        np.array([square.own for square in found], np.bool_),
        np.array([square.score for square in found], np.float32),
    )


def fitted(learnt: Features, seed: int, steps: int = 300) -> ViewHead:
    """Fit heads from several initialisations and combine them to one with the mean of their logits."""
    parts = [_one_fitted(learnt, seed + number, steps) for number in range(_HEADS)]
    head = ViewHead(len(CLASSES)).eval().requires_grad_(requires_grad=False)
    head.hidden.weight.copy_(torch.cat([hidden.weight for hidden, _ in parts]))
    head.hidden.bias.copy_(torch.cat([hidden.bias for hidden, _ in parts]))
    head.out.weight.copy_(torch.cat([out.weight for _, out in parts], dim=1) / _HEADS)
    head.out.bias.copy_(torch.stack([out.bias for _, out in parts]).mean(dim=0))
    return head


def _one_fitted(learnt: Features, seed: int, steps: int) -> tuple[nn.Linear, nn.Linear]:
    """Fit both layers of one head; views are sampled by the square root of their shares (class imbalance)."""
    torch.manual_seed(seed)
    mean, spread = (np.asarray(of, np.float32) for of in _scale(learnt.rows))
    rows, views = torch.from_numpy((learnt.rows - mean) / spread), torch.from_numpy(learnt.views)
    counts = np.bincount(learnt.views, minlength=len(CLASSES)).clip(min=1)
    weights = torch.from_numpy((1 / np.sqrt(counts))[learnt.views])
    width = VIEW_HIDDEN // _HEADS
    hidden, out, drop = nn.Linear(VIEW_FEATURES, width), nn.Linear(width, len(CLASSES)), nn.Dropout(0.3)
    optimiser = torch.optim.AdamW([*hidden.parameters(), *out.parameters()], lr=2e-3, weight_decay=0.1)
    for _ in range(steps):
        chosen = torch.multinomial(weights, 512, replacement=True)
        sides = torch.randint(2, (512,))
        logits = out(drop(torch.relu(hidden(drop(rows[chosen, sides])))))
        loss = nn.functional.cross_entropy(logits, views[chosen], label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch does not say
        optimiser.step()
    with torch.no_grad():  # scale and offset are folded into the layer, which gets raw features
        hidden.weight.div_(torch.from_numpy(spread))
        hidden.bias.sub_(hidden.weight @ torch.from_numpy(mean))
    return hidden.requires_grad_(requires_grad=False), out.requires_grad_(requires_grad=False)


def _scale(rows: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    flat = rows.reshape(-1, rows.shape[-1]).astype(np.float64)
    return flat.mean(axis=0), flat.std(axis=0) + 1e-2


def probabilities(head: ViewHead, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of the views (N, views) of features (N, 2, VIEW_FEATURES)."""
    with torch.no_grad():
        logits = head.of_features(torch.from_numpy(rows)).mean(dim=1)
        return np.asarray(logits.softmax(dim=1).numpy(), np.float32)


def cross_validated(learnt: Features, seed: int, folds: int = 5) -> NDArray[np.float32]:
    """Probabilities (N, views) of each square by a head trained without any picture of its hand."""
    hands = np.array([hand_of(name) for name in learnt.pictures])
    names = np.unique(hands)
    fold_of = dict(zip(names, np.random.default_rng(seed).permutation(len(names)) % folds, strict=True))
    fold = np.array([fold_of[name] for name in hands])
    chance = np.zeros((len(hands), len(CLASSES)), np.float32)
    for number in range(folds):
        head = fitted(learnt.where(fold != number), seed)
        chance[fold == number] = probabilities(head, learnt.rows[fold == number])
    return chance
