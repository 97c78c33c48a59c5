"""Rendered pieces bear the class of the letter that they show; a mirrored class is the mirror image."""

from __future__ import annotations

import numpy as np

from ra_node.domain.laterality.marker import MARKER_CLASSES
from training.marker_reader.real import part_of_picture
from training.marker_reader.rendering import SIDE_LETTERS, font_files, marker
from training.marker_reader.scenes import rendered
from training.marker_reader.train import MIRRORED, train_marker_reader


def test_the_same_seed_renders_the_same_pieces_and_every_letter_comes():
    fonts = font_files()
    patches, labels = rendered(60, 3, fonts, [], lambda _done, _total: None)
    again, same = rendered(60, 3, fonts, [], lambda _done, _total: None)
    assert np.array_equal(patches, again)
    assert np.array_equal(labels, same)
    assert {MARKER_CLASSES[n][0] for n in labels if n} <= set(SIDE_LETTERS)
    assert {"R", "L"} <= {MARKER_CLASSES[n] for n in labels}


def test_a_marker_shows_the_strokes_of_its_glyphs():
    glyphs, label, level = marker(np.random.default_rng(5), 224, font_files())
    assert all(0.9 < glyph.strokes.max() < 1.001 for glyph in glyphs)
    assert label.shape == glyphs[0].strokes.shape
    assert 0 <= level <= 1


def test_the_class_of_a_mirror_image_mirrors_back():
    assert len(MIRRORED) == len(MARKER_CLASSES)
    for at, other in enumerate(MIRRORED):
        assert MIRRORED[other] == at
        assert MARKER_CLASSES[at][0] == MARKER_CLASSES[other][0]


def test_training_repeats_to_the_bit():
    patches, labels = rendered(15, 4, font_files(), [], lambda _done, _total: None)
    said: list[str] = []
    first = train_marker_reader(patches, labels, 1, 1, said.append)
    again = train_marker_reader(patches, labels, 1, 1, said.append)
    states = zip(first.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(bool((a == b).all()) for a, b in states)
    assert said[0].startswith("epoch 1 of 1: loss ")


def test_a_picture_stays_in_its_half():
    """The rule that keeps held-out pictures out of training: sha1 of the name, first digit below 8."""
    assert [part_of_picture(name) for name in ("c0-11.png", "c0-91.png")] == ["held-out", "tuning"]
