"""Reads the three segments of an ADT message that a merge needs, and writes its acknowledgement.

Own parser of about 150 lines: a library of the whole standard would be a dependency for three segments (MSH,
PID-3, MRG-1; HL7 2.3 to 2.8, chapters 2 and 3), and accepts more than is used. No error text and no
acknowledgement holds a value of the message but its own control ID.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

MOST_SEGMENTS = 500
MOST_IDENTIFIERS = 100
_ENCODINGS = {"": "ascii", "ASCII": "ascii", "8859/1": "latin-1", "UNICODE UTF-8": "utf-8", "UTF-8": "utf-8"}
"""MSH-18 (HL7 table 0211)."""
_ESCAPES = {"F": 0, "S": 1, "R": 2, "E": 3, "T": 4}
_CONTROL_ID = re.compile(r"[\x20-\x7e]{1,199}")


class MessageRefused(Exception):
    """A message that is not taken: the acknowledgement code (HL7 table 0008) and the reason."""

    def __init__(self, code: str, reason: str, control_id: str = "") -> None:
        super().__init__(reason)
        self.code, self.reason, self.control_id = code, reason, control_id


@dataclass(frozen=True, slots=True, repr=False)
class Identifier:
    """One identifier (CX): ID, namespace of its assigning authority, and type. Never to be logged."""

    value: str
    authority: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class AdtMessage:
    """An ADT message; `event` is MSH-9.2, `sender` MSH-3 and MSH-4, `prior` MRG-1."""

    event: str
    control_id: str
    sender: str
    current: tuple[Identifier, ...]
    prior: tuple[Identifier, ...]


def read_adt(content: bytes) -> AdtMessage:
    """Parse one message; raises MessageRefused."""
    segments = _segments(content)
    head, seps = segments[0], _separators(segments[0])
    fields = [seps[0], *head.split(seps[0])[1:]] if head else []
    control_id = _field(fields, 9)
    if not _CONTROL_ID.fullmatch(control_id):
        raise MessageRefused("AE", "expected a control ID in MSH-10, found none that can be repeated")
    kind, _, rest = _field(fields, 8).partition(seps[1])
    if kind != "ADT":
        raise MessageRefused("AR", "expected a message of type ADT in MSH-9", control_id)
    event = rest.partition(seps[1])[0]
    if not re.fullmatch(r"[A-Z]\d\d", event):
        raise MessageRefused("AR", "expected an event such as A40 in MSH-9", control_id)
    sender = f"{_field(fields, 2)}{seps[1]}{_field(fields, 3)}"
    current = _identifiers(segments, "PID", 3, seps, control_id)
    return AdtMessage(event, control_id, sender, current, _identifiers(segments, "MRG", 1, seps, control_id))


def pairs_of(message: AdtMessage) -> list[tuple[Identifier, Identifier]]:
    """Old and new identifier of each assigning authority; MessageRefused where one has no partner."""
    found = []
    for old in message.prior:
        partners = [one for one in message.current if one.authority == old.authority]
        same = [one for one in partners if one.kind == old.kind] or partners
        if len({one.value for one in same}) != 1:
            reason = "expected one identifier in PID-3 for each authority of MRG-1, found none or several"
            raise MessageRefused("AE", reason, message.control_id)
        if same[0].value != old.value:
            found.append((old, same[0]))
    if not found:
        reason = "expected an old identifier in MRG-1 that differs from that in PID-3, found none"
        raise MessageRefused("AE", reason, message.control_id)
    return found


def acknowledgement(code: str, control_id: str, reason: str, at: datetime, number: int) -> bytes:
    """The ACK of a message (HL7 2.5, 2.9.2)."""
    stamp = at.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")
    own, told = f"{stamp[:14]}{number:06d}", control_id.translate(_HARMLESS)
    lines = [f"MSH|^~\\&|RA_NODE||||{stamp}||ACK|{own}|P|2.5", f"MSA|{code}|{told}|{reason}".rstrip("|")]
    return ("\r".join(lines) + "\r").encode("ascii", "replace")


_HARMLESS = str.maketrans("|^~\\&\r\n", "       ")


def _segments(content: bytes) -> list[str]:
    if not content.startswith(b"MSH") or len(content) < 8:
        raise MessageRefused("AR", "expected a message that begins with MSH")
    first = content.split(b"\r", 1)[0].split(content[3:4])
    named = first[17].split(content[4:5])[0].decode("ascii", "replace") if len(first) > 17 else ""
    encoding = _ENCODINGS.get(named)
    if encoding is None:
        raise MessageRefused("AE", "expected ASCII, 8859/1 or UNICODE UTF-8 in MSH-18")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        raise MessageRefused("AE", "expected text in the character set of MSH-18") from None
    found = [one for one in text.replace("\r\n", "\r").split("\r") if one]
    if len(found) > MOST_SEGMENTS:
        raise MessageRefused("AE", f"expected at most {MOST_SEGMENTS} segments")
    return found


def _separators(head: str) -> str:
    """Separators of field, component, repetition, escape and subcomponent (MSH-1 and MSH-2)."""
    seps = head[3:8]
    if len(set(seps)) != 5 or any(one.isalnum() or not one.isprintable() for one in seps):
        raise MessageRefused("AR", "expected five different separators in MSH-1 and MSH-2")
    return seps


def _identifiers(
    segments: list[str], name: str, number: int, seps: str, control_id: str
) -> tuple[Identifier, ...]:
    own = [one for one in segments if one.startswith(name + seps[0])]
    if len(own) > 1:
        raise MessageRefused("AE", f"expected one segment {name}, found several patients", control_id)
    if not own:
        return ()
    repetitions = [one for one in _field(own[0].split(seps[0]), number).split(seps[2]) if one]
    if len(repetitions) > MOST_IDENTIFIERS:
        raise MessageRefused("AE", f"expected at most {MOST_IDENTIFIERS} identifiers", control_id)
    return tuple(_read(repetitions, seps))


def _read(repetitions: list[str], seps: str) -> Iterator[Identifier]:
    for text in repetitions:
        parts = text.split(seps[1])
        value = _plain(_field(parts, 0), seps)
        if value:
            authority = _field(parts, 3).partition(seps[4])[0]
            yield Identifier(value, _plain(authority, seps), _field(parts, 4))


def _plain(text: str, seps: str) -> str:
    """Undo the escape sequences of separators (HL7 2.5, 2.7.1)."""
    escape = re.escape(seps[3])
    return re.sub(f"{escape}([FSRET]){escape}", lambda found: seps[_ESCAPES[found[1]]], text).strip()


def _field(fields: list[str], number: int) -> str:
    return fields[number].strip() if number < len(fields) else ""
