"""A peer that quotes the patient in its refusal tells the operator why, and nobody who."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset, dcmread, dcmwrite
from pynetdicom import AE, evt

from ra_node.network.presentation_contexts import accepted_contexts
from ra_node.network.pynetdicom_ext.ae import prepare, serve, stop_serving
from ra_node.network.scu.c_store import OutgoingObject, send
from ra_node.network.status.c_store import Answer
from ra_node.network.status.error_comment import WITHHELD, spoken
from tests.network.conftest import peer_at
from tests.network.fakes import TENDED, write_instance


@pytest.fixture
def path(tmp_path: Path) -> Path:
    written = write_instance(tmp_path)
    dataset = dcmread(written)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = "Wang^Li=王^丽"
    dataset.PatientID = "77-1234"
    dataset.PatientBirthDate = "19610203"
    dataset.AccessionNumber = "ACC9"
    dcmwrite(written, dataset)
    return written


KNOWN = [
    "no space on device",
    "Out of resources: disk full",
    "No Patient ID in object",
    "Data Set does not match SOP Class",
    "Missing attribute (0010,0020) PatientID",
    "Element PatientBirthDate: invalid VR, error 0xA900",
    "SOP Class 1.2.840.10008.5.1.4.1.1.88.34 not supported",
    "Failed to store: duplicate record violates unique constraint (code 17)",
    "",
]
FOREIGN = [
    "patient WANG is locked",
    "77-1234: Wang^Li, born 19610203",
    "Li of list A, ACC9",
    "王^丽 unknown",
    "Patient ID belongs to DOE^JOHN",
    "different patient: 19450309",
    "patient 1945-03-09 exists",
    "year 1945",
    "0x19450309",
    "patient id 4711 exists",
    "patient 00123 already exists",
    "accession 2026-0815 unknown",
    "object of Rose Young rejected",
    "study 1.2.276.0.7230010.3.1.2 unknown",
    "Jürgen",
    "patient name: J. Doe",
]


@pytest.mark.parametrize("comment", KNOWN)
def test_a_comment_of_known_words_is_kept(path: Path, comment: str):
    assert spoken(comment, path) == comment


@pytest.mark.parametrize("comment", FOREIGN)
def test_a_comment_that_may_name_anybody_is_withheld(path: Path, comment: str):
    """Also another patient than that of the object: the one that the archive has under its study."""
    assert spoken(comment, path) == WITHHELD


def test_a_patient_called_like_a_known_word_is_withheld(path: Path):
    dataset = dcmread(path)
    dataset.PatientName = "Object^Not"
    dcmwrite(path, dataset)
    assert spoken("object unknown", path) == WITHHELD
    assert spoken("image unknown", path) == "image unknown"


def test_without_the_object_known_words_are_kept(tmp_path: Path):
    assert spoken("patient Wang is locked", tmp_path / "absent.dcm") == WITHHELD
    assert spoken("patient is locked", tmp_path / "absent.dcm") == "patient is locked"


def test_the_answer_to_a_delivery_says_why_and_not_who(path: Path):
    """Over a real association, as the ledger and `ra-node studies` have it."""

    def refuse(event: evt.Event) -> Dataset:
        status = Dataset()
        status.Status = 0xA900
        status.ErrorComment = f"{event.dataset.PatientID} of {event.dataset.PatientName.family_name} unknown"
        return status

    prepare()
    handlers = [TENDED, (evt.EVT_C_STORE, refuse)]
    server = serve(AE("ARCHIVE"), ("127.0.0.1", 0), accepted_contexts(), handlers)
    try:
        dataset = dcmread(path)
        one = OutgoingObject(
            path, dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.file_meta.TransferSyntaxUID
        )
        [outcome] = send(peer_at(int(server.server_address[1])), [one]).outcomes
    finally:
        stop_serving(server)
    assert outcome.answer is Answer.REFUSED
    assert outcome.detail.endswith(WITHHELD)
