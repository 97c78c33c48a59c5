"""Two studies are of one patient only where the images say so without doubt."""

from __future__ import annotations

from datetime import date

import pytest
from pydicom import DataElement, config

from ra_node.dicom.reading.patient_identity import subject_known
from tests.dicom.builders import source


def test_issuer_id_and_birth_date_name_a_patient():
    known = subject_known([source(IssuerOfPatientID="Ward 3")])
    assert known.identity == ("Ward 3", "P-1", "19600101")
    assert known.study_at == "20261123080000"
    assert known.study_date == date(2026, 11, 23)


@pytest.mark.parametrize(
    "changed",
    [{"PatientID": "P-2"}, {"IssuerOfPatientID": "Ward 3"}, {"PatientBirthDate": "19600102"}],
)
def test_another_id_issuer_or_birth_date_is_another_patient(changed):
    assert subject_known([source(**changed)]).identity != subject_known([source()]).identity


@pytest.mark.parametrize("changed", [{"PatientID": ""}, {"PatientID": None}, {"StudyDate": ""}])
def test_without_an_id_or_a_day_nothing_is_known(changed):
    assert subject_known([source(**changed)]) is None


def test_images_that_name_different_patients_are_nobodys():
    assert subject_known([source(), source(number=2, PatientID="P-2")]) is None
    assert subject_known([]) is None


def odd(keyword, value):
    """An image whose header holds what no header may hold."""
    made = source()
    made[keyword] = DataElement(keyword, made[keyword].VR, value, validation_mode=config.IGNORE)
    return made


def test_a_day_that_is_none_is_unknown():
    assert subject_known([odd("StudyDate", "2026")]) is None


@pytest.mark.parametrize(
    ("time", "moment"), [("08", "080000"), ("", "000000"), ("081530.25", "081530"), ("noon", "000000")]
)
def test_the_moment_sorts_whatever_the_time_looks_like(time, moment):
    assert subject_known([odd("StudyTime", time)]).study_at == "20261123" + moment
