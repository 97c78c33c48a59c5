"""The whole node with a real PACS: corrected in another compression, then taken back."""

from __future__ import annotations

import json
from io import BytesIO

from pydicom import dcmread
from pydicom.uid import RLELossless

from ra_node.network.status.c_store import Answer
from tests.conftest import wait_until
from tests.node.studies import two_hands
from tests.node.test_bad_input import report_of, sent
from tests.services.reporting.test_prior_report import comments


def reports(orthanc, uid, count):
    """The reports of a study in the PACS by their version, once there are so many."""
    wait_until(lambda: len(orthanc.instances_of(uid).get("SR", ())) == count, f"{count} reports", 600)
    found = [dcmread(BytesIO(orthanc.file(one))) for one in orthanc.instances_of(uid)["SR"]]
    return sorted(found, key=lambda report: report.InstanceNumber)


def predecessor(report):
    (study,) = report.PredecessorDocumentsSequence
    return study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID


def test_a_correction_and_a_withdrawal_leave_one_current_result_of_the_right_patient(orthanc, node, tmp_path):
    """The sender of compressed pixels is answered at once; no marked name is in log, events or metrics."""
    image = two_hands(seed=61)
    image.PatientID, image.PatientName = "MARKED-OLD", "MARKED^OLD"
    sent(node, image, tmp_path)
    report_of(orthanc, node, image)
    image.PatientID, image.PatientName = "MARKED-NEW", "MARKED^NEW"
    image.compress(RLELossless, generate_instance_uid=False)
    assert sent(node, image, tmp_path).answer is Answer.ACCEPTED
    uid = str(image.StudyInstanceUID)
    first, second = reports(orthanc, uid, 2)
    assert (second.PatientID, predecessor(second)) == ("MARKED-NEW", first.SOPInstanceUID)
    assert "1 result to be withdrawn" in node.cli("withdraw", uid, "--reason", "sides exchanged", "--safety")
    third = reports(orthanc, uid, 3)[-1]
    assert (third.PatientID, predecessor(third)) == ("MARKED-NEW", second.SOPInstanceUID)
    assert any("Withdrawn on " in text for text in comments(third)), comments(third)
    current = {str(one.SOPInstanceUID) for one in (first, second, third)}
    current -= {predecessor(one) for one in (second, third)}
    assert current == {third.SOPInstanceUID}
    events = node.cli("studies", uid, "--json") + node.cli("audit", "--json")
    assert "study_withdrawn" in {
        event["what"] for event in json.loads(node.cli("studies", uid, "--json"))["events"]
    }
    for text in (events, *(node.log(role) for role in ("listen", "work", "deliver", "schedule"))):
        assert "MARKED" not in text
