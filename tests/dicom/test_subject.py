"""A result belongs to the patient and study of its source, whatever that looks like."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from ra_node.dicom.read import read_attributes
from ra_node.dicom.sr import build_sr
from ra_node.dicom.subject import REQUIRED, copy_subject
from tests.dicom.builders import PRODUCER, both_hands, image, image_uid, report, source
from tests.dicom.tree import read_back


def copied(received: Dataset, own_text: str = "") -> Dataset:
    made = Dataset()
    copy_subject(made, received, own_text=own_text)
    buffer = BytesIO()
    made.save_as(buffer, implicit_vr=False, little_endian=True)
    return dcmread(BytesIO(buffer.getvalue()), force=True)


def raw(dataset: Dataset, keyword: str) -> bytes:
    value = dataset.get_item(keyword).value
    assert isinstance(value, bytes)
    return value


@pytest.mark.parametrize("character_set", ["GB18030", "GBK", "ISO_IR 192"])
def test_a_chinese_name_arrives_in_the_character_set_of_its_source(tmp_path, character_set):
    received = source(SpecificCharacterSet=character_set, PatientName="Zhang^San=张^三")
    received.save_as(tmp_path / "image.dcm", enforce_file_format=True)
    received = read_attributes(tmp_path / "image.dcm")
    document = read_back(build_sr(report(image(*both_hands())), {image_uid(1): received}, PRODUCER))
    assert document.SpecificCharacterSet == character_set
    encoding = "gb18030" if "GB" in character_set else "utf-8"
    assert raw(document, "PatientName").rstrip() == "Zhang^San=张^三".encode(encoding)
    assert document.PatientName.ideographic == "张^三"


def test_own_text_that_the_character_set_cannot_write_turns_everything_to_utf_8():
    received = source(SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg")
    kept = copied(received, own_text="plain")
    turned = copied(received, own_text="放射科")
    assert kept.SpecificCharacterSet == "ISO_IR 100"
    assert turned.SpecificCharacterSet == "ISO_IR 192"
    assert str(kept.PatientName) == str(turned.PatientName) == "Müller^Jörg"


@pytest.mark.filterwarnings("ignore:Unknown encoding")
def test_an_unknown_character_set_gives_way_to_utf_8(tmp_path):
    path = tmp_path / "image.dcm"
    source().save_as(path, enforce_file_format=True)
    path.write_bytes(path.read_bytes().replace(b"ISO_IR 192", b"ISO_IR 999"))
    assert copied(read_attributes(path)).SpecificCharacterSet == "ISO_IR 192"


def test_an_undeclared_name_keeps_its_bytes(tmp_path):
    """Nobody knows its character set; the PACS that shows the image shows the report alike."""
    received = source(SpecificCharacterSet=None)
    received.add_new("PatientName", "PN", b"M\xfcller^J")
    received.save_as(tmp_path / "image.dcm", enforce_file_format=True)
    made = copied(read_attributes(tmp_path / "image.dcm"))
    assert "SpecificCharacterSet" not in made
    assert raw(made, "PatientName").rstrip() == b"M\xfcller^J"


def test_what_is_missing_is_empty_and_does_not_stop_the_report():
    received = source(**dict.fromkeys(REQUIRED))
    document = read_back(build_sr(report(image(*both_hands())), {image_uid(1): received}, PRODUCER))
    assert all(keyword in document and not document[keyword].value for keyword in REQUIRED)


@pytest.mark.filterwarnings("ignore")
def test_odd_values_are_carried_over_and_impossible_ones_left_out(tmp_path):
    received = source(PatientID="P" * 80, PatientBirthDate="1960/01/01")
    received.add_new("PatientWeight", "LO", "heavy")
    received.add_new("StudyID", "UN", b"S77 ")
    received.save_as(tmp_path / "image.dcm", enforce_file_format=True)
    made = copied(read_attributes(tmp_path / "image.dcm"))
    assert raw(made, "PatientID") == b"P" * 80
    assert raw(made, "PatientBirthDate") == b"1960/01/01"
    assert raw(made, "StudyID").strip() == b"S77"
    assert "PatientWeight" not in made


def test_optional_attributes_are_there_only_where_the_source_has_them():
    made = copied(source(IssuerOfPatientID="Hospital"))
    assert made.IssuerOfPatientID == "Hospital"
    assert made.PatientAge == "066Y"
    assert "PatientWeight" not in made
