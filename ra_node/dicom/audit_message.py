"""Audit messages (PS3.15 A.5), without the patient.

A.5.3 requires the Patient ID in some messages. It is left out: readers of a log server do not treat patients,
and the Study Instance UID identifies the patient for those who may know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring


@dataclass(frozen=True, slots=True)
class Term:
    """A code of DCM (PS3.16 annex D) with its meaning."""

    value: str
    meaning: str


APPLICATION_ACTIVITY: Final = Term("110100", "Application Activity")
AUDIT_LOG_USED: Final = Term("110101", "Audit Log Used")
INSTANCES_ACCESSED: Final = Term("110103", "DICOM Instances Accessed")
INSTANCES_TRANSFERRED: Final = Term("110104", "DICOM Instances Transferred")
STUDY_DELETED: Final = Term("110105", "DICOM Study Deleted")
SECURITY_ALERT: Final = Term("110113", "Security Alert")
USER_AUTHENTICATION: Final = Term("110114", "User Authentication")

APPLICATION_START: Final = Term("110120", "Application Start")
APPLICATION_STOP: Final = Term("110121", "Application Stop")
LOGIN: Final = Term("110122", "Login")
NODE_AUTHENTICATION: Final = Term("110126", "Node Authentication")
SOFTWARE_CONFIGURATION: Final = Term("110131", "Software Configuration")

APPLICATION: Final = Term("110150", "Application")
DESTINATION: Final = Term("110152", "Destination Role ID")
SOURCE: Final = Term("110153", "Source Role ID")

SUCCESS, MINOR_FAILURE = 0, 4
"""EventOutcomeIndicator (PS3.15 A.5.2)."""
_IP_ADDRESS, _MACHINE = "2", "1"
_SYSTEM_OBJECT, _REPORT, _SECURITY_RESOURCE = "2", "3", "13"
_APPLICATION_SERVER = "4"


@dataclass(frozen=True, slots=True)
class Participant:
    """Active participant: an AE title, an account or a process, with its address."""

    user_id: str
    requestor: bool = False
    role: Term | None = None
    address: str = ""
    machine: str = ""


@dataclass(frozen=True, slots=True)
class AuditMessage:
    """One event; `at` in UTC seconds since 1970, `instances` counts by SOP class of the study."""

    event: Term
    action: str
    at: float
    participants: tuple[Participant, ...]
    outcome: int = SUCCESS
    kind: Term | None = None
    words: str = ""
    study_uid: str = ""
    instances: Mapping[str, int] = field(default_factory=dict)


def audit_xml(message: AuditMessage, source_id: str) -> str:
    """Encode one message (PS3.15 A.5.1) of the audit source `source_id`."""
    root = Element("AuditMessage")
    _event(root, message)
    for one in message.participants:
        _participant(root, one)
    source = SubElement(root, "AuditSourceIdentification", AuditSourceID=source_id)
    SubElement(source, "AuditSourceTypeCode", {"csd-code": _APPLICATION_SERVER})
    if message.event is AUDIT_LOG_USED:
        _object(root, "urn:ra-node:trail", _SECURITY_RESOURCE, Term("12", "URI"), "RFC-3881")
    if message.study_uid:
        _study(root, message)
    return '<?xml version="1.0" encoding="UTF-8"?>' + tostring(root, encoding="unicode")


def _event(root: Element, message: AuditMessage) -> None:
    when = datetime.fromtimestamp(message.at, UTC).isoformat(timespec="milliseconds")
    event = SubElement(
        root,
        "EventIdentification",
        EventActionCode=message.action,
        EventDateTime=when,
        EventOutcomeIndicator=str(message.outcome),
    )
    _coded(event, "EventID", message.event)
    if message.kind is not None:
        _coded(event, "EventTypeCode", message.kind)
    if message.words:
        SubElement(event, "EventOutcomeDescription").text = message.words


def _participant(root: Element, one: Participant) -> None:
    element = SubElement(
        root, "ActiveParticipant", UserID=one.user_id, UserIsRequestor=str(one.requestor).lower()
    )
    where, kind = (one.address, _IP_ADDRESS) if one.address else (one.machine, _MACHINE)
    if where:
        element.set("NetworkAccessPointID", where)
        element.set("NetworkAccessPointTypeCode", kind)
    if one.role is not None:
        _coded(element, "RoleIDCode", one.role)


def _study(root: Element, message: AuditMessage) -> None:
    study = _object(root, message.study_uid, _REPORT, Term("110180", "Study Instance UID"), "DCM")
    described = SubElement(study, "ParticipantObjectDescription")
    for sop_class, count in sorted(message.instances.items()):
        SubElement(described, "SOPClass", UID=sop_class, NumberOfInstances=str(count))


def _object(root: Element, identity: str, role: str, kind: Term, system: str) -> Element:
    element = SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=identity,
        ParticipantObjectTypeCode=_SYSTEM_OBJECT,
        ParticipantObjectTypeCodeRole=role,
    )
    _coded(element, "ParticipantObjectIDTypeCode", kind, system)
    if role == _SECURITY_RESOURCE:
        SubElement(element, "ParticipantObjectName").text = "Security Audit Log"
    return element


def _coded(parent: Element, name: str, term: Term, system: str = "DCM") -> None:
    attributes = {"csd-code": term.value, "codeSystemName": system, "originalText": term.meaning}
    SubElement(parent, name, attributes)
