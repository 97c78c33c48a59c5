"""The commands show agreement, refuse open discrepancies, and leave a dataset with a split that fits it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ra_node.errors import Refused
from tests.training.label_tables import label, marked_study, save, write_table
from training.cli.data import labels_command, prepare_command, split_command
from training.data.manifest import load_dataset, manifest_sha256, read_manifest
from training.data.split import parts_of, read_split


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three patients, stage 0 right and 1 left, with a second file of the first one."""
    folder = tmp_path_factory.mktemp("hospital")
    for number, patient in enumerate(("A", "B", "C", "A")):
        drawn = (number, 1)  # four pictures: the same one under several patients would be one person
        save(marked_study(patient, drawn, InstanceNumber=number), folder / "images" / f"{number}.dcm")
    rows = [
        label(f"{number}.dcm", side, stage, site="north" if number in (0, 3) else "south")
        for number in range(4)
        for side, stage in (("R", 0), ("L", 1))
    ]
    rows[3] |= {"reader_2": 2, "consensus": 1}
    write_table(folder / "labels.csv", rows)
    rows[5] |= {"reader_2": 2}
    write_table(folder / "open.csv", rows)
    prepare_command(
        folder / "images",
        folder / "data",
        labels=folder / "labels.csv",
        site="x",
        allow_empty_classes=True,
    )
    return folder


def test_a_dataset_and_its_split_fit_and_no_patient_is_on_two_sides(
    hospital: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The patient with two files counts once, on one side."""
    split_command(hospital / "data", tmp_path / "split.json", seed=1)
    shown = capsys.readouterr().out
    assert "no patient and no image is on two sides" in shown
    hands = load_dataset(hospital / "data")
    rows = [hand.row for hand in hands]
    split = read_split(tmp_path / "split.json", manifest_sha256(hospital / "data"), rows)
    parts = parts_of(split.folds[0], rows)
    sides = [{rows[at].patient for at in side} for side in (parts.train, parts.test)]
    assert not sides[0] & sides[1]
    assert [len(side) for side in sides] == [2, 1]
    assert len(rows) == 8


@pytest.mark.parametrize(("kind", "folds"), [("folds", 3), ("site", 2)])
def test_folds_and_sites_are_written_too(hospital: Path, tmp_path: Path, kind: str, folds: int) -> None:
    split_command(hospital / "data", tmp_path / "split.json", kind=kind, folds=3)  # type: ignore[arg-type]
    rows = read_manifest(hospital / "data")
    split = read_split(tmp_path / "split.json", manifest_sha256(hospital / "data"), rows)
    assert len(split.folds) == folds


def test_the_salt_lies_beside_the_dataset_and_only_its_owner_reads_it(hospital: Path) -> None:
    assert (hospital / "patient-key.salt").stat().st_mode & 0o777 == 0o600
    assert not list((hospital / "data").rglob("*.salt"))


def test_labels_shows_agreement_and_stops_at_open_discrepancies(
    hospital: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels_command(hospital / "images", hospital / "labels.csv")
    shown = capsys.readouterr().out
    assert "8 labelled hands; stage 0: 4, stage 1: 4" in shown
    assert "readers: 7 of 8 hands alike; kappa 0.7" in shown
    with pytest.raises(Refused, match="row 7: reader 1 says 1, reader 2 says 2, no consensus"):
        labels_command(hospital / "images", hospital / "open.csv")


def test_prepare_refuses_open_discrepancies_before_it_makes_anything(hospital: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="found 1 still open"):
        prepare_command(hospital / "images", tmp_path / "data", labels=hospital / "open.csv")
    assert not list(tmp_path.iterdir())


def test_a_split_that_cannot_be_made_leaves_no_file(hospital: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="expected train or test for every hand"):
        split_command(hospital / "data", tmp_path / "split.json", kind="given")
    assert not list(tmp_path.iterdir())
