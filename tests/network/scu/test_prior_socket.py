"""A role without a network gets the earlier reports through one that has it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom import Dataset
from structlog.testing import capture_logs

from ra_node.network.scu import prior_socket
from ra_node.network.scu.association import PeerAddress, Reach
from ra_node.network.scu.prior_reports import PriorQuery
from ra_node.network.scu.prior_socket import NAME, PriorServer, fetch_through
from tests.conftest import wait_until
from tests.dicom.builders import source

NAMED = "Smith^" + "John"
PACS = PeerAddress("pacs", "PACS", "10.0.0.1", 104, calling_ae="RA_NODE")
WANTED = PriorQuery("P-1", "", "19600101", "20261101000000", 9701, "2.25.1")


class FakePacs:
    """Holds three reports, and is called only where there is a network."""

    def __init__(self) -> None:
        self.asked: list[tuple[PeerAddress, PriorQuery]] = []
        self.given = 0
        self.broken = False

    def __call__(self, peer: PeerAddress, wanted: PriorQuery, take: Callable[[Dataset], bool]) -> Reach:
        self.asked.append((peer, wanted))
        if self.broken:
            raise OSError(NAMED)
        for number in range(3):
            self.given += 1
            if take(source(SOPInstanceUID=f"2.25.{number}")):
                break
        return Reach.ACCEPTED


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Longer than the path of a socket may be."""
    return tmp_path / ("x" * 120)


@pytest.fixture
def pacs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePacs]:
    def no_network(*_: object) -> Reach:
        raise AssertionError("this role has no network")

    monkeypatch.setattr(prior_socket, "earlier_reports", no_network)
    stop, fake = threading.Event(), FakePacs()
    serving = threading.Thread(target=PriorServer(folder, {"pacs": PACS}, fake).serve, args=(stop,))
    serving.start()
    wait_until((folder / NAME).exists, "the socket")
    yield fake
    stop.set()
    serving.join()
    assert not (folder / NAME).exists()


@pytest.mark.parametrize(("wanted_at", "given"), [(0, 1), (1, 2), (9, 3)])
def test_reports_come_one_by_one_until_one_is_taken(folder: Path, pacs: FakePacs, wanted_at: int, given: int):
    """`work` has no network as it is installed, so that its question never left the machine."""
    came: list[str] = []

    def take(report: Dataset) -> bool:
        came.append(str(report.SOPInstanceUID))
        return len(came) > wanted_at

    assert fetch_through(folder, PACS, WANTED, take) is Reach.ACCEPTED
    assert pacs.asked == [(PACS, WANTED)]
    assert came == [f"2.25.{number}" for number in range(given)]
    assert pacs.given == given


def test_the_socket_is_for_this_account_alone(folder: Path, pacs: FakePacs):
    assert (folder / NAME).stat().st_mode & 0o777 == 0o600


def test_what_goes_wrong_costs_the_comparison_alone_and_names_nobody(folder: Path, pacs: FakePacs):
    pacs.broken = True
    with capture_logs() as logs:
        assert fetch_through(folder, PACS, WANTED, lambda _: True) is Reach.BROKEN
    assert "Smith" not in str(logs)
    assert "P-1" not in str(logs)


def test_where_nobody_serves_it_is_asked_from_here(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """As on a host without a scheduler; also where one was killed and left its socket."""
    monkeypatch.setattr(prior_socket, "earlier_reports", lambda *_: Reach.NO_CONTEXT)
    assert fetch_through(folder, PACS, WANTED, lambda _: True) is Reach.NO_CONTEXT
