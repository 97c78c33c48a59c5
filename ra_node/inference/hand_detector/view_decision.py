"""Decides the view of a hand by the probabilities of the view head."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ra_node.domain.view.pixel_view import PixelView, SeenView

LEAST_ELSEWHERE = 0.9
"""Probability of a foot or another body part above which a proposal is rejected."""
SURELY_FRONTAL, SURELY_TURNED = 0.9, 0.7
"""Probabilities of a frontal, and of an oblique or lateral view, for a certain hand."""
_ELSEWHERE = frozenset({PixelView.FOOT, PixelView.OTHER})


@dataclass(frozen=True, slots=True)
class Views:
    """The view head: its file, its classes, and the threshold for a frontal view."""

    head: Path
    classes: tuple[PixelView, ...]
    least_frontal: float


def seen_view(chance: NDArray[np.float32], views: Views | None) -> SeenView | None:
    """The view by its probabilities (views,): frontal from the threshold on, else the likeliest other one."""
    if views is None:
        return None
    by_view = {view: float(p) for view, p in zip(views.classes, chance, strict=True)}
    frontal = by_view.pop(PixelView.FRONTAL)
    if frontal >= views.least_frontal:
        return SeenView(PixelView.FRONTAL, frontal)
    return SeenView(*max(by_view.items(), key=lambda one: one[1]))


def is_elsewhere(view: SeenView | None) -> bool:
    """Whether the view head is certain that a proposal with joints is no hand."""
    return view is not None and view.view in _ELSEWHERE and view.probability >= LEAST_ELSEWHERE


def is_surely_hand(view: SeenView | None) -> bool:
    """Whether the view head is certain of a whole hand, so that lower joint scores are accepted."""
    if view is None:
        return False
    if view.view is PixelView.FRONTAL:
        return view.probability >= SURELY_FRONTAL
    return view.view in (PixelView.OBLIQUE, PixelView.LATERAL) and view.probability >= SURELY_TURNED
