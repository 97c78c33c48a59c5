"""Storage Commitment over real associations: asked, and answered at once or later, by the right peer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from pynetdicom.dimse_messages import N_EVENT_REPORT_RSP

from ra_node.errors import Retryable
from ra_node.network.presentation_contexts import accepted_contexts
from ra_node.network.scp.server import AllowedPeer, Listener, ListenSettings
from ra_node.network.scu.association import Reach
from ra_node.network.scu.c_store import echo
from ra_node.network.scu.storage_commitment import (
    CommitmentReport,
    CommitRequest,
    ReportMatch,
    ask,
    commitment_context,
    commitment_handlers,
)
from ra_node.network.status.storage_commitment import (
    ACTIONS,
    REASONS,
    ActionAnswer,
    failure_reason,
    meaning_of_action,
)
from tests.network.commitment_peer import CommitmentPeer, bring_report, report_of
from tests.network.conftest import peer_at
from tests.ports import free_port

SC = "1.2.840.10008.5.1.4.1.1.7"


class Hears:
    """Knows one transaction and remembers what it heard of it."""

    def __init__(self, known: str = "1.9") -> None:
        self.known = known
        self.heard: list[tuple[CommitmentReport, str]] = []
        self.failures: list[Exception] = []

    def __call__(self, report: CommitmentReport, ae_title: str) -> ReportMatch:
        if self.failures:
            raise self.failures.pop(0)
        if report.transaction_uid != self.known:
            return ReportMatch.UNKNOWN
        if ae_title != "ARCHIVE":
            return ReportMatch.STRANGER
        self.heard.append((report, ae_title))
        return ReportMatch.TAKEN


def request(uid: str = "1.9", *uids: str) -> CommitRequest:
    return CommitRequest(uid, [(SC, one) for one in uids or ("1.1", "1.2")])


@pytest.fixture
def hears() -> Hears:
    return Hears()


@pytest.fixture
def port(hears: Hears, inbox, tmp_path) -> Iterator[int]:
    """A listener that takes reports, and nothing else, from ARCHIVE and STRANGER."""
    peers = tuple(AllowedPeer(title, may_store=False) for title in ("ARCHIVE", "STRANGER"))
    settings = ListenSettings("RANODE", tmp_path / "incoming", host="127.0.0.1", port=0, peers=peers)
    with ExitStack() as stack:
        listener = Listener(
            settings,
            inbox,
            contexts=[*accepted_contexts(), commitment_context()],
            extra_handlers=commitment_handlers(hears),
        )
        listener.start()
        stack.callback(listener.stop, 0.0)
        yield listener.port


def test_a_peer_is_asked_for_each_transaction_by_its_references():
    """PS3.4 table J.3-1; the answer of each is its own."""
    with CommitmentPeer(statuses=[0x0000, 0x0213]).listening() as peer:
        report = ask(peer_at(peer.port), [request("1.8", "1.1"), request("1.9")], Hears(), wait_s=0)
    assert peer.asked == [("1.8", ["1.1"]), ("1.9", ["1.1", "1.2"])]
    assert [one.answer for one in report.asked] == [ActionAnswer.TAKEN, ActionAnswer.RETRY]
    assert report.asked[1].detail == "0x0213 resource limitation"


def test_a_report_on_the_same_association_is_heard_before_the_call_ends(hears: Hears):
    """Some peers report at once, and the association must still be there."""
    with CommitmentPeer(same_association=True, lost={"1.2": 0x0112}).listening() as peer:
        ask(peer_at(peer.port), [request()], hears, wait_s=120)
        peer.wait_for_reports(1)
    ((report, ae_title),) = hears.heard
    assert (report.committed, report.failed) == ({"1.1"}, {"1.2": "0x0112 no such object instance"})
    assert ae_title == "ARCHIVE"
    assert peer.report_statuses == [0x0000]


def test_a_release_does_not_overtake_the_answer_to_a_report(hears: Hears, monkeypatch: pytest.MonkeyPatch):
    """A peer whose report is answered by a broken association reports again, or gives up."""
    encode = N_EVENT_REPORT_RSP.encode_msg

    def hesitate(*asked: object) -> Iterator[object]:
        time.sleep(0.5)  # as where the thread of the report gets no processor
        return encode(*asked)

    monkeypatch.setattr(N_EVENT_REPORT_RSP, "encode_msg", hesitate)
    with CommitmentPeer(same_association=True).listening() as peer:
        ask(peer_at(peer.port), [request()], hears, wait_s=120)
        peer.wait_for_reports(1)
    assert peer.report_statuses == [0x0000]


@pytest.mark.parametrize("negotiate_role", [True, False])
def test_a_report_on_a_new_association_is_heard_by_the_listener(
    port: int, hears: Hears, *, negotiate_role: bool
):
    """The peer requests the association and stays the SCP; some forget to negotiate that role."""
    status, _ = bring_report(port, *report_of("1.9", ["1.1", "1.2"], {}), negotiate_role=negotiate_role)
    assert status == 0x0000
    ((report, _),) = hears.heard
    assert (report.committed, report.failed) == ({"1.1", "1.2"}, {})


@pytest.mark.parametrize(("transaction", "calling"), [("1.10", "ARCHIVE"), ("1.9", "STRANGER")])
def test_only_the_peer_asked_may_report_and_only_what_it_was_asked(
    port: int, hears: Hears, transaction: str, calling: str
):
    """PS3.7 10.1.1.1.8: an invalid argument value; who probes learns nothing from the difference."""
    said = bring_report(port, *report_of(transaction, ["1.1"], {}), calling=calling)
    assert said == (0x0115, "no such transaction was asked of this AE title")
    assert hears.heard == []


def test_a_peer_that_is_not_configured_gets_no_association(port: int):
    with pytest.raises(AssertionError, match="no association"):
        bring_report(port, *report_of("1.9", ["1.1"], {}), calling="NOBODY")


def test_an_odd_report_has_a_status_of_its_own(port: int, hears: Hears):
    """PS3.7 10.1.1.1.8: event type, instance and arguments are looked at before anybody believes them."""
    event_type, information = report_of("1.9", ["1.1"], {})
    assert bring_report(port, 3, information)[0] == 0x0113
    assert bring_report(port, event_type, information, instance="1.2.3")[0] == 0x0112
    information.TransactionUID = ""
    assert bring_report(port, event_type, information)[0] == 0x0114
    del information.TransactionUID
    assert bring_report(port, event_type, information)[0] == 0x0114
    assert hears.heard == []


def test_a_report_that_cannot_be_recorded_is_to_be_sent_again(port: int, hears: Hears):
    """The ledger is away: Success would lose the promise."""
    hears.failures = [Retryable("expected a working ledger, found none"), ValueError("odd")]
    report = report_of("1.9", ["1.1"], {})
    assert bring_report(port, *report)[0] == 0x0213
    assert bring_report(port, *report)[0] == 0x0110
    assert bring_report(port, *report)[0] == 0x0000
    assert len(hears.heard) == 1


def test_an_instance_that_is_kept_and_failed_counts_as_failed(port: int, hears: Hears):
    """A peer that contradicts itself has promised nothing."""
    event_type, information = report_of("1.9", ["1.1", "1.2"], {"1.2": 0x0110})
    information.ReferencedSOPSequence.append(information.FailedSOPSequence[0])
    assert bring_report(port, event_type, information)[0] == 0x0000
    assert (hears.heard[0][0].committed, set(hears.heard[0][0].failed)) == ({"1.1"}, {"1.2"})


def test_a_peer_without_the_service_is_known_by_its_refused_context():
    with CommitmentPeer().listening(supported=False) as peer:
        report = ask(peer_at(peer.port), [request()], Hears())
        assert not echo(peer_at(peer.port)).commits
    assert (report.reach, report.asked[0].answer) == (Reach.NO_CONTEXT, ActionAnswer.LACKING)
    with CommitmentPeer().listening() as peer:
        assert echo(peer_at(peer.port)).commits


def test_a_peer_that_accepts_the_context_and_not_the_action_lacks_the_service_too():
    with CommitmentPeer(statuses=[0x0211]).listening() as peer:
        report = ask(peer_at(peer.port), [request()], Hears())
    assert report.asked[0].answer is ActionAnswer.LACKING


def test_a_peer_that_is_down_has_answered_nothing():
    report = ask(peer_at(free_port()), [request(), request("1.8")], Hears())
    assert report.reach is Reach.UNREACHABLE
    assert [one.answer for one in report.asked] == [ActionAnswer.RETRY] * 2


def test_this_node_keeps_nothing_for_others(port: int, hears: Hears):
    """A modality that asks us for commitment is told no, and our own results stay the PACS's matter."""
    report = ask(peer_at(port, calling_ae="ARCHIVE"), [request()], hears, wait_s=0)
    assert report.asked[0].answer is ActionAnswer.LACKING


@pytest.mark.parametrize("status", [*ACTIONS, 0x0133, 0xA700, 0xC001])
def test_every_status_of_an_action_has_a_meaning(status: int):
    """PS3.7 10.1.4.1.10; what is not known is asked again and in the end told to a person."""
    meaning = meaning_of_action(status)
    assert meaning.meaning
    assert (meaning.answer is ActionAnswer.TAKEN) == (status in {0x0000, 0x0001, 0x0107, 0x0116})


def test_every_failure_reason_is_said_in_words():
    """PS3.3 C.14.1.1; none, or one that nobody knows, is said too."""
    assert all(words in failure_reason(code) for code, words in REASONS.items())
    assert failure_reason(None) == "no reason was given"
    assert failure_reason(0x9999).startswith("0x9999")
