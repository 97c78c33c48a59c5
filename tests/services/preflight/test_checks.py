"""Each row of the preflight says what was found, and what to do where it failed."""

from __future__ import annotations

import pytest
from pydicom.uid import UID

from ra_node.domain.result_objects import BASIC_KINDS, OPTIONS, class_of
from ra_node.errors import Fatal
from ra_node.ledger.database.engine import LedgerUnavailable
from ra_node.network.scu.association import PeerAddress, Reach
from ra_node.network.scu.c_find import InstanceCount
from ra_node.network.scu.c_store import EchoReport
from ra_node.services.delivery.destination_status import Complaint
from ra_node.services.preflight.checks import (
    NO_DESTINATION,
    NO_STUDY,
    check_disk,
    check_folder,
    check_hosts,
    check_language,
    check_peer,
    check_port,
    check_query,
    check_retrieval,
    check_sources,
    check_waiting,
    run_checks,
)
from ra_node.settings.node import settings_from
from tests.ports import free_port

BASIC = tuple(UID(class_of(kind).sop_class_uid) for kind in BASIC_KINDS)
PEER = PeerAddress("pacs", "PACS", "10.0.0.5", 104, calling_ae="RA_NODE")
SYNTAX = "1.2.840.10008.1.2.1"


def echoing(*classes: str, commits: bool = False):
    accepted = frozenset((str(uid), SYNTAX) for uid in classes)
    return lambda peer: EchoReport(peer.name, Reach.ACCEPTED, "", 0, accepted, commits)


def settings(tmp_path, **tables):
    return settings_from({"node": {"data_dir": "state", "port": free_port()}, **tables}, base=tmp_path)


def test_a_data_folder_is_made_or_its_reason_is_said(tmp_path):
    assert check_folder(tmp_path / "a" / "b").ok
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("in the way")
    row = check_folder(tmp_path / "file" / "state")
    assert (row.ok, row.hint) == (False, "make it, owned by this user")
    assert "Not a directory" in row.found


def test_a_data_folder_that_cannot_be_written_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)  # the tests may run as root, who can always write
    row = check_folder(tmp_path)
    assert (row.ok, row.hint) == (False, "chown it to this user")


def test_a_language_is_checked_with_its_words_and_its_font(tmp_path):
    assert check_language("en").found == "en, font of the node"
    row = check_language(str(tmp_path / "de.toml"))
    assert (row.ok, row.hint) == (False, "see language in [results]")
    assert 'expected a language ("en", "zh") or a language file' in row.found


def test_a_disk_with_too_little_room_names_what_it_should_have(tmp_path):
    assert check_disk(tmp_path, 0.001).ok
    row = check_disk(tmp_path, 1e6)
    assert not row.ok
    assert row.hint == "free some space: below 1e+06 GiB images are refused"
    assert check_disk(tmp_path / "absent", 1).hint == "fix the data folder first"


def test_a_port_is_free_or_ours_or_wrong():
    import socket

    assert "is free" in check_port("127.0.0.1", free_port()).found
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        row, stranger = check_port("127.0.0.1", port, ours=True), check_port("127.0.0.1", port)
    assert row.ok
    assert "the node listens" in row.found
    assert not stranger.ok
    assert "another program holds it" in stranger.hint
    row = check_port("192.0.2.1", 104)  # an address for documentation, which no machine has
    assert not row.ok
    assert "an address of this machine" in row.hint


def test_a_host_that_cannot_be_resolved_is_named(tmp_path):
    """Its images would be rejected, and "sources" said ok."""
    peers = [
        {"name": name, "ae_title": name, "host": host, "roles": ["source"]}
        for name, host in (("a", "10.0.0.0/8"), ("b", "10.0.0.1"), ("c", "*"), ("d", "no-such-host.invalid"))
    ]
    row = check_hosts(settings(tmp_path, peer=peers))
    assert (row.ok, row.found) == (False, "cannot be resolved: no-such-host.invalid of d")
    assert check_hosts(settings(tmp_path, peer=peers[:3])).ok


def test_a_pacs_that_gives_no_reports_back_is_said():
    """prior = "query" needs C-GET; C-FIND alone was taken for enough."""
    row = check_retrieval(PEER, lambda _peer: "does not accept C-GET (Study Root)")
    assert (row.ok, "does not accept C-GET" in row.found) == (False, True)
    assert check_retrieval(PEER, lambda _peer: "").ok


def test_a_gpu_that_is_not_there_is_said_before_a_worker_fails(tmp_path):
    def none() -> str:
        raise Fatal("no NVIDIA driver")

    row = next(
        one
        for one in run_checks(
            settings(tmp_path), open_state=lambda: None, bundle=lambda: "b", destinations=(), device=none
        )
        if one.name == "device"
    )
    assert (row.ok, row.found) == (False, "no NVIDIA driver")


def test_without_sources_nobody_may_send(tmp_path):
    assert check_sources(settings(tmp_path)).hint == 'add a [[peer]] with roles = ["source"]'
    anybody = settings(tmp_path, limits={"accept_unknown_peers": True})
    assert check_sources(anybody).found == "any AE title may send (accept_unknown_peers)"
    named = settings(tmp_path, peer=[{"name": "ct", "ae_title": "DX1", "roles": ["source"]}])
    assert check_sources(named).ok
    assert "ct (DX1 at" in check_sources(named).found


def test_a_source_that_says_what_is_whole_has_to_answer_queries():
    asked = []

    def count(peer, study):
        asked.append(study)
        return InstanceCount(Reach.ACCEPTED, 0, "")

    assert check_query(PEER, count).ok
    assert asked == [NO_STUDY], "a study that nobody has"
    row = check_query(PEER, lambda *_: InstanceCount(Reach.REJECTED, None, "rejected: not recognised"))
    assert not row.ok
    assert "rejected: not recognised" in row.found
    assert "allow our AE title RA_NODE to query" in row.hint


@pytest.mark.parametrize("reach", Reach)
def test_a_destination_that_does_not_answer_gets_advice_for_how_far_we_came(reach):
    row = check_peer(PEER, lambda peer: EchoReport(peer.name, reach, "the detail"))
    assert not row.ok
    assert row.found == "PACS at 10.0.0.5:104: the detail"
    assert row.hint


def test_a_destination_takes_our_results_or_is_told_what_is_missing():
    comprehensive_3d, comprehensive, capture = BASIC
    assert check_peer(PEER, echoing(*BASIC)).ok
    assert check_peer(PEER, echoing(comprehensive, capture)).ok, "the fallback is enough"
    assert check_peer(PEER, echoing(capture)).hint == "allow our AE title RA_NODE to store SR"
    assert check_peer(PEER, echoing(comprehensive_3d)).hint.endswith("to store Secondary Capture")
    assert "none of our results" in check_peer(PEER, echoing()).found


@pytest.mark.parametrize(
    ("kind", "sop_class"), [(kind, UID(class_of(kind).sop_class_uid)) for kind in OPTIONS]
)
def test_a_further_object_that_a_destination_asks_for_has_to_be_taken(kind, sop_class):
    assert check_peer(PEER, echoing(*BASIC), options=()).ok
    row = check_peer(PEER, echoing(*BASIC), options=(kind,))
    assert not row.ok
    assert sop_class.name in row.hint
    assert check_peer(PEER, echoing(*BASIC, sop_class), options=(kind,)).ok


def test_a_destination_that_is_asked_for_commitment_has_to_give_it():
    row = check_peer(PEER, echoing(*BASIC), commitment=True)
    assert not row.ok
    assert row.hint == "allow RA_NODE Storage Commitment there, or set commitment = false"
    assert check_peer(PEER, echoing(*BASIC, commits=True), commitment=True).ok


def test_what_waits_in_vain_is_a_row_each():
    rows = check_waiting(lambda: [("old", Complaint("2 objects wait", "drop them"))])
    assert [(row.name, row.ok, row.found, row.hint) for row in rows] == [
        ("results for old", False, "2 objects wait", "drop them")
    ]
    assert check_waiting(list) == []


def away():
    raise LedgerUnavailable("the ledger is away")


def test_a_ledger_that_is_away_hides_no_other_row(tmp_path):
    rows = run_checks(
        settings(tmp_path),
        open_state=away,
        bundle=lambda: "demo 1",
        destinations=[],
        standing=away,
    )
    found = {row.name: row for row in rows}
    assert not found["ledger"].ok
    assert found["ledger"].hint == "the URL in [ledger], and whether its server runs"
    assert found["waiting results"].hint == "fix the ledger first"
    assert (found["model bundle"].ok, found["model bundle"].found) == (True, "demo 1")
    assert found["destinations"] is NO_DESTINATION
    assert {"data folder", "disk", "DICOM port", "sources"} <= set(found)
