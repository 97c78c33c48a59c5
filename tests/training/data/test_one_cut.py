"""The crop that a network is trained on is the one that the node makes of the same file, to the last bit.

Both ways begin at the DICOM file and go through the detector of the same bundle: the node by `look_at_file`,
training by `prepare` and `load_dataset`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom import Dataset

from ra_node.domain.refusal import Reason
from ra_node.services.analysis.study_analysis import look_at_file
from tests.finders import demo_detector, demo_rules
from tests.training.label_tables import label, marked_study, save, write_table
from training.data.detector import kept_detector
from training.data.label_table.annotations import read_labels
from training.data.manifest import load_dataset, load_hand
from training.data.prepare import Options, Prepared, prepare

Change = Callable[[Dataset], None]


def as_it_is(image: Dataset) -> None:
    """Nothing is changed."""


def dark_bones(image: Dataset) -> None:
    """The tones are inverted and the header does not say so."""
    image.PixelData = (image.pixel_array.max() - image.pixel_array).tobytes()


def oblong(image: Dataset) -> None:
    """Pixels are three quarters as high as wide: the picture is resampled, to more values than words have."""
    pixels = cv2.resize(image.pixel_array, None, fx=0.75, fy=1.0, interpolation=cv2.INTER_AREA)
    image.Columns, image.PixelData = pixels.shape[1], pixels.tobytes()
    image.ImagerPixelSpacing = [0.15, 0.2]
    for keyword in ("PixelSpacing", "PixelAspectRatio"):
        if keyword in image:
            delattr(image, keyword)


def rescaled(image: Dataset) -> None:
    """The slope has no exact steps in 32 bits."""
    image.RescaleSlope, image.RescaleIntercept = "0.3333333", "17.77"


def twice(image: Dataset) -> None:
    """The right hand again in the place of the left one: two exposures of one hand."""
    half = image.pixel_array[:, : image.Columns // 2]
    image.PixelData = np.hstack([half, half]).tobytes()
    image.ImageLaterality = "R"


def prepared(folder: Path, image: Dataset) -> tuple[Path, Prepared]:
    save(image, folder / "images" / "x.dcm")
    labels = read_labels(write_table(folder / "labels.csv", [label("x.dcm", "R", 0)]), folder / "images")
    options = Options(allow_empty_classes=True)
    return folder / "d", prepare(
        folder / "images", labels, folder / "d", bytes(range(32)), demo_detector(), options
    )


@pytest.mark.parametrize("change", [as_it_is, dark_bones, oblong, rescaled, twice])
def test_training_and_node_cut_the_same_file_alike(tmp_path, change):
    """Turned plates and MONOCHROME1: see test_prepare."""
    image = marked_study("MARKID0001", markers=False)
    change(image)
    folder, _ = prepared(tmp_path, image)
    look = look_at_file(tmp_path / "images" / "x.dcm", demo_rules())
    rated = [hand for hand in look.finding.hands if hand.refusal is None]
    (crop,) = [c for c, hand in zip(look.crops, rated, strict=True) if hand.side.side == "R"]
    (found,) = load_dataset(folder)
    assert np.array_equal(found.image, crop)
    assert len(np.unique(crop)) > 100


def test_the_manifest_names_the_detector_and_the_13_joints(tmp_path):
    """And the detector lies in the dataset, whatever becomes of the bundle."""
    image = marked_study("MARKID0001", markers=False)
    folder, made = prepared(tmp_path, image)
    (row,) = made.hands
    assert row.detector == kept_detector(folder).sha256 == demo_detector().sha256
    assert len(row.joint_places) == 13
    (hand, _) = look_at_file(tmp_path / "images" / "x.dcm", demo_rules()).finding.hands
    x0, y0 = hand.region.box.x0 - row.box[0], hand.region.box.y0 - row.box[1]
    for joint in hand.region.joints:
        x, y, score = row.joint_places[joint.name]
        assert (x + x0, y + y0, score) == pytest.approx((joint.at.x, joint.at.y, joint.score))


def test_the_second_exposure_of_a_hand_is_no_second_hand(tmp_path):
    """It is listed with its reason; the only label goes to the exposure that the node uses."""
    image = marked_study("MARKID0001", markers=False)
    twice(image)
    _, made = prepared(tmp_path, image)
    assert len(made.hands) == 1
    assert [one.reason for one in made.rejections] == [Reason.SECOND_VIEW]


def test_blanking_changes_no_crop(tmp_path):
    """What is blanked lies outside of the mask."""
    folder, made = prepared(tmp_path, marked_study("MARKID0001", BurnedInAnnotation="YES"))
    (row,) = made.hands
    crop, _ = look_at_file(tmp_path / "images" / "x.dcm", demo_rules()).crops
    assert row.blanked_px > 1000
    assert np.array_equal(load_hand(folder, row).image, crop)
