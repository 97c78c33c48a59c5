"""The phantom image that the node ships is what the generator draws; each use of it is a study of its own."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from pydicom import dcmread

from ra_node.dicom.reading.file import read_header
from ra_node.services.preflight.phantom_image import FILE, phantom_image
from training.phantom.node_image import drawn


def test_the_file_is_small_and_holds_what_the_generator_draws():
    """Whoever changes the generator sees here that the file is another picture now: write it anew."""
    assert FILE.stat().st_size < 600_000
    shipped, made = dcmread(FILE), drawn()
    changed = shipped.pixel_array.astype(int) - made.pixel_array.astype(int)
    assert np.abs(changed).max() <= 2, "more than the rounding of two CPU families"
    differing = {one.keyword for one in made if shipped.get(one.tag) != one} - {"PixelData"}
    assert not differing


def test_each_key_is_a_study_of_its_own_and_the_same_key_the_same_study():
    one, again, other = phantom_image("a"), phantom_image("a"), phantom_image("b")
    for keyword in (
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "SOPInstanceUID",
        "PatientID",
        "AccessionNumber",
    ):
        assert one[keyword] == again[keyword] != other[keyword]
        assert one[keyword] != dcmread(FILE)[keyword]
    assert one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID


@pytest.mark.parametrize(("born_on", "years"), [(date(2011, 1, 1), 15), (date(1960, 1, 6), 65)])
def test_the_age_follows_from_the_birth_date_and_says_nothing_that_contradicts_it(born_on, years):
    image = phantom_image("a", born_on=born_on)
    assert image.PatientAge == f"{years:03d}Y"
    age = read_header(image).age
    assert not age.note
    assert age.years == pytest.approx(years, abs=1)


def test_it_is_plainly_nobody_s():
    image = phantom_image("a")
    assert str(image.PatientName) == "PHANTOM^HAND"
    assert image.PatientComments == "Drawn by a program; no patient."
