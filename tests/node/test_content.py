"""The whole node: what is damaged on its disk is found, never used, and mended by the sender's good copy."""

from __future__ import annotations

import json
from io import BytesIO

from pydicom import dcmread

from ra_node.network.status.c_store import Answer
from tests.conftest import wait_until
from tests.node import forked
from tests.node.studies import two_hands
from tests.node.test_bad_input import report_of, sent


def scrub(node):
    """The exit code of the command and what it found."""
    done = forked.run(["scrub", "--json", "--config", str(node.config)])
    return done.returncode, json.loads(done.stdout)["problems"]


def kept_file(node, image):
    """Where the node keeps an image."""
    inbox = node.folder / "state" / "inbox"
    return next(path for path in inbox.rglob("*.dcm") if dcmread(path).SOPInstanceUID == image.SOPInstanceUID)


def test_a_damaged_image_is_found_and_mended_by_its_good_copy(orthanc, node, tmp_path):
    image = two_hands(seed=51)
    assert sent(node, image, tmp_path).answer is Answer.ACCEPTED
    report_of(orthanc, node, image)
    path = kept_file(node, image)
    damaged = dcmread(path)
    damaged.PatientID = "ANOTHER"
    damaged.save_as(path)
    code, (problem,) = scrub(node)
    assert (code, problem["kind"], problem["found"]) == (1, "image", "differs")
    assert [one["kind"] for one in node.status()["alarms"]] == ["content"]
    assert sent(node, image, tmp_path).answer is Answer.ACCEPTED
    assert scrub(node) == (0, [])
    assert node.status()["alarms"] == []


def test_a_damaged_result_is_made_again(orthanc, node, tmp_path):
    image = two_hands(seed=52)
    sent(node, image, tmp_path)
    report_of(orthanc, node, image)
    uid = str(image.StudyInstanceUID)
    results = node.folder / "state" / "results"
    made = [path for path in results.rglob("*.dcm") if str(dcmread(path).StudyInstanceUID) == uid]
    for path in made:
        path.write_bytes(path.read_bytes()[:-10])
    code, problems = scrub(node)
    assert code == 0
    assert [one["mended"] for one in problems] == [True] * len(made)
    assert scrub(node) == (0, [])


def test_a_corrected_patient_and_side_reach_the_pacs_in_a_new_version(orthanc, node, tmp_path):
    """The PACS gets a second report, of the corrected patient and side, that names the first."""
    image = two_hands(seed=53)
    sent(node, image, tmp_path)
    report_of(orthanc, node, image)
    image.PatientID, image.PatientName, image.ImageLaterality = "CORRECTED", "Corrected^Name", "L"
    assert sent(node, image, tmp_path).answer is Answer.ACCEPTED
    uid = str(image.StudyInstanceUID)
    wait_until(lambda: len(orthanc.instances_of(uid).get("SR", ())) == 2, "the second report", 600)
    first, second = sorted(
        (dcmread(BytesIO(orthanc.file(one))) for one in orthanc.instances_of(uid)["SR"]),
        key=lambda report: report.PatientID == "CORRECTED",
    )
    assert (second.PatientID, str(second.PatientName)) == ("CORRECTED", "Corrected^Name")
    (before,) = second.PredecessorDocumentsSequence
    (series,) = before.ReferencedSeriesSequence
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID
    events = json.loads(node.cli("studies", uid, "--json"))["events"]
    (corrected,) = (event for event in events if event["what"] == "instance_corrected")
    assert corrected["detail"]["attributes"] == "PatientID, PatientName, ImageLaterality"
    assert "CORRECTED" not in json.dumps(events)


def test_the_same_instance_in_another_study_is_refused(orthanc, node, tmp_path):
    """N26: acknowledged, the second study would never be answered."""
    image = two_hands(seed=54)
    sent(node, image, tmp_path)
    image.StudyInstanceUID = "2.25.54"
    answer = sent(node, image, tmp_path)
    assert answer.status == 0xC000
    wait_until(lambda: "received in another study" in node.log("listen"), "the log line", 300)
