"""A whole node that runs out of disk says so in time and goes on by itself."""

from __future__ import annotations

import os

import pytest

from ra_node.bootstrap.commands import look_over
from ra_node.ledger.storage.disk_guard import free_bytes
from ra_node.network.scp.loopback_archive import LoopbackArchive
from ra_node.network.scu.c_store import OutgoingObject, send
from ra_node.network.status.c_store import Answer
from ra_node.services.delivery.destination_status import DiskSpace
from ra_node.settings.node import load_settings
from tests.conftest import wait_until
from tests.node.harness import Node
from tests.node.studies import two_hands

GIB = 2**30


@pytest.fixture
def image(tmp_path):
    made = two_hands(seed=301)
    path = tmp_path / "image.dcm"
    made.save_as(path, enforce_file_format=True)
    return OutgoingObject(path, made.SOPClassUID, made.SOPInstanceUID, made.file_meta.TransferSyntaxUID)


def fill(path, size):
    """Take real space, without writing it."""
    with path.open("wb") as ballast:
        os.posix_fallocate(ballast.fileno(), 0, size)


def test_a_disk_that_fills_up_is_said_before_it_is_full_and_mends_itself(tmp_path, image):
    """0xA700 while there is little room, then Success; the work that waited is done."""
    gib = free_bytes(tmp_path) / 2**30
    if gib < 6:
        pytest.skip(f"fills 4 GiB for a moment, found {gib:.1f} GiB free")
    limits = f"[limits]\nmin_free_gib = {gib - 2}\nenough_free_gib = {gib - 1.5}\n"
    with LoopbackArchive(tmp_path / "archive", ae_title="ARCHIVE") as archive:
        node = Node(tmp_path / "node", [("archive", "ARCHIVE", archive.port)], quiet_s=0.3, extra=limits)
        node.start()
        try:
            ballast = tmp_path / "ballast"
            fill(ballast, 4 * GIB)
            (outcome,) = wait_until(lambda: refused(node, image), "a refusal", 300)
            assert outcome.status == 0xA700
            assert "out of resources" in outcome.detail
            assert look_over(load_settings(node.config)).disk.room is DiskSpace.LOW
            assert not list((node.folder / "state" / "inbox").rglob("*.dcm"))
            ballast.unlink()
            wait_until(lambda: not refused(node, image), "room again", 300)
            assert archive.wait_for(lambda kept: len(kept) == 2, 600)
        finally:
            node.stop()


def refused(node, image):
    outcomes = send(node.address, [image]).outcomes
    return outcomes if outcomes[0].answer is not Answer.ACCEPTED else ()
