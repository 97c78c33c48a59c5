"""kill -9 of any role in mid-work: everything that was acknowledged is answered once."""

from __future__ import annotations

import threading

import pytest

from ra_node.network.scp.loopback_archive import LoopbackArchive
from ra_node.network.scu.c_store import OutgoingObject, send
from ra_node.network.status.c_store import Answer
from tests.conftest import wait_until
from tests.node.harness import Node
from tests.node.studies import two_hands

STUDIES = 4


@pytest.fixture
def archive(tmp_path):
    with LoopbackArchive(tmp_path / "archive", ae_title="ARCHIVE") as running:
        yield running


@pytest.fixture
def broken_node(tmp_path, archive):
    """A node of its own, to be broken."""
    destination = ("archive", "ARCHIVE", archive.port)
    running = Node(tmp_path / "node", [destination], quiet_s=0.3, forked=True)
    running.start()
    yield running
    running.stop()


@pytest.mark.parametrize("role", ["listen", "work", "deliver"])
def test_a_killed_role_loses_and_doubles_nothing(broken_node, archive, tmp_path, role):
    """It dies while studies stream in, comes back, and the sender repeats what was not acknowledged."""
    objects = []
    for number in range(STUDIES):
        image = two_hands(seed=100 + number)
        path = tmp_path / f"{number}.dcm"
        image.save_as(path, enforce_file_format=True)
        objects.append(
            OutgoingObject(path, image.SOPClassUID, image.SOPInstanceUID, image.file_meta.TransferSyntaxUID)
        )
    acknowledged: list[str] = []
    halfway = threading.Event()

    def stream():
        waiting = list(objects)
        while waiting:
            for one in list(waiting):
                (outcome,) = send(broken_node.address, [one]).outcomes
                if outcome.answer is Answer.ACCEPTED:
                    acknowledged.append(one.sop_instance_uid)
                    waiting.remove(one)
                if len(acknowledged) >= STUDIES // 2:
                    halfway.set()

    sender = threading.Thread(target=stream)
    sender.start()
    assert halfway.wait(600)
    if role == "deliver":
        assert archive.wait_for(lambda kept: len(kept) >= 1, 600)
    broken_node.kill(role)
    broken_node.start([role])
    sender.join(600)
    assert len(acknowledged) == STUDIES
    assert archive.wait_for(lambda kept: len({one.sop_instance_uid for one in kept}) >= 2 * STUDIES, 600)
    wait_until(
        lambda: broken_node.status()["jobs"].get("deliver done") == STUDIES, "all deliveries done", 300
    )
    assert len({one.sop_instance_uid for one in archive.objects}) == 2 * STUDIES
    assert broken_node.status()["buried"] == []
