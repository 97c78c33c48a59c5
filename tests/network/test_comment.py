"""A peer that quotes the patient in its refusal tells the operator why, and nobody who."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset, dcmread, dcmwrite
from pynetdicom import AE, evt

from ra_node.network.comment import spoken
from ra_node.network.contexts import accepted_contexts
from ra_node.network.engine import prepare, serve, stop_serving
from ra_node.network.outcome import Answer
from ra_node.network.send import OutgoingObject, send
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


@pytest.mark.parametrize(
    ("comment", "kept"),
    [
        ("no space left", "no space left"),
        ("patient WANG is locked", "patient *** is locked"),
        ("77-1234: Wang^Li, born 19610203", "***: ***^***, born ***"),
        ("Li of list A, ACC9", "*** of list A, ***"),
        ("王^丽 unknown", "***^*** unknown"),
    ],
)
def test_what_a_peer_quotes_of_the_patient_is_hidden(path: Path, comment: str, kept: str):
    assert spoken(comment, path) == kept


def test_without_the_object_nothing_of_a_comment_is_kept(tmp_path: Path):
    assert spoken("patient Wang is locked", tmp_path / "absent.dcm") == ""


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
    assert outcome.detail.endswith(": *** of *** unknown")
