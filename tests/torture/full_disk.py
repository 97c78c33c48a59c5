"""A disk that fills up under a whole node at work, and has room again."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread

from ra_node.ledger.database.engine import open_ledger
from ra_node.ledger.storage.disk_guard import free_bytes
from ra_node.ledger.storage.durable_files import Files
from ra_node.network.scu.c_store import OutgoingObject, SendOutcome, send
from ra_node.network.status.c_store import Answer
from tests.conftest import wait_until
from tests.node.harness import Node, Orthanc
from tests.torture.campaign import at_rest
from tests.torture.load import STORESCU, Acknowledged, Image, studies
from tests.torture.verdict import Verdict, compare

GIB = 2**30
FILLED_GIB, LOW_GIB, ENOUGH_GIB = 4, 2.0, 1.5
"""What is taken from the disk for a moment; the marks lie that much below what was free before."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What senders heard, and what became of everything; times in seconds."""

    refusal: SendOutcome
    written_meanwhile: int
    """Files that came into the inbox while there was no room."""
    refused_after_s: float
    mended_after_s: float
    verdict: Verdict


def room_for_the_proof(folder: Path) -> bool:
    """Tell whether the disk can be filled without harm to others."""
    return free_bytes(folder) > (FILLED_GIB + 2) * GIB


def fill_up(folder: Path, pacs: Orthanc, count: int, seed: int) -> Filled:
    """Send half of the studies, fill the disk, be refused, free it, send the rest: all is answered."""
    waiting = [
        image
        for _, study in zip(range(count), studies(folder / "sent", seed), strict=False)
        for image in study
    ]
    told, half = Acknowledged(), len(waiting) // 2
    node = _node(folder, pacs)
    node.start()
    try:
        _send_all(node, told, waiting[:half])
        ballast = folder / "ballast"
        _fill(ballast)
        started = time.monotonic()
        refusal = wait_until(lambda: _refused(node, waiting[half]), "a refusal", 300)
        refused_after_s, before = time.monotonic() - started, _received(node)
        for image in waiting[half:]:
            assert _refused(node, image), "taken in although there is no room"
        written = _received(node) - before
        ballast.unlink()
        started = time.monotonic()
        wait_until(lambda: not _refused(node, waiting[half]), "room again", 300)
        mended_after_s = time.monotonic() - started
        _send_all(node, told, waiting[half:])
        ledger = open_ledger(f"sqlite:///{node.folder / 'state' / 'ledger.sqlite3'}")
        try:
            wait_until(lambda: at_rest(ledger), "the node to come to rest", 900)
            verdict = compare(pacs, ledger, Files(node.folder / "state"), list(told.images.values()))
        finally:
            ledger.close()
    finally:
        node.stop()
    return Filled(refusal, written, refused_after_s, mended_after_s, verdict)


def _node(folder: Path, pacs: Orthanc) -> Node:
    folder.mkdir(parents=True, exist_ok=True)
    free = free_bytes(folder) / GIB
    limits = f"[limits]\nmin_free_gib = {free - LOW_GIB}\nenough_free_gib = {free - ENOUGH_GIB}\n"
    destination = [("pacs", pacs.ae_title, pacs.dicom_port)]
    return Node(folder / "node", destination, sources=[STORESCU], quiet_s=0.3, extra=limits)


def _fill(ballast: Path) -> None:
    """Take real space, without writing it."""
    with ballast.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, FILLED_GIB * GIB)


def _send_all(node: Node, told: Acknowledged, images: list[Image]) -> None:
    for image in images:
        wait_until(lambda: not _refused(node, image), "an acknowledgement", 300)  # noqa: B023 - called at once
        told.add([image], {image.sop_instance_uid})


def _refused(node: Node, image: Image) -> SendOutcome | None:
    """Send one image; its outcome where it was not accepted."""
    header = dcmread(image.path, stop_before_pixels=True)
    one = OutgoingObject(
        image.path, header.SOPClassUID, header.SOPInstanceUID, header.file_meta.TransferSyntaxUID
    )
    (outcome,) = send(node.address, [one]).outcomes
    return None if outcome.answer is Answer.ACCEPTED else outcome


def _received(node: Node) -> int:
    return sum(1 for path in (node.folder / "state" / "inbox").rglob("*.dcm") if path.is_file())
