"""Decides which view a hand is shown in, by the probabilities of the view head."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ra_node.domain.pixel_view import PixelView, SeenView

LEAST_ELSEWHERE = 0.9
"""Probability of a foot or another part of the body above which a proposal is no hand."""
SURELY_FRONTAL, SURELY_TURNED = 0.9, 0.7
"""Probabilities of a frontal, and of an oblique or lateral view, above which a proposal surely is a hand."""
_ELSEWHERE = frozenset({PixelView.FOOT, PixelView.OTHER})


@dataclass(frozen=True, slots=True)
class Views:
    """The head that tells views: its file, what it answers, and the least probability of a frontal view."""

    head: Path
    classes: tuple[PixelView, ...]
    least_frontal: float


def seen_view(chance: NDArray[np.float32], views: Views | None) -> SeenView | None:
    """The view by its probabilities (views,): frontal where likely enough, else the likeliest other one."""
    if views is None:
        return None
    by_view = {view: float(p) for view, p in zip(views.classes, chance, strict=True)}
    frontal = by_view.pop(PixelView.FRONTAL)
    if frontal >= views.least_frontal:
        return SeenView(PixelView.FRONTAL, frontal)
    return SeenView(*max(by_view.items(), key=lambda one: one[1]))


def is_elsewhere(view: SeenView | None) -> bool:
    """Whether joints were seen in what surely is no hand."""
    return view is not None and view.view in _ELSEWHERE and view.probability >= LEAST_ELSEWHERE


def is_surely_hand(view: SeenView | None) -> bool:
    """Whether the view alone speaks for a whole hand, so that joints may be less sure."""
    if view is None:
        return False
    if view.view is PixelView.FRONTAL:
        return view.probability >= SURELY_FRONTAL
    return view.view in (PixelView.OBLIQUE, PixelView.LATERAL) and view.probability >= SURELY_TURNED
