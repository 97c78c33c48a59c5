"""Forwards the event log to a syslog server as DICOM audit messages, at least once and in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

import structlog

from ra_node.dicom import audit_message as audit
from ra_node.dicom.audit_message import AuditMessage, Participant, Term, audit_xml
from ra_node.errors import Retryable
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.event_query import Entry, mark, move_mark, newest, next_entries
from ra_node.network.syslog import NOTICE, WARNING, Syslog, syslog_message

MARK = "syslog"
AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class AuditSource:
    """Audit source: AE title and host name of this node."""

    ae_title: str
    machine: str

    @property
    def source_id(self) -> str:
        return f"{self.ae_title}@{self.machine}"

    def taking_part(self, role: Term | None = None, *, requestor: bool = False) -> Participant:
        return Participant(self.ae_title, requestor, role, machine=self.machine)


@dataclass
class AuditSender:
    """Sends new events; its position is stored in the ledger.

    The first run starts with new events. After a crash, or with two schedulers, an event may be sent twice;
    none is left out.
    """

    ledger: Ledger
    us: AuditSource
    server: Syslog
    _told_start: bool = False

    def send_new(self) -> None:
        """Send new events; raises LogServerAway while the server is unreachable; the next call continues."""
        after = mark(self.ledger, MARK)
        if after is None:
            after = newest(self.ledger)
            move_mark(self.ledger, MARK, after)
        if not self._told_start:
            self._send(activity(self.us, audit.APPLICATION_START, self.ledger.clock()))
            self._told_start = True
        while entries := next_entries(self.ledger, after, limit=AT_ONCE):
            for message in messages(entries, self.us):
                self._send(message)
            after = entries[-1].event.id
            move_mark(self.ledger, MARK, after)

    def close(self) -> None:
        """Send that the node stops, if the server is reachable."""
        try:
            if self._told_start:
                self._send(activity(self.us, audit.APPLICATION_STOP, self.ledger.clock()))
        except Retryable as error:
            structlog.get_logger().warning("audit_forwarding_failed", error=str(error))
        self.server.close()

    def _send(self, message: AuditMessage) -> None:
        severity = NOTICE if message.outcome == audit.SUCCESS else WARNING
        content = audit_xml(message, self.us.source_id)
        self.server.send(syslog_message(content, message.at, self.us.machine, severity=severity))


def messages(entries: Iterable[Entry], us: AuditSource) -> Iterator[AuditMessage]:
    """Audit messages for events; internal events have none.

    Consecutive events of one study and caller become one message (A.5.3.7).
    """
    for _, group in groupby(entries, key=_together):
        told = [message for entry in group if (message := message_of(entry, us)) is not None]
        if told:
            yield replace(told[0], instances=_summed(told))


def message_of(entry: Entry, us: AuditSource) -> AuditMessage | None:
    """The message for one entry, or None."""
    tell = _TELLERS.get(entry.event.what)
    return None if tell is None else tell(entry, us)


def activity(us: AuditSource, kind: Term, at: float) -> AuditMessage:
    """The node started or stopped (A.5.3.1)."""
    return AuditMessage(audit.APPLICATION_ACTIVITY, "E", at, (us.taking_part(audit.APPLICATION),), kind=kind)


def _together(entry: Entry) -> tuple[object, ...]:
    event = entry.event
    if event.what == "instance_stored":
        return event.what, event.study_uid, entry.who, entry.address
    return (event.id,)


def _summed(told: list[AuditMessage]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for message in told:
        for sop_class, count in message.instances.items():
            counts[sop_class] = counts.get(sop_class, 0) + count
    return counts


def _received(entry: Entry, us: AuditSource) -> AuditMessage:
    sender = Participant(entry.who, requestor=True, role=audit.SOURCE, address=entry.address)
    told = _of(entry, audit.INSTANCES_TRANSFERRED, "C", (sender, us.taking_part(audit.DESTINATION)))
    return replace(told, instances={str(entry.event.detail["sop_class_uid"]): 1})


def _delivered(entry: Entry, us: AuditSource) -> AuditMessage:
    taker = Participant(entry.who, role=audit.DESTINATION)
    sender = us.taking_part(audit.SOURCE, requestor=True)
    return _of(entry, audit.INSTANCES_TRANSFERRED, "C", (sender, taker))


def _not_delivered(entry: Entry, us: AuditSource) -> AuditMessage:
    failed = replace(_delivered(entry, us), outcome=audit.MINOR_FAILURE)
    return replace(failed, words="the destination did not take the result")


def _purged(entry: Entry, us: AuditSource) -> AuditMessage:
    return _of(entry, audit.STUDY_DELETED, "D", (us.taking_part(requestor=True),))


def _changed(entry: Entry, us: AuditSource) -> AuditMessage:
    """A user changed the processing of a study, or the bundle."""
    person = Participant(entry.who or "unknown", requestor=True, address=entry.address)
    done = str(entry.event.detail.get("done", entry.event.what))
    if done in ("signed_in", "sign_in_refused"):
        refused = done == "sign_in_refused"
        told = _of(entry, audit.USER_AUTHENTICATION, "E", (person, us.taking_part()))
        told = replace(told, outcome=audit.MINOR_FAILURE if refused else audit.SUCCESS)
        return replace(told, kind=audit.LOGIN, words=done)
    if done == "trail_read":
        return _of(entry, audit.AUDIT_LOG_USED, "R", (person, us.taking_part()))
    if entry.event.study_uid:
        return replace(_of(entry, audit.INSTANCES_ACCESSED, "U", (person, us.taking_part())), words=done)
    told = _of(entry, audit.SECURITY_ALERT, "E", (person, us.taking_part()))
    return replace(told, kind=audit.SOFTWARE_CONFIGURATION, words=done)


def _refused(entry: Entry, us: AuditSource) -> AuditMessage:
    caller = Participant(entry.who or "unknown", requestor=True, address=entry.address)
    told = _of(entry, audit.SECURITY_ALERT, "E", (us.taking_part(), caller))
    told = replace(told, outcome=audit.MINOR_FAILURE, kind=audit.NODE_AUTHENTICATION)
    return replace(told, words=str(entry.event.detail.get("reason", "")))


def _of(entry: Entry, event: Term, action: str, who: tuple[Participant, ...]) -> AuditMessage:
    return AuditMessage(event, action, entry.event.at, who, study_uid=entry.event.study_uid or "")


_TELLERS: dict[str, Callable[[Entry, AuditSource], AuditMessage]] = {
    "instance_stored": _received,
    "version_delivered": _delivered,
    "delivery_dropped": _not_delivered,
    "study_purged": _purged,
    "operator_acted": _changed,
    "bundle_promoted": _changed,
    "bundle_rolled_back": _changed,
    "caller_refused": _refused,
}
