"""An image of a training set is read as the node reads it, with the age that the node would use."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from ra_node.services.analysis.known_good_image import known_good
from tests.finders import NoHands
from training.data.site_images.source_image import Source, read_source


def age_of(folder: Path, **header: str) -> int | None:
    image = dcmread(BytesIO(known_good()))
    image.StudyDate = "20261123"
    for keyword, value in header.items():
        setattr(image, keyword, value)
    image.save_as(folder / "one.dcm")
    found = read_source(folder / "one.dcm", NoHands())
    assert isinstance(found, Source)
    return found.age_years


@pytest.mark.parametrize(
    ("header", "years"),
    [
        ({"PatientAge": "045Y"}, 45),
        ({"PatientAge": "030M"}, 2),
        ({"PatientBirthDate": "19610102"}, 65),
        ({"PatientAge": "065Y", "PatientBirthDate": "19610102"}, 65),
        ({"PatientAge": "099Y"}, 90),
    ],
)
def test_an_age_is_in_whole_years_and_never_above_90(tmp_path, header, years):
    assert age_of(tmp_path, **header) == years


@pytest.mark.parametrize(
    "header",
    [
        {"PatientBirthDate": "19000101"},
        {"PatientAge": "999Y"},
        {"PatientAge": "045Y", "PatientBirthDate": "19610102"},
        {"PatientBirthDate": "20270101"},
        {},
    ],
    ids=["placeholder", "impossible", "contradicted", "born later", "none"],
)
def test_an_age_that_the_node_would_not_use_is_not_trained_with(tmp_path, header):
    """The training side counted a placeholder's years itself: 126, capped to 90."""
    assert age_of(tmp_path, **header) is None
