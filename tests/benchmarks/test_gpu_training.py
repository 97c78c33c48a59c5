"""The measurement of trainings runs line by line on a CPU, and adds up what a whole comparison takes."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from tests.benchmarks import gpu_training
from tests.benchmarks.__main__ import main
from tests.benchmarks.gpu import NO_CARD
from tests.benchmarks.gpu_training import Compared, Size, hands_from, measure, pace_of, rows, whole_rows
from tests.benchmarks.scale import TASTE
from tests.benchmarks.table import Row, Verdict
from tests.finders import demo_detector
from tests.training.recipe_builders import small_recipe
from training.classifier.epoch_log import EpochRow, Log
from training.classifier.run_folder import REAL, HandsFrom
from training.data.dataset import Crops, Split, read_source, save_crops, stacked
from training.data.dataset import Row as Hand
from training.data.detector import keep_detector
from training.experiments.compare import HANDS
from training.recipes.classifier import Recipe

TINY = Size(epochs=2, architectures=("googlenet",), resamples=10, bands=3, workers=0)


def few_hands() -> Crops:
    """Noise: one hand of each stage to learn from, three of each to be measured on."""
    noise = np.random.default_rng(0)
    counts: dict[Split, int] = {"tune": 1, "held-out": 3}
    return stacked(
        [
            Hand(
                noise.integers(0, 256, (64, 64)).astype(np.uint8),
                stage,
                f"{split} {stage} {n}",
                split,
                "simulated",
            )
            for split, count in counts.items()
            for stage in range(6)
            for n in range(count)
        ]
    )


def few_hands_recipe() -> Recipe:
    recipe = small_recipe()
    nothing_drawn = recipe.data.model_copy(update={"phantoms": 0})
    task = recipe.staging.model_copy(update={"rest": "keep"})
    changed = {"amp": "off", "data": nothing_drawn, "staging": task, "recognition": task}
    return recipe.model_copy(update=changed)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_without_a_card_only_what_feeds_it_is_measured():
    card, ready, reader = main(["training", "--taste"])
    assert card == Row("GPU training", NO_CARD)
    assert ready.beside == "400/s"
    assert ready.ratio == pytest.approx(float(ready.ours.removesuffix("/s")) / 400, rel=0.1)
    assert reader.ours == ready.ours
    assert reader.ratio > 0


def test_a_comparison_and_the_plain_loop_are_measured_on_the_same_hands(tmp_path, monkeypatch):
    """The CPU in the place of the card, one network and few hands; the page has tests of its own."""
    pages = []
    monkeypatch.setattr(gpu_training, "write_page", lambda *given: pages.append(given))
    (tmp_path / "ours" / HANDS).mkdir(parents=True)
    save_crops(few_hands(), tmp_path / "ours" / HANDS / REAL)
    keep_detector(demo_detector(), tmp_path / "ours" / HANDS)
    recipe = few_hands_recipe()
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    found = list(rows(recipe, torch.device("cpu"), HandsFrom(), tmp_path, TINY))
    assert (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark) == before
    assert [re.sub(r"[0-9]+ runs", "N runs", row.name) for row in found] == [
        "training of GoogLeNet, images, beside a plain loop",
        "training, N runs of 100 epochs",
        "training, N runs of 100 epochs, beside a plain loop",
        "training, N runs of 100 epochs: of it hands, weights, figures",
    ]
    assert all(row.ratio > 0 for row in found[:3])
    assert pages[0][0] == [tmp_path / "ours" / "googlenet"]
    assert len(list((tmp_path / "pictures").iterdir())) == 6


def test_all_epochs_of_all_runs_are_added_up():
    """1 s and 2 s an epoch are 10 min in two tasks of 100 epochs each; a minute passes around them."""
    ours = Compared({"alexnet": 1.0, "vgg16": 2.0}, around_s=60.0)
    limit, beside, around = whole_rows(ours, {"alexnet": 4.0, "vgg16": 7.0})
    assert (limit.ours, limit.verdict) == ("11.0 min", Verdict.SHORT)
    assert beside.ratio == pytest.approx(2200 / 660)
    assert around.ours == "1.0 min"
    (met, *_) = whole_rows(Compared({"alexnet": 2.9}, around_s=10.0), {"alexnet": 60.0})
    assert met.verdict is Verdict.MET


def test_the_first_epoch_of_a_task_warms_up_and_does_not_count(tmp_path):
    log = Log(tmp_path / "log.csv")
    for task in ("staging", "recognition"):
        for epoch, seconds in enumerate((9.0, 1.0, 1.2, 1.1), start=1):
            log.add(EpochRow(task, epoch, 0.5, 1e-5, seconds, None))
    assert pace_of(tmp_path / "log.csv") == pytest.approx(1.1)


def test_the_radiographs_of_the_environment_are_used_or_all_hands_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setenv("RA_NODE_RADIOGRAPHS", "somewhere")
    assert str(hands_from(tmp_path).radiographs) == "somewhere"
    monkeypatch.delenv("RA_NODE_RADIOGRAPHS")
    assert read_source(hands_from(tmp_path).radiographs) == []


def test_with_a_card_all_networks_are_measured(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(
        gpu_training, "ready_rows", lambda recipe, device, *_: [Row(f"ready {device.type}", "")]
    )
    monkeypatch.setattr(gpu_training, "rows", lambda *given: asked.append(given) or [])
    assert [row.name for row in measure(tmp_path, TASTE)] == ["ready cuda"]
    (recipe, device, _, _, size), *_ = asked
    assert (device.type, len(size.architectures), size.epochs) == ("cuda", 5, 2)
    assert recipe.data.preset == "paper"
