"""A killed training of the hand finder ends with the same weights; a bundle takes them with their figures."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from ra_node.errors import Fatal
from ra_node.inference.bundles.bundle import load_bundle
from ra_node.inference.hand_detector.detector import load_finder
from tests.inference.bundle_builders import write_bundle
from training.classifier.checkpoint import Checkpoint
from training.hand_detector.export import add_finder, write_figures
from training.hand_detector.losses import reader_loss, seeker_loss
from training.hand_detector.picture_pool import drawn_pictures, other_pictures
from training.hand_detector.scene_sampler import Studio
from training.hand_detector.scenes import layers_of
from training.hand_detector.train import NAMES, train_network, weights_file
from training.recipes.hand_detector import DetectorNetworkRecipe, FinderRecipe, read_finder_recipe

TINY = DetectorNetworkRecipe(steps=3, batch=2, learning_rate=1e-3, weight_decay=0.01)
RECIPE = FinderRecipe(seed=1, amp=False, phantoms=2, others=1, seeker=TINY, reader=TINY)


class Killed(Exception):
    """The process ends here."""


@pytest.fixture(scope="module")
def studio() -> Studio:
    stock = [
        layers_of(one) for one in (*drawn_pictures(3, 3, lambda done, total: None), *other_pictures(1, 3))
    ]
    by_hands = {count: [one for one in stock if len(one.picture.joints) == count] for count in (0, 1, 2)}
    return Studio(by_hands[1], by_hands[2], by_hands[0])


def quiet(text: str) -> None:
    """Say nothing."""


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_training_ends_with_the_same_weights(name, studio, tmp_path, monkeypatch) -> None:
    """After a kill behind the second step, the checkpoint leads to the bytes of a whole run."""
    monkeypatch.setattr("training.hand_detector.train._EVERY_S", 0.0)
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    train_network(name, studio, RECIPE, whole, quiet)
    kept = Checkpoint.save

    def save_and_die(self: Checkpoint, state) -> None:
        kept(self, state)
        if state["step"] == 2:
            raise Killed

    monkeypatch.setattr(Checkpoint, "save", save_and_die)
    with pytest.raises(Killed):
        train_network(name, studio, RECIPE, torn, quiet)
    assert not weights_file(torn, name).exists()
    monkeypatch.setattr(Checkpoint, "save", kept)
    train_network(name, studio, RECIPE, torn, quiet)
    digests = {hashlib.sha256(weights_file(run, name).read_bytes()).hexdigest() for run in (whole, torn)}
    assert len(digests) == 1


def test_a_bundle_takes_the_finder_with_its_figures(studio, tmp_path) -> None:
    """Its hash changes, the card says what was measured, and a second time replaces the first."""
    run, bundle = tmp_path / "run", write_bundle(tmp_path / "bundle")
    (bundle / "card.md").write_text("# A card\n")
    before = load_bundle(bundle).identity.sha256
    for name in NAMES:
        train_network(name, studio, RECIPE, run, quiet)
    with pytest.raises(Fatal, match=r"found no figures\.json"):
        add_finder(run, bundle)
    write_figures(run, {"other things: no hand": (0.875, 0.6, 0.97)})
    after = add_finder(run, bundle)
    assert after not in (before, None)
    assert add_finder(run, bundle) == after
    card = (bundle / "card.md").read_text()
    assert card.startswith("# A card\n")
    assert card.count("## Hand detector") == 1
    assert "| other things: no hand | 87.5 % | 60.0 to 97.0 % |" in card
    assert load_finder(load_bundle(bundle)) is not None


def test_the_seeker_is_corrected_towards_its_targets() -> None:
    """A perfect answer costs little; a hand that is missed, or seen where none is, costs more."""
    heat = torch.zeros(1, 8, 8)
    heat[0, 3, 4] = 1
    at = heat > 0
    numbers = torch.full((1, 4, 8, 8), 0.5)
    right = torch.cat([torch.where(at, 8.0, -8.0)[:, None], numbers], dim=1)
    missed, ghost, off = right.clone(), right.clone(), right.clone()
    missed[0, 0, 3, 4], ghost[0, 0, 6, 6], off[0, 3, 3, 4] = -8, 8, 2.5
    costs = [float(seeker_loss(out, heat, numbers, at)) for out in (right, missed, ghost, off)]
    assert costs[0] < 0.01
    assert min(costs[1:]) > 1


def test_the_reader_is_corrected_towards_its_targets() -> None:
    """A joint in the wrong cell, one that is absent but seen, and a wrong silhouette all cost."""
    joints = torch.full((1, 13, 2), 18.0)
    joints[0, 5] = torch.nan
    y, x = torch.meshgrid(torch.arange(8) - 4, torch.arange(8) - 4, indexing="ij")
    where, absent = (-(x**2 + y**2).float()).repeat(1, 13, 1, 1), torch.full((1, 13), -8.0)
    where[0, 5], absent[0, 5] = -8, 8
    silhouette = torch.zeros(1, 16, 16)
    silhouette[0, 4:12, 4:12] = 1
    outline = 20 * silhouette - 10
    known = torch.ones(1)
    right = float(reader_loss((where, absent, outline), joints, silhouette, known))
    elsewhere = reader_loss((where.roll(3, 2), absent, outline), joints, silhouette, known)
    seen = reader_loss((where, absent - 16, outline), joints, silhouette, known)
    inside_out = reader_loss((where, absent, -outline), joints, silhouette, known)
    unknown = reader_loss((where, absent, -outline), joints, silhouette, torch.zeros(1))
    assert min(float(elsewhere), float(seen), float(inside_out)) > right + 0.2
    assert float(unknown) < right + 0.01


def test_the_recipe_of_the_demonstration_is_whole(tmp_path) -> None:
    """And a key that is wrong is named."""
    path = Path(__file__).resolve().parents[3] / "config" / "training" / "finder.toml"
    assert read_finder_recipe(path).seeker.steps > 0
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(path.read_text().replace("phantoms", "fantoms"))
    with pytest.raises(Fatal, match="fantoms"):
        read_finder_recipe(wrong)
    assert np.isfinite(read_finder_recipe(path).reader.learning_rate)
