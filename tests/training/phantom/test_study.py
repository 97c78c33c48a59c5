"""Every object that a phantom study holds is valid and belongs together."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import datetime
from io import BytesIO

import numpy as np
import pytest
from pydicom import dcmread

from ra_node.domain.laterality.evidence import Side
from training.phantom.draw import draw_hands
from training.phantom.film import WHITE
from training.phantom.recipe import HandRecipe, PhantomRecipe
from training.phantom.study import ImageRecipe, phantom_study, turned_orientation, wrap

PAIR = PhantomRecipe(rows=150, columns=180)
SINGLE = PhantomRecipe(hands=(HandRecipe(Side.LEFT, 2),), rows=150, columns=110)
BOTH = pytest.mark.parametrize("modality", ["DX", "CR"])


@pytest.fixture
def complaints(require_tool, tmp_path):
    """Return a function that saves data sets and gives the lines in which the validators complain."""
    validator, family = require_tool("dciodvfy"), require_tool("dcentvfy")

    def validated(datasets):
        paths = [tmp_path / f"{number}.dcm" for number in range(len(datasets))]
        lines = []
        for dataset, path in zip(datasets, paths, strict=True):
            dataset.save_as(path, enforce_file_format=True)
            done = subprocess.run([validator, "-new", str(path)], capture_output=True, text=True, check=False)
            lines += [line for line in (done.stdout + done.stderr).splitlines() if _complains(line)]
            lines += [f"dciodvfy ended with {done.returncode}"] if done.returncode else []
        if len(paths) == 1:
            return lines
        done = subprocess.run([family, *map(str, paths)], capture_output=True, text=True, check=False)
        return lines + (done.stdout + done.stderr).splitlines()

    return validated


def _complains(line: str) -> bool:
    return line.startswith(("Error", "Warning"))


@BOTH
@pytest.mark.parametrize(
    ("photometric", "bits_stored"),
    [("MONOCHROME1", 8), ("MONOCHROME2", 8), ("MONOCHROME2", 10), ("MONOCHROME1", 12), ("MONOCHROME2", 16)],
)
def test_two_hands_are_valid_in_every_pixel_format(complaints, modality, photometric, bits_stored):
    """dciodvfy -new has nothing to say."""
    study = phantom_study(PAIR, modality=modality, photometric=photometric, bits_stored=bits_stored)
    assert complaints(study) == []


@BOTH
def test_a_single_hand_is_valid_and_says_its_side(complaints, modality):
    """ImageLaterality L, and no Laterality beside it."""
    (image,) = phantom_study(SINGLE, modality=modality)
    assert image.ImageLaterality == "L"
    assert "Laterality" not in image
    assert complaints([image]) == []


@BOTH
def test_two_images_make_one_valid_study(complaints, modality):
    """Same study and series, other instances; dcentvfy finds them consistent."""
    right, left = phantom_study(PAIR, modality=modality, one_image_per_hand=True)
    assert (right.ImageLaterality, left.ImageLaterality) == ("R", "L")
    assert right.StudyInstanceUID == left.StudyInstanceUID
    assert right.SOPInstanceUID != left.SOPInstanceUID
    assert complaints([right, left]) == []


@BOTH
def test_two_hands_without_evidence_are_valid_and_name_no_side(complaints, modality):
    """Neither laterality nor orientation tells right from left."""
    (image,) = phantom_study(PAIR, modality=modality, side_evidence=False)
    assert image.ImageLaterality == "B"
    assert not {"R", "L"} & set(image.PatientOrientation)
    assert complaints([image]) == []


def test_a_single_cr_hand_without_evidence_leaves_its_laterality_unknown(complaints):
    """The validator only reminds that this is for the truly unknown."""
    (image,) = phantom_study(SINGLE, modality="CR", side_evidence=False)
    assert "ImageLaterality" not in image
    assert image.Laterality in ("", None)
    (only,) = complaints([image])
    assert "only permitted to be empty when actually unknown" in only


def test_a_single_dx_hand_without_evidence_is_refused():
    """Image Laterality is type 1 there (PS3.3 C.8.11.2)."""
    with pytest.raises(ValueError, match="Image Laterality"):
        phantom_study(SINGLE, side_evidence=False)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_turned_picture_is_valid(complaints, rotation):
    """Orientation and size turn with it."""
    (image,) = phantom_study(replace(PAIR, rotation=rotation))
    assert (image.Rows, image.Columns) == ((180, 150) if rotation != 180 else (150, 180))
    assert complaints([image]) == []


def test_orientation_turns_with_the_picture():
    """Clockwise: what was up comes to the right."""
    assert turned_orientation(("L", "F"), 0) == ("L", "F")
    assert turned_orientation(("L", "F"), 90) == ("H", "L")
    assert turned_orientation(("L", "F"), 180) == ("R", "H")
    assert turned_orientation(("L", "F"), 270) == ("F", "R")


@pytest.mark.parametrize(("first", "towards_right"), [(Side.RIGHT, "L"), (Side.LEFT, "R")])
def test_orientation_names_the_side_at_the_image_right(first, towards_right):
    """The first value of Patient Orientation says which side lies to the right."""
    second = Side.LEFT if first is Side.RIGHT else Side.RIGHT
    (image,) = phantom_study(replace(PAIR, hands=(HandRecipe(first), HandRecipe(second))))
    assert image.PatientOrientation[0] == towards_right


def test_equal_arguments_give_equal_objects():
    """UIDs are derived, not drawn."""
    first, again = (phantom_study(PAIR)[0] for _ in range(2))
    assert first == again


def test_a_key_makes_another_study_of_the_same_picture():
    """So that one picture can be sent as many studies."""
    one, other = (phantom_study(PAIR, uid_key=key)[0] for key in ("a", "b"))
    assert one.PixelData == other.PixelData
    for keyword in (
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "SOPInstanceUID",
        "PatientID",
        "AccessionNumber",
    ):
        assert one[keyword].value != other[keyword].value


def test_saved_pixels_are_the_drawn_ones():
    """12 bits, MONOCHROME2: nothing is rescaled."""
    (image,) = phantom_study(PAIR)
    saved = BytesIO()
    image.save_as(saved, enforce_file_format=True)
    saved.seek(0)
    assert np.array_equal(dcmread(saved).pixel_array, draw_hands(PAIR).pixels)


def test_monochrome1_stores_the_negative():
    """Bone is dark in the stored values and said to be so."""
    (positive,), (negative,) = (phantom_study(PAIR, photometric=f"MONOCHROME{n}") for n in (2, 1))
    assert np.array_equal(negative.pixel_array, WHITE - positive.pixel_array)
    assert negative.PresentationLUTShape == "INVERSE"
    assert negative.PixelIntensityRelationshipSign == 1


def test_the_header_is_plainly_nobodys():
    """No reader can take it for a patient, and the time is the one that was asked for."""
    (image,) = phantom_study(PAIR, taken_at=datetime.fromisoformat("2026-03-04T05:06:07"))
    assert str(image.PatientName) == "PHANTOM^HAND"
    assert image.PatientID.startswith("PHANTOM-")
    assert (image.ContentDate, image.ContentTime) == ("20260304", "050607")


@BOTH
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_any_pixels_can_be_wrapped(complaints, modality, dtype):
    """An odd number of 8-bit pixels is padded, the array's white becomes the stored white."""
    pixels = np.arange(15 * 17, dtype=dtype).reshape(15, 17)
    pixels[0, 0] = np.iinfo(dtype).max
    image = wrap(pixels, ImageRecipe("own", modality, laterality="R", bits_stored=8))
    assert image.pixel_array[0, 0] == 255
    assert image.pixel_array.shape == (15, 17)
    assert complaints([image]) == []
