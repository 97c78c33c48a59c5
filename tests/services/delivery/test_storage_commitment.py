"""Asking for commitment from end to end: real files, a real association, a peer of every temper."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ra_node.domain.job import JobKind
from ra_node.domain.result_objects import ObjectKind
from ra_node.ledger.database.schema import CommitmentState, DeliveryState
from ra_node.ledger.deliveries import deliveries_of
from ra_node.ledger.jobs.peer_backoff import outages
from ra_node.ledger.jobs.queue import claim
from ra_node.ledger.jobs.requeue import requeue
from ra_node.ledger.overview import buried_jobs, commitment_counts
from ra_node.network.scp.loopback_archive import LoopbackArchive
from ra_node.network.scu.association import PeerAddress
from ra_node.network.scu.storage_commitment import CommitmentReport, ReportMatch, ask
from ra_node.services.delivery.deliver import Deliverer
from ra_node.services.delivery.storage_commitment import CommitmentReportReceiver, Committer
from ra_node.services.reporting.answer import Destination
from tests.dicom.builders import source
from tests.network.commitment_peer import CommitmentPeer
from tests.services.builders import LEASE_S
from tests.services.reporting.test_answer import answer, examine

STUDY = str(source().StudyInstanceUID)
DAY_S, SILENCE_S = 86400.0, 600.0


@pytest.fixture
def delivered(bench, tmp_path):
    """A study whose SR and overlay are in the archive; nobody has been asked yet."""
    bench.keep(source())
    bench.settle()
    examine(bench)
    answer(bench, Destination("pacs", (ObjectKind.SR, ObjectKind.OVERLAY)))
    deliver(bench, tmp_path)
    return bench


def deliver(bench, folder):
    with LoopbackArchive(folder / "archive") as archive:
        deliverer = Deliverer(
            bench.ledger, bench.files, {"pacs": address(archive.port)}, DAY_S, committing=["pacs"]
        )
        deliverer.deliver(claimed(bench, JobKind.DELIVER))
    return archive.objects


def address(port):
    timeouts = {"connect_timeout_s": 60.0, "acse_timeout_s": 60.0, "dimse_timeout_s": 60.0}
    return PeerAddress("pacs", "ARCHIVE", "127.0.0.1", port, calling_ae="RA_NODE", **timeouts)


def claimed(bench, kind):
    return claim(bench.ledger, [kind], "d", 8, LEASE_S, peer="pacs")


def commit(bench, port, wait_s=0.0):
    """Do what the role's line does once; tell whether there was anything to do."""
    committer = Committer(
        bench.ledger,
        {"pacs": address(port)},
        SILENCE_S,
        DAY_S,
        ask=lambda peer, requests, hear: ask(peer, requests, hear, wait_s),
    )
    jobs = claimed(bench, JobKind.COMMIT)
    if jobs:
        committer.commit(jobs)
    return bool(jobs)


def commitments(bench):
    return {item.commitment for item in deliveries_of(bench.ledger, STUDY)}


def test_a_report_on_the_same_association_commits_at_once(delivered):
    with CommitmentPeer(same_association=True).listening() as peer:
        assert commit(delivered, peer.port, wait_s=120.0)
    assert commitments(delivered) == {CommitmentState.COMMITTED}
    ((_, uids),) = peer.asked
    assert set(uids) == {item.object.sop_instance_uid for item in deliveries_of(delivered.ledger, STUDY)}
    delivered.clock.advance(DAY_S)
    assert not commit(delivered, peer.port), "nothing is left to ask"


def test_a_report_that_comes_later_commits_too(delivered):
    """It comes to the listener, which is another process."""
    with CommitmentPeer().listening() as peer:
        commit(delivered, peer.port)
    assert commitments(delivered) == {CommitmentState.WAITING}
    transaction, uids = peer.asked[0]
    ear = CommitmentReportReceiver(delivered.ledger)
    report = CommitmentReport(transaction, frozenset(uids), {})
    assert ear.hear(report, "STRANGER") is ReportMatch.STRANGER
    assert ear.hear(CommitmentReport("1.2.3", frozenset(uids), {}), "ARCHIVE") is ReportMatch.UNKNOWN
    assert commitments(delivered) == {CommitmentState.WAITING}
    assert ear.hear(report, "ARCHIVE") is ReportMatch.TAKEN
    assert commitments(delivered) == {CommitmentState.COMMITTED}


def test_a_report_may_come_from_another_title_that_speaks_for_the_peer(delivered):
    """Only from one that the site has named, and only for the peers that it speaks for."""
    with CommitmentPeer().listening() as peer:
        commit(delivered, peer.port)
    transaction, uids = peer.asked[0]
    report = CommitmentReport(transaction, frozenset(uids), {})
    assert (
        CommitmentReportReceiver(delivered.ledger, {"SCM": {"OTHER"}}).hear(report, "SCM")
        is ReportMatch.STRANGER
    )
    assert (
        CommitmentReportReceiver(delivered.ledger, {"SCM": {"OTHER", "ARCHIVE"}}).hear(report, "SCM ")
        is ReportMatch.TAKEN
    )
    assert commitments(delivered) == {CommitmentState.COMMITTED}


def test_an_object_that_the_peer_lost_is_sent_and_asked_again(delivered, tmp_path):
    sr, overlay = sorted(item.object.sop_instance_uid for item in deliveries_of(delivered.ledger, STUDY))
    with CommitmentPeer(same_association=True, lost={overlay: 0x0112}).listening() as peer:
        commit(delivered, peer.port, wait_s=120.0)
    found = {item.object.sop_instance_uid: item for item in deliveries_of(delivered.ledger, STUDY)}
    assert found[sr].commitment is CommitmentState.COMMITTED
    assert found[overlay].state is DeliveryState.WAITING
    assert found[overlay].detail == "not committed: 0x0112 no such object instance"
    delivered.clock.advance(60)
    assert [one.sop_instance_uid for one in deliver(delivered, tmp_path / "again")] == [overlay]
    with CommitmentPeer(same_association=True).listening() as peer:
        commit(delivered, peer.port, wait_s=120.0)
    assert peer.asked[0][1] == [overlay]
    assert commitments(delivered) == {CommitmentState.COMMITTED}


def test_a_silent_peer_is_asked_again_with_growing_patience_and_then_a_person_is_told(delivered):
    asked_at = []
    with CommitmentPeer().listening() as peer:
        while not buried_jobs(delivered.ledger):
            if commit(delivered, peer.port):
                asked_at.append(delivered.clock.now)
            delivered.clock.advance(SILENCE_S / 2)
    pauses = [after - before for before, after in pairwise(asked_at)]
    assert pauses[0] >= SILENCE_S
    assert all(after >= 1.5 * before for before, after in pairwise(pauses))
    assert len({transaction for transaction, _ in peer.asked}) == len(peer.asked) == len(asked_at)
    (job,) = buried_jobs(delivered.ledger)
    assert "has not yet reported" in job.last_error
    assert requeue(delivered.ledger, STUDY) == 1


def test_a_peer_without_the_service_is_marked_and_not_asked_for_ever(delivered):
    with CommitmentPeer().listening(supported=False) as peer:
        commit(delivered, peer.port)
        delivered.clock.advance(DAY_S)
        assert not commit(delivered, peer.port)
    assert commitment_counts(delivered.ledger) == {("pacs", CommitmentState.LACKING): 2}
    assert buried_jobs(delivered.ledger) == []


def test_a_peer_that_is_down_is_asked_when_it_is_back(delivered):
    peer = CommitmentPeer(same_association=True)
    with peer.listening():
        pass
    commit(delivered, peer.port)
    (outage,) = outages(delivered.ledger)
    assert (outage.kind, outage.failures) == (JobKind.COMMIT, 1)
    assert not commit(delivered, peer.port)
    delivered.clock.advance(10)
    with peer.listening():
        commit(delivered, peer.port, wait_s=120.0)
    assert commitments(delivered) == {CommitmentState.COMMITTED}
    assert outages(delivered.ledger) == []


def test_a_peer_that_is_busy_is_asked_later_and_one_that_forbids_it_is_told_to_a_person(delivered):
    with CommitmentPeer(statuses=[0x0213, 0x0124]).listening() as peer:
        commit(delivered, peer.port)
        assert buried_jobs(delivered.ledger) == []
        delivered.clock.advance(60)
        commit(delivered, peer.port)
    (job,) = buried_jobs(delivered.ledger)
    assert job.last_error == "the peer refused to commit: 0x0124 not authorised"
