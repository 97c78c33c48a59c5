"""The command trains, measures and exports a run, and refuses a start that would leak held-out hands."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

from ra_node.errors import Fatal
from ra_node.inference.bundles.bundle import load_bundle
from ra_node.inference.networks.architectures import build
from tests.finders import demo_detector
from tests.training.recipe_builders import DEMO
from training.__main__ import evaluate, export_bundle, main, simulate, train
from training.classifier.epoch_log import read_log
from training.classifier.initial_weights import replace_head
from training.classifier.run_folder import HandsFrom, keep_recipe, prepared
from training.data.dataset import Origin, Row, Split, save_crops, stacked
from training.data.detector import keep_detector
from training.data.weights_origin import read_origin
from training.recipes.classifier import read_recipe

SMALL = {
    "side_px = 224": "side_px = 64",
    "batch = 32": "batch = 8",
    "adults = 4": "adults = 0",
}


def write_recipe(path: Path, **changed: str) -> Path:
    text = re.sub(r"epochs = [0-9.]+", "epochs = 1", DEMO.read_text())
    for old, new in (SMALL | changed).items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return path


def write_crops(folder: Path, *, adults: bool = False) -> None:
    """Hands that are brighter the higher their stage, in every split, and the detector that cut them."""
    keep_detector(demo_detector(), folder, Path.write_bytes)
    rng = np.random.default_rng(0)

    def rows(split: Split, origin: Origin, stages: tuple[int, ...]) -> list[Row]:
        return [
            Row(rng.integers(0, 40 + 40 * k, (64, 64)).astype(np.uint8), k, f"{split} {k} {n}", split, origin)
            for k in stages
            for n in range(3)
        ]

    every = (0, 1, 2, 3, 4, 5)
    splits: tuple[Split, ...] = ("tune", "validation", "held-out")
    real = [row for split in splits for row in rows(split, "simulated", every)]
    save_crops(stacked([*real, *rows("held-out", "unedited", (0,))]), folder / "real.npz")
    drawn = [row for split in splits for row in rows(split, "phantom", every)]
    save_crops(stacked(drawn), folder / "phantoms.npz")
    if not adults:
        return
    grown = [row for split in splits for row in rows(split, "simulated adult", every)]
    grown = [replace(row, patient=f"adult {row.patient}") for row in grown]
    alone = [replace(row, origin="unedited adult") for row in grown if row.stage == 0]
    save_crops(stacked([*grown, *alone]), folder / "adults.npz")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a small run, whose folder lies beside it."""
    folder = tmp_path_factory.mktemp("measured")
    recipe = write_recipe(folder / "small.toml", **{"adults = 0": "adults = 4"})
    run = folder / "run"
    run.mkdir()
    write_crops(run, adults=True)
    train(recipe, run, device="cpu")
    evaluate(run, device="cpu", resamples=20)
    export_bundle(run, folder / "bundle")
    return folder / "bundle"


def test_train_evaluate_and_export_make_a_bundle_that_the_node_loads(measured: Path) -> None:
    bundle = load_bundle(measured)
    assert bundle.identity.models[0].architecture == "googlenet"
    assert bundle.manifest.training["counts"]["held-out hands, unedited"] == 3  # type: ignore[index,call-overload]
    assert bundle.manifest.training["counts"]["held-out hands, unedited adult"] == 3  # type: ignore[index,call-overload]
    assert "random weights" in str(bundle.manifest.provenance["initialisation"])
    assert [(row.task, row.epoch) for row in read_log(measured.parent / "run" / "log.csv")] == [
        ("staging", 1),
        ("recognition", 1),
    ]


def test_children_and_adults_are_counted_measured_and_credited_apart(measured: Path) -> None:
    """Origin and terms of both stand in the weights, the manifest and the card."""
    manifest = load_bundle(measured).manifest
    card = (measured / "card.md").read_text()
    counts = cast("dict[str, int]", manifest.training["counts"])
    assert (counts["held-out patients"], counts["held-out adult patients"]) == (18, 18)
    assert counts["held-out hands, unedited adult"] == 3
    for words in ("Science Research 2022", "origin of single images not verified"):
        assert words in str(manifest.provenance)
        assert words in card
        assert words in str(read_origin(measured / "staging" / "weights.safetensors"))
    assert "weights at the start" not in str(manifest.provenance)
    for title in (
        "Hands of adults, unedited",
        "Recognition, adults, simulated lesions",
        "children, unedited",
    ):
        assert title in card
    assert "called ra present" in card
    adults = cast("dict[str, list[float]]", manifest.training["held_out_unedited_adults"])
    assert set(adults) == {"specificity", "called_stage_0", "called_ra_present"}
    assert "children and adolescents" in str(manifest.tasks.recognition.metrics_on)


def test_a_start_with_another_split_is_refused_with_both(tmp_path: Path) -> None:
    """Its tune patients may be held out here."""
    recipe = write_recipe(tmp_path / "small.toml")
    other = write_recipe(tmp_path / "other.toml", **{"seed = 2024": "seed = 7"})
    for name in ("run", "earlier"):
        (tmp_path / name).mkdir()
        write_crops(tmp_path / name)
    simulate(other, tmp_path / "earlier")
    with pytest.raises(Fatal, match=r"expected a run with the split \(2024, .*found \(7, "):
        train(recipe, tmp_path / "run", start=tmp_path / "earlier", device="cpu")


def test_a_run_is_not_continued_with_another_data_recipe(tmp_path: Path) -> None:
    write_crops(tmp_path)
    simulate(write_recipe(tmp_path / "a.toml"), tmp_path)
    changed = write_recipe(tmp_path / "b.toml", **{"phantom_cuts = 4": "phantom_cuts = 3"})
    with pytest.raises(Fatal, match="found another; use a new --out"):
        train(changed, tmp_path, device="cpu")


def test_an_experiment_shares_the_crops_of_a_run_and_no_other_recipe_may(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "a.toml")
    (tmp_path / "base").mkdir()
    write_crops(tmp_path / "base")
    simulate(recipe, tmp_path / "base")
    prepared(read_recipe(recipe), tmp_path / "new", HandsFrom(run=tmp_path / "base"), lambda _: None)
    assert (tmp_path / "new" / "real.npz").samefile(tmp_path / "base" / "real.npz")
    other = read_recipe(write_recipe(tmp_path / "b.toml", **{"seed = 2024": "seed = 7"}))
    with pytest.raises(Fatal, match=r"side_px and seed of .*base"):
        prepared(other, tmp_path / "third", HandsFrom(run=tmp_path / "base"), lambda _: None)
    assert not (tmp_path / "third").exists()


def test_without_radiographs_nothing_is_simulated(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="expected the folder of radiographs"):
        train(write_recipe(tmp_path / "small.toml"), tmp_path / "run", device="cpu")


@pytest.mark.parametrize("name", ["alexnet", "googlenet", "efficientnet_b2"])
def test_a_new_head_leaves_the_trunk_as_it_was(name: str) -> None:
    with torch.device("meta"):
        network = build(name, 6)
        trunk = list(network.parameters())[:-2]
        replace_head(network, 2)
        kept = list(network.parameters())[:-2]
        assert all(one is other for one, other in zip(kept, trunk, strict=True))
        assert network.eval()(torch.zeros(1, 3, 224, 224)).shape == (1, 2)


@pytest.mark.parametrize("command", [("evaluate",), ("export", "--out", "bundle")])
@pytest.mark.parametrize("run", ["missing", "empty", "file", "damaged"])
def test_a_folder_that_is_no_run_ends_a_command_with_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], run: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("empty", "damaged"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "damaged" / "recipe.json").write_text("{")
    sentence = _sentence(monkeypatch, *command, "--run", run)
    assert "\n" not in sentence
    assert ("recipe.json" if run != "damaged" else "Recipe") in sentence
    assert not (tmp_path / "bundle").exists()


def test_an_out_that_cannot_be_written_and_crops_that_are_damaged_end_with_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    recipe = str(write_recipe(tmp_path / "recipe.toml"))
    train_on = ("train", "--config", recipe, "--radiographs", str(tmp_path))
    assert "file" in _sentence(monkeypatch, *train_on, "--out", str(tmp_path / "file" / "run"))
    run = tmp_path / "run"
    keep_recipe(read_recipe(Path(recipe)), run)
    (run / "real.npz").write_bytes(b"PK\x03\x04 cut off")
    assert "arrays" in _sentence(monkeypatch, "evaluate", "--run", str(run))


def _sentence(monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    """What a command that cannot go on says."""
    monkeypatch.setattr(sys, "argv", ["training", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, str)
    return ended.value.code
