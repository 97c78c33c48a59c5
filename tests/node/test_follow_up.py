"""A real Orthanc is asked for a patient's earlier reports: the right one comes, and nothing stays behind."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ra_node.dicom.reading.patient_identity import subject_known
from ra_node.dicom.sr.tid_1500_document import build_sr
from ra_node.network.scu.association import PeerAddress
from ra_node.network.scu.c_store import OutgoingObject, send
from ra_node.services.reporting.prior_report import PacsAsker
from tests.conftest import find_tool
from tests.dicom.builders import PRODUCER, STUDY, both_hands, image, image_uid, report, source
from tests.node.harness import Orthanc
from tests.ports import free_port


def earlier(number: int, day: str, version: int = 1, **attributes: object):
    """The report of an earlier study of the patient P-1."""
    uid = f"2.25.50{number}"
    made = report(image(*both_hands()), study_instance_uid=uid, version=version)
    return build_sr(made, {image_uid(1): source(StudyInstanceUID=uid, StudyDate=day, **attributes)}, PRODUCER)


REPORTS = (
    earlier(1, "20240105"),
    earlier(2, "20260105"),
    earlier(2, "20260105", version=2),
    earlier(3, "20271231"),
    earlier(4, "20260601", PatientBirthDate="19700101"),
    earlier(5, "20260701", PatientID="P-10"),
)


@pytest.fixture(scope="module")
def asker(tmp_path_factory: pytest.TempPathFactory):
    """A PACS that knows us and holds those reports, and who asks it."""
    where = {"node": ("RA_NODE", "127.0.0.1", free_port())}
    pacs = Orthanc(find_tool("Orthanc"), tmp_path_factory.mktemp("orthanc"), modalities=where)
    pacs.start()
    peer = PeerAddress("pacs", pacs.ae_title, "127.0.0.1", pacs.dicom_port, calling_ae="RA_NODE")
    _store(peer, tmp_path_factory.mktemp("reports"))
    yield PacsAsker(peer, lambda: 0.0)
    pacs.stop()


def _store(peer: PeerAddress, folder: Path) -> None:
    outgoing = []
    for dataset in REPORTS:
        path = folder / f"{dataset.SOPInstanceUID}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        outgoing.append(
            OutgoingObject(
                path,
                str(dataset.SOPClassUID),
                str(dataset.SOPInstanceUID),
                str(dataset.file_meta.TransferSyntaxUID),
            )
        )
    assert {one.status for one in send(peer, outgoing).outcomes} == {0}


def test_the_newest_version_of_the_last_study_before_is_fetched(asker):
    """Not the later one, not another patient's whose ID begins alike, not one who was born on another day."""
    prior = asker.ask(subject_known([source()]), STUDY)
    assert prior.sop_instance_uid == REPORTS[2].SOPInstanceUID
    assert prior.study_date == date(2026, 1, 5)
    assert len(prior.hands) == 2


def test_the_study_itself_is_no_prior_of_its_own(asker):
    prior = asker.ask(subject_known([source()]), "2.25.502")
    assert prior.study_instance_uid == "2.25.501"


def test_a_patient_without_earlier_reports_has_none(asker):
    assert asker.ask(subject_known([source(PatientID="P-99")]), STUDY) is None
