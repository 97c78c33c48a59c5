"""The trail reaches a log server as DICOM audit messages, by UDP and by TLS, and no patient with it."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest

from ra_node.dicom import audit_message as audit
from ra_node.errors import Fatal
from ra_node.ledger.database.engine import Ledger, open_ledger
from ra_node.ledger.database.events import Event, record
from ra_node.ledger.event_query import Entry, mark, trail
from ra_node.network.syslog import LogServer, LogServerAway, Syslog
from ra_node.network.tls import calling, serving
from ra_node.services.monitoring.audit_forwarder import MARK, AuditSender, AuditSource, message_of, messages
from ra_node.services.monitoring.operator_actions import Operator, acted, sign_in_refused, signed_in
from ra_node.services.reception.rejection_log import MOST, Refusals
from tests.conftest import wait_until
from tests.ledger.builders import FakeClock, keep
from tests.network.authority import Authority

US = AuditSource("RA_NODE", "node-1")
HEADER = re.compile(
    r"<8[45]>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z node-1 ra-node \d+ DICOM\+RFC3881 - \ufeff<\?xml"
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite", FakeClock())
    yield opened
    opened.close()


@dataclass
class Receiver:
    """A syslog server as small as it gets."""

    port: int = 0
    messages: list[bytes] = field(default_factory=list)

    @contextmanager
    def over_tls(self, hospital: Authority) -> Iterator[Receiver]:
        """With octet counting (RFC 5425 4.3) and a certificate of every client."""
        context = serving(hospital.issue("log.hospital"))
        with socket.create_server(("127.0.0.1", self.port)) as listening:
            self.port = listening.getsockname()[1]
            thread = threading.Thread(target=self._take, args=(listening, context))
            thread.start()
            try:
                yield self
            finally:
                listening.shutdown(socket.SHUT_RDWR)
                thread.join(60)

    def _take(self, listening: socket.socket, context) -> None:
        while True:
            try:
                raw, _ = listening.accept()
            except OSError:
                return
            with context.wrap_socket(raw, server_side=True) as secured, secured.makefile("rb") as stream:
                while length := b"".join(iter(lambda: stream.read(1).strip(), b"")):
                    self.messages.append(stream.read(int(length)))


def elements(message: bytes) -> Element:
    """The audit message in a syslog message, checked for what PS3.15 A.5.1 and A.5.2 ask of each."""
    said = message.decode()
    assert HEADER.match(said), said[:120]
    root = fromstring(said.partition("\ufeff")[2])
    assert root.tag == "AuditMessage"
    event = root.find("EventIdentification")
    assert event is not None
    assert set(event.attrib) == {"EventActionCode", "EventDateTime", "EventOutcomeIndicator"}
    assert event.find("EventID") is not None
    source = root.find("AuditSourceIdentification")
    assert source is not None
    assert source.get("AuditSourceID") == "RA_NODE@node-1"
    assert root.findall("ActiveParticipant")
    for coded in root.iter():
        if coded.tag in ("EventID", "EventTypeCode", "RoleIDCode", "ParticipantObjectIDTypeCode"):
            assert set(coded.attrib) == {"csd-code", "codeSystemName", "originalText"}
    for one in root.findall("ActiveParticipant"):
        assert one.get("UserID")
        assert one.get("UserIsRequestor") in ("true", "false")
    order = [child.tag for child in root]
    ranks = [("Event", "Active", "AuditSource", "Participant").index(name) for name in map(kind, order)]
    assert ranks == sorted(ranks)
    return root


def kind(tag: str) -> str:
    return next(start for start in ("Event", "Active", "AuditSource", "Participant") if tag.startswith(start))


def told(event: Element) -> tuple[str | None, str | None, str | None]:
    """Event, kind and outcome of a message by their codes."""
    what, sort = event.find("EventIdentification/EventID"), event.find("EventIdentification/EventTypeCode")
    outcome = event.find("EventIdentification")
    assert what is not None
    assert outcome is not None
    return (
        what.get("csd-code"),
        None if sort is None else sort.get("csd-code"),
        outcome.get("EventOutcomeIndicator"),
    )


def everything(ledger: Ledger) -> None:
    """Somebody sends two images, signs in, is refused, requeues, and is turned away."""
    keep(ledger, "1.2.3.1")
    keep(ledger, "1.2.3.2")
    signed_in(ledger, Operator("maria", "10.0.0.9"))
    sign_in_refused(ledger, Operator("maria", "10.0.0.9"))
    acted(ledger, Operator("maria", "10.0.0.9"), "requeued", "1.2.3")
    acted(ledger, Operator("root@node-1", ""), "trail_read")
    record(ledger, "version_delivered", "1.2.3", version=1, peer="pacs")
    record(ledger, "bundle_promoted", by="root@node-1", sha256="0", name="demo", version="1")
    record(ledger, "study_purged", "1.2.3", files=3)
    Refusals(ledger).note("THIEF", "10.0.0.66", "calling AE title not recognised")


def test_over_tls_each_event_comes_once_as_a_message_of_the_standard(ledger: Ledger, tmp_path: Path):
    hospital = Authority(tmp_path / "hospital")
    with Receiver().over_tls(hospital) as server:
        tls = calling(hospital.issue("ra-node.hospital"))
        sender = AuditSender(ledger, US, Syslog(LogServer("tls", "127.0.0.1", server.port), tls))
        sender.send_new()
        everything(ledger)
        sender.send_new()
        sender.send_new()
        sender.close()
        wait_until(lambda: len(server.messages) >= 11, "the node's last message")
    found = [elements(message) for message in server.messages]
    assert [told(one) for one in found] == [
        ("110100", "110120", "0"),
        ("110104", None, "0"),
        ("110114", "110122", "0"),
        ("110114", "110122", "4"),
        ("110103", None, "0"),
        ("110101", None, "0"),
        ("110104", None, "0"),
        ("110113", "110131", "0"),
        ("110105", None, "0"),
        ("110113", "110126", "4"),
        ("110100", "110121", "0"),
    ]
    received = found[1]
    assert [one.get("UserID") for one in received.findall("ActiveParticipant")][1] == "RA_NODE"
    study = received.find("ParticipantObjectIdentification")
    assert study is not None
    (sop_class,) = study.iter("SOPClass")
    assert sop_class.get("NumberOfInstances") == "2"
    assert (study.get("ParticipantObjectTypeCode"), study.get("ParticipantObjectTypeCodeRole")) == ("2", "3")


def test_by_udp_a_message_is_a_datagram(ledger: Ledger):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(60)
        way = Syslog(LogServer("udp", "127.0.0.1", server.getsockname()[1]))
        sender = AuditSender(ledger, US, way)
        sender.send_new()
        assert told(elements(server.recv(65_535))) == ("110100", "110120", "0")
        signed_in(ledger, Operator("maria", "10.0.0.9"))
        sender.send_new()
        login = elements(server.recv(65_535))
        (person, _) = login.findall("ActiveParticipant")
        assert (person.get("UserID"), person.get("NetworkAccessPointID")) == ("maria", "10.0.0.9")
        sender.close()


def test_while_the_server_is_away_nothing_is_passed_over(ledger: Ledger, tmp_path: Path):
    """What happened meanwhile comes when it is back, on a new connection."""
    hospital = Authority(tmp_path / "hospital")
    tls = calling(hospital.issue("ra-node.hospital"))
    with Receiver().over_tls(hospital) as server:
        sender = AuditSender(ledger, US, Syslog(LogServer("tls", "127.0.0.1", server.port), tls))
        sender.send_new()
        before = mark(ledger, MARK)
        sender.server.close()
    signed_in(ledger, Operator("maria", "10.0.0.9"))
    with pytest.raises(LogServerAway, match="expected a syslog server"):
        sender.send_new()
    assert mark(ledger, MARK) == before
    again = Receiver(server.port)
    with again.over_tls(hospital):
        sender.send_new()
        wait_until(lambda: again.messages, "what happened meanwhile")
        sender.close()
    assert told(elements(again.messages[0])) == ("110114", "110122", "0")


def test_a_server_of_another_site_hears_nothing(ledger: Ledger, tmp_path: Path):
    elsewhere = Authority(tmp_path / "elsewhere", "Elsewhere")
    ours = Authority(tmp_path / "hospital").issue("ra-node.hospital")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        context = serving(replace(elsewhere.issue("log.elsewhere"), authority=ours.authority))

        def answer() -> None:
            raw, _ = listening.accept()
            try:
                context.wrap_socket(raw, server_side=True).close()
            except OSError:
                raw.close()

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(LogServerAway, match="certificate not trusted"):
            AuditSender(ledger, US, Syslog(LogServer("tls", "127.0.0.1", port), calling(ours))).send_new()
        thread.join(60)


@pytest.mark.parametrize("url", ["tcp://log:514", "log.hospital", "tls://", "udp://log:many"])
def test_a_place_that_is_none_is_told(url: str):
    with pytest.raises(Fatal, match="expected tls://HOST:PORT or udp://HOST:PORT"):
        LogServer.at(url)


def test_what_a_caller_calls_itself_cannot_break_a_message():
    """An AE title may hold any sign but the backslash, and a reason comes from us."""
    event = Event(1, 0.0, "1.2.3", "instance_stored", {"sop_class_uid": "1.2"})
    message = message_of(Entry(event, '<PACS "&', "10.0.0.1"), US)
    assert message is not None
    root = fromstring(audit.audit_xml(message, US.source_id))
    (sender, _) = root.findall("ActiveParticipant")
    assert sender.get("UserID") == '<PACS "&'


def test_only_neighbours_of_one_study_and_sender_become_one_message():
    def stored(number: int, study: str, who: str) -> Entry:
        return Entry(Event(number, 0.0, study, "instance_stored", {"sop_class_uid": "1.2"}), who, "10.0.0.1")

    entries = [stored(1, "1", "A"), stored(2, "1", "A"), stored(3, "2", "A"), stored(4, "2", "B")]
    assert [one.instances for one in messages(entries, US)] == [{"1.2": 2}, {"1.2": 1}, {"1.2": 1}]


def test_a_flood_of_strangers_does_not_fill_the_trail(ledger: Ledger):
    """One entry a minute for each caller and reason, a bounded number in all, and the count comes later."""
    refusals = Refusals(ledger)
    for number in range(3 * MOST):
        refusals.note(f"THIEF{number % (2 * MOST)}", "10.0.0.66", "unknown")
    first = list(trail(ledger))
    assert len(first) == MOST
    ledger.clock.advance(61)  # type: ignore[attr-defined]
    refusals.note("THIEF0", "10.0.0.66", "unknown")
    later = [entry.event.detail for entry in trail(ledger, after=first[-1].event.id)]
    assert sum(one["times"] for one in later if one["calling_ae"] == "THIEF0") == 2
