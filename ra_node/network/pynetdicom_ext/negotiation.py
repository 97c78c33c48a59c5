"""Normalises A-ASSOCIATE PDUs for pynetdicom, which aborts for every deviation.

Unknown items are dropped (PS3.7 D.3.3, PS3.8 9.3), of the protocol version only bit 0 is used (PS3.8 9.3.2),
the AE title fields of an acceptance are ignored (9.3.3), titles may be padded by NUL. Invalid items are
dropped as well and named in the log; pynetdicom decides about the rest.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pynetdicom import pdu_items

ASSOCIATE_RQ, ASSOCIATE_AC = 1, 2
NO_TITLE = "(no title)"
"""Replaces a calling AE title that is blank."""
DEFAULT_MAX_LENGTH = 16_382
"""Maximum PDU length for a peer that omits its mandatory one (PS3.8 D.1)."""

_FIXED_BYTES = 74
_CONTEXT_RQ, _CONTEXT_AC, _USER, _APPLICATION = 0x20, 0x21, 0x50, 0x10
_MAX_LENGTH = 0x51
_SYNTAX_ITEMS = {_CONTEXT_RQ: (0x30, 0x40), _CONTEXT_AC: (0x40,)}
_USER_ITEMS = {
    0x51: pdu_items.MaximumLengthSubItem,
    0x52: pdu_items.ImplementationClassUIDSubItem,
    0x53: pdu_items.AsynchronousOperationsWindowSubItem,
    0x54: pdu_items.SCP_SCU_RoleSelectionSubItem,
    0x55: pdu_items.ImplementationVersionNameSubItem,
    0x56: pdu_items.SOPClassExtendedNegotiationSubItem,
    0x57: pdu_items.SOPClassCommonExtendedNegotiationSubItem,
    0x58: pdu_items.UserIdentitySubItemRQ,
    0x59: pdu_items.UserIdentitySubItemAC,
}
_MOST_UID_BYTES = 64
_MOST_ITEMS = 1000
"""Most items of one level: 128 contexts, and a few for each SOP class. A PDU could hold a million."""


class UnreadableError(ValueError):
    """A PDU whose items cannot be separated."""


@dataclass(slots=True)
class NormalisedPdu:
    """A normalised A-ASSOCIATE PDU, and the dropped items for the log."""

    pdu: bytes = b""
    left_out: list[str] = field(default_factory=list)


def tidied(pdu: bytes) -> NormalisedPdu:
    """Normalise an A-ASSOCIATE-RQ or -AC (PS3.8 9.3.2, 9.3.3); raises UnreadableError."""
    if len(pdu) < _FIXED_BYTES:
        raise UnreadableError(f"expected at least {_FIXED_BYTES} bytes, found {len(pdu)}")
    made = NormalisedPdu()
    version, called, calling = struct.unpack_from(">H2x16s16s", pdu, 6)
    if pdu[0] == ASSOCIATE_AC:
        version, called, calling = 1, b"PEER", b"PEER"
    head = struct.pack(">H2x16s16s32x", 1 if version & 1 else 0, _title(called), _title(calling))
    body = head + b"".join(_items(pdu[_FIXED_BYTES:], made.left_out))
    made.pdu = struct.pack(">BBL", pdu[0], 0, len(body)) + body
    return made


def _title(raw: bytes) -> bytes:
    text = "".join(sign if " " <= sign <= "~" and sign != "\\" else "?" for sign in _unpadded(raw))
    return (text.strip() or NO_TITLE).encode("ascii").ljust(16)


def _unpadded(raw: bytes) -> str:
    return raw.rstrip(b"\0 ").replace(b"\0", b" ").decode("ascii", "replace")


def _items(raw: bytes, left_out: list[str]) -> Iterator[bytes]:
    """Valid items, and mandatory items that a request lacks."""
    contexts: set[int] = set()
    user = False
    for kind, value in _split(raw):
        if kind == _APPLICATION:
            if _is_uid(value):
                yield _item(kind, value)
            else:
                left_out.append("application context name")
        elif kind in _SYNTAX_ITEMS:
            yield from _context(kind, value, contexts, left_out)
        elif kind == _USER and not user:
            user = True
            yield _user_information(value, left_out)
        else:
            left_out.append(f"item {kind:02X}H")
    if not user:
        yield _user_information(b"", left_out)


def _context(kind: int, value: bytes, seen: set[int], left_out: list[str]) -> Iterator[bytes]:
    """A presentation context with a unique odd ID and valid UIDs (PS3.8 9.3.2.2, 9.3.3.2)."""
    number = value[0] if value else 0
    known = [(sub, uid) for sub, uid in _split(value[4:]) if sub in _SYNTAX_ITEMS[kind]]
    subs = [_item(sub, uid) for sub, uid in known if _is_uid(uid)]
    names = {sub for sub, uid in known if _is_uid(uid)}
    refused = kind == _CONTEXT_AC and len(value) > 2 and value[2] != 0
    whole = names == set(_SYNTAX_ITEMS[kind]) or refused
    if len(value) < 4 or number % 2 == 0 or number in seen or not whole:
        left_out.append(f"presentation context {number}")
        return
    seen.add(number)
    if refused and not subs:
        subs = [_item(0x40, b"1.2.840.10008.1.2")]  # not significant in a refusal, but pynetdicom reads it
    yield _item(kind, value[:4] + b"".join(subs))


def _user_information(value: bytes, left_out: list[str]) -> bytes:
    subs, kinds = [], set()
    for kind, content in _split(value):
        whole = _item(kind, content)
        if kind not in _USER_ITEMS or (kind == _MAX_LENGTH and kind in kinds) or not _decodes(kind, whole):
            left_out.append(f"user item {kind:02X}H")
            continue
        kinds.add(kind)
        subs.append(whole)
    if _MAX_LENGTH not in kinds:
        subs.insert(0, _item(_MAX_LENGTH, struct.pack(">L", DEFAULT_MAX_LENGTH)))
    return _item(_USER, b"".join(subs))


def _decodes(kind: int, whole: bytes) -> bool:
    """Whether pynetdicom can decode an item; it raises a different error for each kind."""
    try:
        item: Any = _USER_ITEMS[kind]()
        item.decode(whole)
        item.to_primitive()
    except Exception:  # noqa: BLE001 - see above
        return False
    return True


def _split(raw: bytes) -> Iterator[tuple[int, bytes]]:
    at = count = 0
    while at < len(raw):
        count += 1
        if count > _MOST_ITEMS:
            raise UnreadableError(f"expected at most {_MOST_ITEMS} items, found more")
        if at + 4 > len(raw):
            raise UnreadableError(f"expected an item of at least 4 bytes, found {len(raw) - at}")
        kind, length = struct.unpack_from(">BxH", raw, at)
        value = raw[at + 4 : at + 4 + length]
        if len(value) < length:
            raise UnreadableError(f"expected {length} bytes in item {kind:02X}H, found {len(value)}")
        yield kind, value
        at += 4 + length


def _item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(value)) + value


def _is_uid(value: bytes) -> bool:
    text = value.rstrip(b"\0 ")
    return 0 < len(text) <= _MOST_UID_BYTES and text.isascii()
