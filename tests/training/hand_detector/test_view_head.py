"""The view head learns views that differ, and is judged on hands that it did not see."""

from __future__ import annotations

import numpy as np
import pytest

from ra_node.domain.view.pixel_view import PixelView
from ra_node.inference.hand_detector.networks import VIEW_FEATURES
from training.hand_detector import view_head
from training.hand_detector.view_head import CLASSES, Features, cross_validated, fitted, probabilities


def separable(count: int = 60) -> Features:
    """Squares of three views whose features differ, scaled unlike each other, two squares a picture."""
    rng = np.random.default_rng(0)
    views = np.arange(count) // 2 % 3
    rows = rng.normal(0, 1, (count, 2, VIEW_FEATURES)).astype(np.float32)
    rows[np.arange(count), :, views] += 12
    rows = rows * np.linspace(0.5, 3, VIEW_FEATURES, dtype=np.float32) + 4
    names = np.array([f"n{number // 2}" for number in range(count)])
    return Features(rows, views.astype(np.int64), names, np.ones(count, np.bool_), np.ones(count, np.float32))


def test_views_that_differ_are_told_apart_from_features_as_they_are() -> None:
    learnt = separable()
    chance = probabilities(fitted(learnt, seed=1, steps=60), learnt.rows)
    assert chance.shape == (60, len(CLASSES))
    assert (chance.argmax(axis=1) == learnt.views).mean() > 0.9
    assert CLASSES[0] is PixelView.FRONTAL


def test_no_fold_learns_from_the_hand_that_it_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    learnt = separable(20)
    seen: list[set[str]] = []

    def spied(part: Features, seed: int) -> view_head.ViewHead:
        seen.append(set(part.pictures))
        return view_head.ViewHead(len(CLASSES))

    monkeypatch.setattr(view_head, "fitted", spied)
    assert np.isfinite(cross_validated(learnt, seed=1)).all()
    assert len(seen) == 5
    assert set.intersection(*seen) == set()
