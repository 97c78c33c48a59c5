"""A hand is frontal only where that is likely enough, and a sure foot is no hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ra_node.domain.view.pixel_view import PixelView, SeenView
from ra_node.inference.hand_detector.view_decision import Views, is_elsewhere, is_surely_hand, seen_view

VIEWS = Views(Path("views"), (PixelView.FRONTAL, PixelView.OBLIQUE, PixelView.FOOT), 0.6)


def test_a_frontal_view_must_be_likely_enough_else_the_likeliest_other_counts() -> None:
    assert seen_view(np.float32([0.6, 0.3, 0.1]), VIEWS).view is PixelView.FRONTAL
    doubted = seen_view(np.float32([0.55, 0.3, 0.15]), VIEWS)
    assert (doubted.view, round(doubted.probability, 2)) == (PixelView.OBLIQUE, 0.3)
    assert seen_view(np.float32([]), None) is None


def test_only_a_sure_foot_or_other_part_is_no_hand() -> None:
    """A hand in doubt stays a hand and is refused by name; so is a wrist."""
    assert is_elsewhere(SeenView(PixelView.FOOT, 0.95))
    assert not is_elsewhere(SeenView(PixelView.FOOT, 0.8))
    assert not is_elsewhere(SeenView(PixelView.WRIST, 0.99))
    assert not is_elsewhere(None)


def test_a_sure_view_of_a_hand_lets_joints_be_less_sure() -> None:
    """Of an oblique hand less is asked, as it is not rated; a wrist is never a whole hand."""
    assert is_surely_hand(SeenView(PixelView.FRONTAL, 0.92))
    assert not is_surely_hand(SeenView(PixelView.FRONTAL, 0.8))
    assert is_surely_hand(SeenView(PixelView.LATERAL, 0.72))
    assert not is_surely_hand(SeenView(PixelView.WRIST, 0.99))
    assert not is_surely_hand(None)
