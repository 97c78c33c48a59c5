"""A key of a patient is the same everywhere with the same salt, and a salt is kept secret."""

from __future__ import annotations

import pytest

from ra_node.domain.patient.pseudonym import patient_pseudonym
from ra_node.errors import Fatal, Refused
from ra_node.services.archive_run.patient_columns import PatientWords, read_salt
from tests.dicom.builders import source

SALT = bytes(range(32))


@pytest.fixture
def image(tmp_path):
    made = source(PatientID=" pat-7 ", PatientName="Nobody^Else")
    made.save_as(tmp_path / "one.dcm", enforce_file_format=True)
    return tmp_path / "one.dcm"


def test_nothing_is_said_unless_it_is_asked_for(image):
    assert PatientWords().of(image) == {}
    assert PatientWords().columns == ()


def test_the_key_is_that_of_a_training_dataset_with_the_same_salt(image):
    words = PatientWords(SALT)
    assert words.columns == ("patient_key",)
    assert words.of(image) == {"patient_key": patient_pseudonym(SALT, "PAT-7")}


def test_the_id_is_given_as_it_is_where_it_is_asked_for(image):
    assert PatientWords(with_id=True).of(image) == {"patient_id": "pat-7"}


def test_another_salt_gives_another_key():
    assert patient_pseudonym(SALT, "1") != patient_pseudonym(SALT[::-1], "1")


def test_a_salt_that_others_can_read_is_none(tmp_path):
    path = tmp_path / "salt"
    path.write_bytes(SALT)
    path.chmod(0o644)
    with pytest.raises(Fatal, match="only its owner"):
        read_salt(path)
    path.chmod(0o600)
    assert read_salt(path) == SALT


def test_a_short_salt_is_refused(tmp_path):
    (tmp_path / "salt").write_bytes(b"short")
    with pytest.raises(Refused, match="found 5"):
        read_salt(tmp_path / "salt")
