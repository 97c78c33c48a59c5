"""A hospital's folder becomes hands and labels, and nothing else of it gets into the dataset."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ra_node.dicom.reading.file import read_header
from ra_node.domain.laterality.evidence import Side, sides_of
from ra_node.errors import Refused
from ra_node.imaging.hand_cuts.hand_png import cut_out
from ra_node.services.analysis.study_analysis import look_at
from tests.finders import demo_finder, demo_rules
from tests.training.data.small_hospital import ROWS, SALT, SMALL, STUDIES, content, file_of, made, nothing_but
from tests.training.label_tables import BIRTH, NAME, TAKEN, label, marked_study, save
from training.data.label_table.agreement import read_agreements
from training.data.manifest import HandRow, hand_values, load_dataset, load_hand, read_manifest
from training.data.site_images.image_hands import Options
from training.data.site_images.source_image import Source, read_source


def test_every_labelled_hand_is_in_the_manifest(dataset: Path) -> None:
    hands = read_manifest(dataset)
    assert sorted((hand.stage, hand.side) for hand in hands) == [
        (0, "R"), (1, "L"), (2, "R"), (3, "L"), (4, "R"), (5, "L"),
    ]  # fmt: skip
    assert {(hand.sex, hand.age_years, hand.site, hand.split) for hand in hands} == {("F", 72, "", "")}
    by_patient = {hand.patient for hand in hands}
    assert len(by_patient) == 3
    assert all(len(key) == 32 for key in by_patient)


def test_the_training_crop_is_the_node_s_crop_to_the_last_bit(images: Path, dataset: Path) -> None:
    """Whatever the turn and the polarity: training and node see the same tensor for the same file."""
    hands = {(hand.row.stage): hand for hand in load_dataset(dataset)}
    for patient, stages, rotation, photometric in STUDIES:
        study = marked_study(patient, stages, rotation=rotation, photometric=photometric, markers=False)
        look = look_at(study, demo_rules())
        assert len(look.crops) == 2
        sides = sides_of([hand.region.box for hand in look.finding.hands], read_header(study).side)
        for finding, side, crop in zip(look.finding.hands, sides, look.crops, strict=True):
            hand = hands[stages[0] if side.side is Side.RIGHT else stages[1]]
            assert hand.row.blanked_px == 0
            assert hand.row.rotation == finding.region.rotation
            assert hand.image.shape == (224, 224)
            assert np.array_equal(hand.image, crop)


def test_a_lead_marker_is_blanked_by_default_and_reaches_no_network_either_way(tmp_path: Path) -> None:
    """Its letters may be somebody's initials; the crop ends at the outline of the hand."""
    image = marked_study("MARKID0008")
    save(image, tmp_path / "images" / "x.dcm")
    rows = [label("x.dcm", "R", 0)]
    (clean,) = made(tmp_path / "images", tmp_path / "clean", rows, SMALL).hands
    (row,) = made(tmp_path / "images", tmp_path / "same", rows, replace(SMALL, blank="nothing")).hands
    (crop, _) = look_at(image, demo_rules()).crops
    assert clean.blanked_px > 0
    assert row.blanked_px == 0
    pictures = (tmp_path / "clean" / clean.image, tmp_path / "same" / row.image)
    assert not np.array_equal(*(cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in pictures))
    assert np.array_equal(load_hand(tmp_path / "clean", clean).image, crop)
    assert np.array_equal(load_hand(tmp_path / "same", row).image, crop)


def test_pictures_are_upright_and_have_16_bits(dataset: Path) -> None:
    for hand in read_manifest(dataset):
        words = cv2.imread(str(dataset / hand.image), cv2.IMREAD_UNCHANGED)
        assert words.dtype == np.uint16
        assert words.shape == (hand.rows, hand.columns)
        assert hand.rows > hand.columns
        assert len(np.unique(words)) > 256


def test_values_that_do_not_lie_evenly_come_out_exactly(images: Path, tmp_path: Path) -> None:
    """A slope of a third has no even steps in 32 bits, so the values are kept in a table."""
    image = marked_study("MARKID0009", markers=False, RescaleSlope="0.3333333", RescaleIntercept="17.77")
    save(image, tmp_path / "images" / "x.dcm")
    prepared = made(tmp_path / "images", tmp_path / "d", [label("x.dcm", "R", 0)], SMALL)
    (row,) = prepared.hands
    (crop, _) = look_at(image, demo_rules()).crops
    assert np.array_equal(load_hand(tmp_path / "d", row).image, crop)


def test_no_patient_attribute_survives_anywhere(images: Path, dataset: Path) -> None:
    """Neither in names nor in any byte of the dataset: names, IDs, dates, institution, UIDs, notes."""
    marks = [
        NAME,
        NAME.split("^")[0],
        "OTTILIE",
        BIRTH,
        TAKEN,
        "MARKID",
        "MARKSPITAL",
        "MARKARZT",
        "ACC",
        "2.25.",
    ]
    for name, data in content(dataset):
        for mark in marks:
            assert mark not in name
            assert mark.encode() not in data, f"{mark} in {name}"
            assert mark.encode("utf-16-le") not in data
        assert b"tEXt" not in data
        assert b"eXIf" not in data
        assert SALT not in data


def test_text_beside_the_hand_goes_and_everything_else_stays(tmp_path: Path) -> None:
    """Text burned into the corner of the margin box, where no finger reaches, is blanked."""
    plain = marked_study("MARKID0008", markers=False)
    (hand, _) = look_at(plain, demo_rules()).finding.hands
    drawn = np.zeros(plain.pixel_array.shape, np.uint8)
    corner = (hand.region.box.x0 + 4, hand.region.box.y0 + 22)
    cv2.putText(drawn, "OTTI", corner, cv2.FONT_HERSHEY_SIMPLEX, 0.4, 1, 1)
    pixels = np.where(drawn > 0, plain.pixel_array.max(), plain.pixel_array)
    image = marked_study("MARKID0008", markers=False, PixelData=pixels.tobytes())
    save(image, tmp_path / "images" / "x.dcm")
    (region, _) = look_at(image, demo_rules()).finding.hands
    (row,) = made(tmp_path / "images", tmp_path / "d", [label("x.dcm", "R", 0)], SMALL).hands
    clean, _ = cut_out(plain.pixel_array.astype(np.float32), region.region)
    text, _ = cut_out(drawn.astype(np.float32), region.region)
    kept = hand_values(tmp_path / "d", row)
    assert text.sum() > 50
    assert np.abs(kept - clean)[text > 0].max() < 0.1 * clean.max()
    assert (kept != clean).sum() <= row.blanked_px < 0.03 * clean.size


@pytest.mark.parametrize("how", ["header", "option"])
def test_all_surroundings_go_where_the_header_says_burned_in(tmp_path: Path, how: str) -> None:
    said = {"BurnedInAnnotation": "YES"} if how == "header" else {}
    save(marked_study("MARKID0008", **said), tmp_path / "images" / "x.dcm")
    options = replace(SMALL, blank="surroundings" if how == "option" else "text")
    (row,) = made(tmp_path / "images", tmp_path / "d", [label("x.dcm", "R", 0)], options).hands
    assert row.blanked_px > 0.1 * row.rows * row.columns


def rejected(dataset: Path) -> list[dict[str, str]]:
    with (dataset / "rejected.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_image_that_is_not_used_is_listed_with_its_reason(images: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    save(marked_study("MARKID0001"), folder / "good.dcm")
    save(marked_study("MARKID0001"), folder / "same.dcm")
    save(marked_study(""), folder / "nobody.dcm")
    save(marked_study("MARKID0004", PatientOrientation=["P", "F"]), folder / "sideless.dcm")
    save(marked_study("MARKID0005", BodyPartExamined="FOOT"), folder / "foot.dcm")
    save(marked_study("MARKID0006"), folder / "forgotten.dcm")
    (folder / "broken.dcm").write_bytes((folder / "good.dcm").read_bytes()[:20_000])
    names = ("good", "same", "nobody", "sideless", "foot", "broken")
    made(
        folder,
        tmp_path / "d",
        [label(f"{name}.dcm", "R", 0) for name in names],
        SMALL,
    )
    found = sorted((row["label_row"], row["side"], row["reason"]) for row in rejected(tmp_path / "d"))
    assert found == [
        ("", "", "no_label"),
        ("", "L", "no_label"),
        ("3", "R", "duplicate"),
        ("4", "R", "no_patient"),
        ("5", "R", "side"),
        ("6", "R", "other_body_part"),
        ("7", "R", "unreadable_pixels"),
    ]
    assert all(len(row["source_sha256"]) == 64 and row["text"] for row in rejected(tmp_path / "d"))


def png_of(image_file: Path, out: Path) -> None:
    source = read_source(image_file, demo_finder())
    assert isinstance(source, Source)
    values = source.extraction.radiograph.values
    half = values[:, : values.shape[1] // 2]
    cv2.imwrite(str(out), half.astype(np.uint16))


def test_a_png_of_one_hand_takes_side_and_patient_from_its_label(images: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    png_of(images / file_of("MARKID0001"), tmp_path / "images" / "hand.png")
    row = label("hand.png", "L", 2, patient="MARKID77", sex="M", age_years=94, site="north", split="train")
    (hand,) = made(tmp_path / "images", tmp_path / "d", [row], SMALL).hands
    assert (hand.side, hand.sex, hand.age_years, hand.site, hand.split) == ("L", "M", 90, "north", "train")


def test_a_png_without_a_patient_is_not_used(images: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    png_of(images / file_of("MARKID0001"), tmp_path / "images" / "hand.png")
    with pytest.raises(Refused, match=r"expected hands after 1 rejections \(1 no_patient\), found none"):
        made(
            tmp_path / "images",
            tmp_path / "d",
            [label("hand.png", "L", 2)],
            SMALL,
        )
    assert not (tmp_path / "d").exists()


def test_one_header_under_two_patient_keys_is_refused(images: Path, tmp_path: Path) -> None:
    """Both sides of a split could have that patient."""
    save(marked_study("MARKID0001"), tmp_path / "images" / "a.dcm")
    save(marked_study("MARKID0001", InstanceNumber=2), tmp_path / "images" / "b.dcm")
    rows = [label("a.dcm", "R", 0, patient="x"), label("b.dcm", "R", 0, patient="y")]
    with pytest.raises(Refused, match="row 3, column patient: expected the patient of row 2"):
        made(tmp_path / "images", tmp_path / "d", rows, SMALL)
    assert not (tmp_path / "d").exists()


def test_an_existing_dataset_is_not_touched(images: Path, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(Refused, match="expected a new folder for the output, found one that exists"):
        made(images, tmp_path / "d")
    assert nothing_but(tmp_path, "d", "labels.csv")


def test_open_discrepancies_and_empty_classes_stop_before_anything_is_made(
    images: Path, tmp_path: Path
) -> None:
    open_rows = [*ROWS[:-1], ROWS[-1] | {"reader_2": 2}]
    with pytest.raises(Refused, match=r"found 1 still open:\nrow 7: reader 1 says 5, reader 2 says 2"):
        made(images, tmp_path / "d", open_rows)
    with pytest.raises(Refused, match="expected hands of stage 0 and of a higher stage in the label table"):
        made(images, tmp_path / "d", ROWS[1:])
    with pytest.raises(Refused, match="found 1 of stage 0"):
        made(images, tmp_path / "d", [ROWS[0], ROWS[1] | {"reader_2": 2}], Options(skip_open=True))
    assert nothing_but(tmp_path, "labels.csv")


def test_a_class_that_loses_all_its_hands_is_named_with_the_rejections(images: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    for patient, stages, _, _ in STUDIES[:2]:
        body = {"BodyPartExamined": "FOOT"} if stages == (0, 1) else {}
        save(marked_study(patient, stages, **body), folder / file_of(patient))
    with pytest.raises(
        Refused, match=r"after 2 rejections \(2 other_body_part\), found 1 of stage 2, 1 of sta"
    ):
        made(folder, tmp_path / "d", ROWS[:4])
    assert not (tmp_path / "d").exists()


def test_a_hand_that_is_not_gradable_is_listed_and_not_learnt_from(images: Path, tmp_path: Path) -> None:
    rows = [ROWS[0], *(row | {"reader_1": "not gradable", "reader_2": "ng"} for row in ROWS[1:2]), *ROWS[2:]]
    prepared = made(images, tmp_path / "d", rows)
    assert [(one.row, one.reason) for one in prepared.rejections] == [(3, "not_gradable")]
    assert len(prepared.hands) == 5


def test_the_readers_agreement_stays_with_the_dataset(dataset: Path) -> None:
    (found,) = read_agreements(dataset)
    assert (found.what, found.count, found.equal, found.kappa[0]) == ("hands", 6, 6, 1.0)


def test_a_dataset_is_refused_when_it_is_for_another_preprocessing(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text('{"format": "ra-node hands 1", "preprocessing": "other"}')
    (tmp_path / "manifest.jsonl").write_bytes((dataset / "manifest.jsonl").read_bytes())
    with pytest.raises(Refused, match='found "ra-node hands 1" for "other"'):
        read_manifest(tmp_path)


def test_a_missing_or_altered_picture_is_named(dataset: Path, tmp_path: Path) -> None:
    row: HandRow = read_manifest(dataset)[0]
    with pytest.raises(Refused, match=r"expected nothing.png in the dataset, found FileNotFoundError"):
        load_hand(dataset, replace(row, image="nothing.png"))
    with pytest.raises(Refused, match=r"expected an image \(7, 7\) of 16 bits"):
        load_hand(dataset, replace(row, rows=7, columns=7))
