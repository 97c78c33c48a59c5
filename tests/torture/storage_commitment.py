"""Storage Commitment with a real Orthanc: it keeps all, has lost one, or never reports."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from ra_node.ledger.database.schema import CommitmentState, DeliveryState
from tests.conftest import wait_until
from tests.node.lines import STUDY, Lines, answered_study
from tests.ports import free_port

KEPT = (DeliveryState.ACCEPTED, CommitmentState.COMMITTED)
DELIVERED = (DeliveryState.ACCEPTED, CommitmentState.WAITING)
TO_SEND_AGAIN = (DeliveryState.WAITING, CommitmentState.WAITING)


@dataclass(frozen=True, slots=True)
class Promise:
    """How one object each of report and overlay came to be kept."""

    committed: bool
    asked: int
    copies: int
    """Objects that the PACS holds in the end."""
    seconds: float


def all_kept(node: Lines) -> None:
    """Deliver, ask, and wait for the report."""
    node.deliver()
    assert set(node.states().values()) == {DELIVERED}, "delivered is not yet committed"
    node.commit()
    wait_until(node.committed, "Orthanc's report")


def one_lost(node: Lines) -> None:
    """The PACS loses the overlay before it is asked: it is sent and asked again, the report is not."""
    node.deliver()
    ((overlay,),) = [node.pacs.instances_of(STUDY)["OT"]]
    node.pacs.delete(f"/instances/{overlay['ID']}")
    node.commit()
    lost = {"sr": KEPT, "overlay": TO_SEND_AGAIN}
    wait_until(lambda: node.states() == lost, "Orthanc's report of a loss")
    node.deliver()
    node.commit()
    wait_until(node.committed, "Orthanc's second report")


def silent(node: Lines) -> None:
    """The PACS knows a wrong port of ours, until that is mended; then the next question is answered."""
    node.deliver()
    node.commit()
    assert set(node.states().values()) == {DELIVERED}
    node.pacs.stop()
    node.pacs.modalities["node"] = ("RA_NODE", "127.0.0.1", node.settings.node.port)
    node.pacs.start()
    node.commit()
    wait_until(node.committed, "Orthanc's report")


def promised(folder: Path) -> dict[str, Promise]:
    """Go through the three, each with a PACS and a node of its own."""
    found = {}
    for act in (all_kept, one_lost, silent):
        place = folder / act.__name__
        place.mkdir(parents=True)
        with answered_study(place, reports_to=free_port() if act is silent else None) as node:
            started = time.monotonic()
            act(node)
            copies = sum(map(len, node.pacs.instances_of(STUDY).values()))
            found[act.__name__] = Promise(node.committed(), node.asked(), copies, time.monotonic() - started)
    return found
