"""Whatever comes in has a clear outcome, and the node serves the next sender."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pydicom.uid import JPEGExtended12Bit

from ra_node.network.scu.c_store import OutgoingObject, Reach, echo, send
from ra_node.network.status.c_store import Answer
from tests.conftest import find_tool, wait_until
from tests.node import forked
from tests.node.harness import run_tool
from tests.node.studies import two_hands
from training.phantom.film import WHITE
from training.phantom.negatives import draw_other
from training.phantom.study import ImageRecipe, wrap


@pytest.fixture(autouse=True)
def the_node_is_alive_afterwards(node):
    yield
    assert echo(node.address).alive


def sent(node, image, folder):
    """Send one data set and return the answer to it."""
    path = folder / f"{image.SOPInstanceUID}.dcm"
    image.save_as(path, enforce_file_format=True)
    one = OutgoingObject(path, image.SOPClassUID, image.SOPInstanceUID, image.file_meta.TransferSyntaxUID)
    return send(node.address, [one]).outcomes[0]


def report_of(orthanc, node, image):
    """Wait until the PACS has the report of a study, and return the node's own words for it."""
    uid = str(image.StudyInstanceUID)
    wait_until(lambda: orthanc.instances_of(uid).get("SR"), "the report", 600)
    return json.loads(node.cli("studies", uid, "--json"))["text"]


def test_a_file_that_is_no_dicom_is_named_and_refused(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("Dear colleague, " * 50)
    said = forked.run(["analyse", str(path), "--out", str(tmp_path / "out")])
    assert said.returncode == 1
    assert "letter.txt: not DICOM" in said.stdout
    assert "Traceback" not in said.stderr
    assert not [path for path in (tmp_path / "out").iterdir() if path.is_dir()]


def test_a_truncated_image_is_answered_with_its_reason(orthanc, node, tmp_path):
    image = two_hands(seed=31)
    image.PixelData = image.PixelData[: len(image.PixelData) // 2]
    assert sent(node, image, tmp_path).answer is Answer.ACCEPTED
    assert "pixel" in report_of(orthanc, node, image).lower()


def test_an_image_without_pixels_is_answered_with_its_reason(orthanc, node, tmp_path):
    image = two_hands(seed=32)
    del image.PixelData
    assert sent(node, image, tmp_path).answer is Answer.ACCEPTED
    assert "No image in this object." in report_of(orthanc, node, image)


def test_one_pixel_is_answered_with_its_reason(orthanc, node, tmp_path):
    image = wrap(np.full((1, 1), 30000, np.uint16), ImageRecipe("one pixel"))
    assert sent(node, image, tmp_path).answer is Answer.ACCEPTED
    assert "1 x 1" in report_of(orthanc, node, image)


def test_sixty_megapixels_are_answered(orthanc, node, tmp_path):
    small = two_hands(seed=33)
    factor = round((60e6 / (small.Rows * small.Columns)) ** 0.5) + 1
    pixels = np.kron(small.pixel_array, np.ones((factor, factor), np.uint16)) << 4
    assert pixels.size > 60e6
    image = wrap(pixels, ImageRecipe("sixty megapixels"))
    assert sent(node, image, tmp_path).answer is Answer.ACCEPTED
    assert "Right hand" in report_of(orthanc, node, image)


def test_a_chest_by_its_header_is_answered_with_its_reason(orthanc, node, tmp_path):
    image = wrap(draw_other("chest", 600, 500, seed=1), ImageRecipe("chest header"), white=WHITE)
    image.BodyPartExamined = "CHEST"
    assert sent(node, image, tmp_path).answer is Answer.ACCEPTED
    assert "CHEST" in report_of(orthanc, node, image)


def test_a_chest_that_says_hand_is_refused_by_its_pixels(orthanc, node, tmp_path):
    image = wrap(draw_other("chest", 600, 500, seed=2), ImageRecipe("chest pixels"), white=WHITE)
    assert sent(node, image, tmp_path).answer is Answer.ACCEPTED
    words = report_of(orthanc, node, image)
    assert "No hand" in words
    assert "PRESENT" not in words


def test_a_missing_patient_id_and_a_chinese_name_are_kept_as_they_are(orthanc, node, tmp_path):
    image = two_hands(seed=34)
    image.PatientName = "Wang^XiaoDong=王^小东"
    del image.PatientID
    assert sent(node, image, tmp_path).answer is Answer.ACCEPTED
    report_of(orthanc, node, image)
    uid = str(image.StudyInstanceUID)
    for instances in orthanc.instances_of(uid).values():
        tags = orthanc.get(f"/instances/{instances[0]['ID']}/simplified-tags")
        assert tags["PatientName"] == "Wang^XiaoDong=王^小东"
        assert tags["PatientID"] == ""
    for role in node.roles:
        assert "XiaoDong" not in node.log(role)
        assert "王" not in node.log(role)


def test_a_transfer_syntax_that_cannot_be_decoded_is_not_negotiated(node, tmp_path):
    """JPEG Extended has only GPL decoders; the sender hears it at negotiation and keeps its image."""
    image = two_hands(seed=35)
    image.file_meta.TransferSyntaxUID = JPEGExtended12Bit
    path = tmp_path / "extended.dcm"
    two_hands(seed=35).save_as(path, enforce_file_format=True)
    one = OutgoingObject(path, image.SOPClassUID, image.SOPInstanceUID, JPEGExtended12Bit)
    assert send(node.address, [one]).outcomes[0].answer is Answer.NO_CONTEXT


def test_an_unknown_ae_title_is_rejected_with_the_reason_of_the_standard(node, tmp_path):
    """PS3.8 table 9-21: calling AE title not recognised."""
    stranger = type(node.address)("node", "RA_NODE", "127.0.0.1", node.port, calling_ae="STRANGER")
    report = echo(stranger)
    assert report.reach is Reach.REJECTED
    assert "alling" in report.detail
    said = run_tool(
        [find_tool("echoscu"), "-aet", "STRANGER", "-aec", "RA_NODE", "127.0.0.1", str(node.port)]
    )
    assert said.returncode != 0
