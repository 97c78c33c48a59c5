"""A whole node keeps every file until its answer is delivered and promised, and gives it up then."""

from __future__ import annotations

import pytest

from ra_node.network.scu.c_store import OutgoingObject, send
from ra_node.network.status.c_store import Answer
from tests.conftest import find_tool, wait_until
from tests.node.harness import Node, Orthanc
from tests.node.studies import two_hands

AT_ONCE = "[retention]\nkeep_days = 0\n[limits]\ncommitment_silence_s = 1\nmin_free_gib = 0.1\n"
WAIT_S = 600


@pytest.fixture
def pacs(tmp_path):
    """A PACS that does not know where to report its commitment to."""
    running = Orthanc(find_tool("Orthanc"), tmp_path / "orthanc")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def node(tmp_path, pacs):
    destination = (
        f'[[peer]]\nname = "pacs"\nae_title = "{pacs.ae_title}"\nport = {pacs.dicom_port}\n'
        'roles = ["destination"]\ncommitment = true\n'
    )
    running = Node(tmp_path / "node", [], quiet_s=0.3, extra=AT_ONCE + destination, forked=True)
    running.start()
    yield running
    running.stop()


def kept_files(node):
    folders = [node.folder / "state" / name for name in ("inbox", "previews", "results")]
    return [path for folder in folders for path in folder.rglob("[!.]*.*") if path.is_file()]


def counted(node, what, words):
    """How many objects the status counts in one line of a table."""
    return sum(count for state, count in node.status()[what].items() if words in state)


def test_files_stay_until_the_answer_is_delivered_and_promised_and_go_then(node, pacs, tmp_path):
    """Received, answered, delivered: with a retention of no days at all nothing of that is enough."""
    image = two_hands(seed=71)
    path = tmp_path / "image.dcm"
    image.save_as(path, enforce_file_format=True)
    sent = OutgoingObject(path, image.SOPClassUID, image.SOPInstanceUID, image.file_meta.TransferSyntaxUID)
    assert send(node.address, [sent]).outcomes[0].answer is Answer.ACCEPTED
    assert node.cli("purge").splitlines()[-1].startswith("0 studies, 0 files"), "not answered"
    wait_until(lambda: counted(node, "deliveries", "accepted") == 3, "the delivery", WAIT_S)
    assert node.cli("purge").splitlines()[-1].startswith("0 studies, 0 files"), "not promised"
    assert len(kept_files(node)) >= 4
    pacs.introduce("RA_NODE", node.port)
    wait_until(lambda: counted(node, "commitments", "committed") == 3, "the promise", WAIT_S)
    assert node.cli("purge").splitlines()[-1].startswith("1 studies, ")
    assert kept_files(node) == []
    assert node.status()["studies"] == {"answered": 1}
    assert {modality: len(held) for modality, held in pacs.instances_of(image.StudyInstanceUID).items()} == {
        "SR": 1,
        "OT": 2,
    }
