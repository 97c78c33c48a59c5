"""A result belongs to the patient and study of its source, whatever that looks like."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from ra_node.dicom.encapsulated_pdf import build_pdf
from ra_node.dicom.key_object import build_key_object
from ra_node.dicom.overlay.secondary_capture import build_overlay, render_overlay
from ra_node.dicom.patient_study_modules import REQUIRED, copy_subject
from ra_node.dicom.presentation_state import build_presentations
from ra_node.dicom.reading.file import read_attributes
from ra_node.dicom.reading.identity_attributes import character_sets
from ra_node.dicom.reading.patient_identity import subject_known
from ra_node.dicom.reading.selection_attributes import header_of
from ra_node.dicom.sr.tid_1500_document import build_sr
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


def saved_with(tmp_path, character_set: str | None, text: bytes, **sequences: object) -> Dataset:
    """A received image whose name, description and comment hold these bytes under that character set."""
    received = source(SpecificCharacterSet=character_set, **sequences)
    for keyword, vr in (("PatientName", "PN"), ("StudyDescription", "LO"), ("PatientComments", "LT")):
        received.add_new(keyword, vr, text)
    received.save_as(tmp_path / "image.dcm", enforce_file_format=True)
    return read_attributes(tmp_path / "image.dcm")


MISDECLARED = {
    "Latin-1 under UTF-8": ("ISO_IR 192", b"M\xfcller^J\xf6rg"),
    "Latin-1 under GB18030": ("GB18030", b"\xff\xfeller^X"),
    "UTF-8 under Latin-1": ("ISO_IR 100", "Müller^Jörg".encode()),
    "Latin-1 under ASCII": ("ISO_IR 6", b"M\xfcller^J"),
    "GBK undeclared": (None, "张^三".encode("gbk")),
    "Latin-1 under an unknown term": ("ISO_IR 999", b"M\xfcller^J"),
    "escapes without their set": (None, b"\x1b$B;3ED\x1b(B^B@O:"),
    "escapes of a declared set": ("\\ISO 2022 IR 87", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MISDECLARED)
def test_text_is_carried_as_its_bytes_under_its_character_set(tmp_path, name):
    """In every object: what shows the image's name shows the result's alike."""
    character_set, text = MISDECLARED[name]
    received = saved_with(tmp_path, character_set, text)
    found = report(image(*both_hands()))
    sources, picture = {image_uid(1): received}, render_overlay(found, {})
    overlay = build_overlay(picture, found, sources, PRODUCER)
    objects = [
        build_sr(found, sources, PRODUCER),
        build_sr(found, sources, PRODUCER, comprehensive3d=False),
        overlay,
        build_key_object(found, overlay, sources, PRODUCER),
        build_pdf(found, picture, sources, PRODUCER),
        *build_presentations(found, sources, PRODUCER),
    ]
    for made in objects:
        document = read_back(made)
        assert raw(document, "PatientName").rstrip() == text
        assert raw(document, "StudyDescription").rstrip() == text
        assert raw(document, "PatientComments").rstrip() == text
        assert "\\".join(character_sets(document)) == (character_set or "")


@pytest.mark.filterwarnings("ignore")
def test_text_of_nested_items_is_carried_as_its_bytes(tmp_path):
    item, other = Dataset(), Dataset()
    item.add_new("PatientID", "LO", b"\xfc7")
    item.add_new("IssuerOfPatientID", "LO", b"K\xf6ln")
    other.add_new("CodeMeaning", "LO", b"H\xe4nde")
    received = saved_with(
        tmp_path, "ISO_IR 192", b"M\xfcller", OtherPatientIDsSequence=[item], ProcedureCodeSequence=[other]
    )
    made = copied(received)
    assert raw(made.OtherPatientIDsSequence[0], "PatientID").rstrip() == b"\xfc7"
    assert raw(made.OtherPatientIDsSequence[0], "IssuerOfPatientID").rstrip() == b"K\xf6ln"
    assert raw(made.ProcedureCodeSequence[0], "CodeMeaning").rstrip() == b"H\xe4nde"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("character_set", "text", "name"),
    [
        ("ISO_IR 100", b"M\xfcller^J", "Müller^J"),
        ("ISO_IR 192", "Müller^J".encode(), "Müller^J"),
        ("ISO_IR 6", b"M\xfcller^J", "Müller^J"),
        (None, "张^三".encode("gbk"), "张^三"),
        (None, b"M\xfcller^J\xff", "Müller^Jÿ"),
        ("ISO_IR 999", b"M\xfcller^J", "Müller^J"),
    ],
)
def test_where_own_text_needs_utf_8_no_letter_is_lost(tmp_path, character_set, text, name):
    made = copied(saved_with(tmp_path, character_set, text), own_text="放射科")
    assert made.SpecificCharacterSet == "ISO_IR 192"
    assert str(made.PatientName) == made.StudyDescription == made.PatientComments == name


def test_reading_the_patient_for_a_comparison_leaves_the_bytes_as_they_are(tmp_path):
    received = saved_with(tmp_path, "ISO_IR 192", b"M\xfcller^J")
    subject_known([received])
    header_of(received)
    assert raw(copied(received), "PatientName").rstrip() == b"M\xfcller^J"
