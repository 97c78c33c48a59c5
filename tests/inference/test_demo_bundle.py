"""The bundle that ships with the project says what it is, and tells a sick phantom from a healthy one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ra_node.domain.laterality.evidence import Side
from ra_node.domain.study import NO_HEADER
from ra_node.imaging.hand_extraction import extract_hands
from ra_node.imaging.pixels import Radiograph
from ra_node.inference.bundles.bundle import Bundle, load_bundle
from ra_node.inference.hand_detector.detector import load_finder
from ra_node.inference.predictor import Predictor
from training.phantom.draw import draw_hands
from training.phantom.recipe import HandRecipe, PhantomRecipe

FOLDER = Path(__file__).resolve().parents[2] / "config" / "bundles" / "demo"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(FOLDER)


def test_it_says_everywhere_that_it_learnt_from_simulated_lesions(bundle: Bundle) -> None:
    assert bundle.identity.notice == "Trained on simulated lesions. Research use only, not a medical device."
    assert bundle.identity.notice in (FOLDER / "card.md").read_text()
    assert "non-commercial" in str(bundle.manifest.provenance["terms"])


def test_its_figures_on_held_out_hands_hold_what_the_readme_may_promise(bundle: Bundle) -> None:
    """The lower ends of the intervals count."""
    assert bundle.manifest.tasks.recognition.metrics["auc"][1] > 0.9
    assert bundle.manifest.tasks.staging.metrics["quadratic_kappa"][1] > 0.6


def test_it_says_how_often_its_heat_maps_were_right(bundle: Bundle) -> None:
    """As `python -m tests.benchmarks.explanation` counted; no chance, but no certainty either."""
    check = bundle.identity.heat_map
    assert check is not None
    assert check.found / check.hands > 0.8
    assert "simulated lesion at one joint" in check.measured_on


def test_its_weights_are_small_enough_for_the_repository() -> None:
    assert all(path.stat().st_size < 16 * 2**20 for path in FOLDER.rglob("*"))


def test_a_destroyed_phantom_hand_is_called_and_its_healthy_neighbour_is_not(bundle: Bundle) -> None:
    hands = (HandRecipe(Side.RIGHT, 0), HandRecipe(Side.LEFT, 5))
    values = draw_hands(PhantomRecipe(hands, 1000, 1200, seed=5)).pixels.astype(np.float32)
    drawn = Radiograph(values, np.zeros(values.shape, np.uint8))
    crops = extract_hands(drawn, NO_HEADER, load_finder(bundle)).crops(224)
    healthy, sick = Predictor(bundle, "cpu").judge(crops)
    assert not healthy.recognition.positive
    assert healthy.staging.stage == 0
    assert sick.recognition.positive
    assert sick.staging.stage >= 3
