"""A site trains on its own labelled images, from radiographs to a bundle that the node loads."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from ra_node.errors import Fatal, Refused
from ra_node.inference.bundles.bundle import load_bundle
from tests.finders import demo_finder
from tests.training.label_tables import label, marked_study, save, write_table
from tests.training.recipe_builders import small_recipe
from tests.training.test_main import write_recipe
from training.__main__ import app
from training.classifier.epoch_log import read_log
from training.classifier.labelled_dataset import LABELLED, kept_rows, labelled
from training.classifier.run_folder import HandsFrom, prepared
from training.data.dataset import load_crops
from training.data.detector import kept_detector
from training.data.manifest import read_manifest
from training.data.site_images.source_image import Source, read_source
from training.export.detector_card import HEADING

PAIRS = ((0, 1), (2, 3), (4, 5))
PEOPLE = 3


def called(*words: object) -> str:
    found = CliRunner().invoke(app, [str(word) for word in words])
    assert found.exit_code == 0, f"{found.output}\n{found.exception!r}"
    return found.output


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine patients with two-hand DICOM images and one with a PNG of a single hand, prepared and split."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "images").mkdir()
    rows = []
    for number in range(PEOPLE):
        for stages in PAIRS:
            name = f"{number}-{stages[0]}.dcm"
            save(marked_study(f"MARK{name}", stages, seed=10 * number + stages[0]), folder / "images" / name)
            known = {"patient": f"MARK{name}", "sex": "", "age_years": "", "site": ""}
            rows += [label(name, side, stage, **known) for side, stage in zip("RL", stages, strict=True)]
    source = read_source(folder / "images" / "0-0.dcm", demo_finder())
    assert isinstance(source, Source)
    values = source.extraction.radiograph.values
    half = values[:, : values.shape[1] // 2].astype(np.uint16)
    cv2.imwrite(str(folder / "images" / "single.png"), half)
    about = {"patient": "MARKPNG", "sex": "M", "age_years": 30, "site": "north"}
    write_table(folder / "labels.csv", [*rows, label("single.png", "R", 0, **about)])
    images, labels = folder / "images", folder / "labels.csv"
    called("prepare", "--images", images, "--labels", labels, "--out", folder / "data", "--site", "south")
    called("split", "--dataset", folder / "data", "--out", folder / "split.json")
    return folder


@pytest.fixture(scope="module")
def run(site: Path) -> Path:
    """Trained and measured by the commands, for one short epoch a task."""
    recipe, run = write_recipe(site / "small.toml", **{"validation = 0.15": "validation = 0.0"}), site / "run"
    words = ("--dataset", site / "data", "--split", site / "split.json", "--config", recipe)
    called("train", *words, "--out", run, "--device", "cpu", "--threads", 1)
    called("evaluate", "--run", run, "--device", "cpu", "--resamples", 10)
    return run


def test_the_crops_are_those_of_the_dataset_with_no_patient_on_two_sides(site: Path, run: Path) -> None:
    crops, rows = load_crops(run / LABELLED), read_manifest(site / "data")
    assert len(crops) == 2 * PEOPLE * len(PAIRS) + 1
    assert crops.stages.tolist() == [row.stage for row in rows]
    assert kept_rows(run) == rows
    sides = {side: set(crops.patients[crops.splits == side]) for side in ("tune", "held-out")}
    assert all(sides.values())
    assert not sides["tune"] & sides["held-out"]
    assert [row.task for row in read_log(run / "log.csv")] == ["staging", "recognition"]


def test_groups_come_from_the_manifest_without_a_table_of_people(run: Path) -> None:
    groups = json.loads((run / "evaluation.json").read_text())["held_out"]["groups"]
    assert {"side R", "side L", "sex F", "age band 60+", "site south"} <= set(groups)


def test_the_bundle_loads_and_nothing_says_that_its_lesions_were_simulated(site: Path, run: Path) -> None:
    bundle, page = site / "bundle", site / "report.html"
    called("export", "--run", run, "--out", bundle, "--name", "mine")
    called("report", "--run", run, "--out", page, "--resamples", 3)
    loaded = load_bundle(bundle)
    manifest = loaded.manifest
    assert manifest.finder is not None
    assert manifest.finder.sha256 == manifest.preprocessing.detector_sha256 == kept_detector(run).sha256
    assert "labelled radiographs" in loaded.identity.notice
    assert loaded.manifest.training["data"] == (
        "labelled radiographs of one dataset, as `python -m training prepare` made it"
    )
    assert str(loaded.manifest.provenance["source"]).startswith(
        "A site's own radiographs and labels (dataset "
    )
    kept = ["log.csv", "evaluation.json", "calibration.json"]
    part = manifest.finder
    texts = [path.read_text() for path in (bundle / "manifest.json", bundle / "card.md", page)]
    texts = [text.partition(HEADING)[0] for text in texts]
    reader = manifest.marker_reader
    assert reader is not None
    for said in (part.trained_on, part.figures_on, reader.trained_on, reader.figures_on):
        texts = [text.replace(said, "").replace(json.dumps(said)[1:-1], "") for text in texts]
    for text in [*texts, *((run / name).read_text() for name in kept)]:
        assert "simulat" not in text.lower()
        assert "RSNA" not in text
        assert "MARK" not in text
    assert "own radiographs" in texts[2]
    assert "By group, side R" in texts[1]


def test_a_run_keeps_its_dataset_and_never_mixes_it_with_others(
    site: Path, run: Path, tmp_path: Path
) -> None:
    recipe = small_recipe()
    called("split", "--dataset", site / "data", "--out", tmp_path / "other.json", "--seed", 5)
    with pytest.raises(Fatal, match=r"expected the dataset of .*, found manifest .*; use a new --out"):
        labelled(recipe, run, site / "data", tmp_path / "other.json", "", lambda _done, _total: None)
    with pytest.raises(Fatal, match="expected --dataset and --split"):
        prepared(recipe, run, HandsFrom(), lambda _: None)
    with pytest.raises(Fatal, match="the split of the dataset in --split"):
        prepared(recipe, tmp_path / "new", HandsFrom(dataset=site / "data"), lambda _: None)


def test_a_fold_has_to_be_named_where_there_are_several(site: Path, tmp_path: Path) -> None:
    folds = tmp_path / "folds.json"
    called("split", "--dataset", site / "data", "--out", folds, "--kind", "folds", "--folds", 3)
    recipe = small_recipe()

    def made(fold: str, out: Path) -> int:
        crops = labelled(recipe, out, site / "data", folds, fold, lambda _done, _total: None)
        return int((crops.splits == "held-out").sum())

    with pytest.raises(Refused, match="one of the folds fold 1, fold 2, fold 3 in --fold, found none"):
        made("", tmp_path / "a")
    assert 0 < made("fold 2", tmp_path / "b") < 10


def test_weights_of_another_split_of_the_dataset_are_no_start(site: Path, run: Path, tmp_path: Path) -> None:
    """Its training patients may be held out here."""
    called("split", "--dataset", site / "data", "--out", tmp_path / "other.json", "--seed", 5)
    words = ["train", "--dataset", site / "data", "--split", tmp_path / "other.json", "--start", run]
    words += ["--config", site / "small.toml", "--out", tmp_path / "new", "--device", "cpu"]
    found = CliRunner().invoke(app, [str(word) for word in words])
    assert isinstance(found.exception, Fatal)
    assert "expected a start with the dataset, split and fold" in str(found.exception)
