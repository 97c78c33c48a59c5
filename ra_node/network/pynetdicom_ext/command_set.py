"""Repairs command sets (PS3.7 6.3, E) where a response is still possible, and logs the error.

An invalid UID is replaced by one that can be refused with a status, so that the association continues. A
command without possible response raises CommandError: the association is aborted with that reason in the log.
"""

from __future__ import annotations

from pydicom import Dataset
from pynetdicom.dimse_messages import _MESSAGE_TYPES

NO_UID = "0.0"
"""Replaces a UID that is absent, empty or too long; its root has no instances."""

_C_STORE_RQ, _C_ECHO_RQ, _C_CANCEL_RQ, _RESPONSE = 0x0001, 0x0030, 0x0FFF, 0x8000
_NO_DATA_SET = 0x0101
_PRIORITIES = (0, 1, 2)
_VERIFICATION = "1.2.840.10008.1.1"
_ANY_STORAGE = "1.2.840.10008.5.1.4.1.1.7"
_UIDS = ("AffectedSOPClassUID", "AffectedSOPInstanceUID", "RequestedSOPClassUID", "RequestedSOPInstanceUID")
_STATUS_DETAILS = ("OffendingElement", "ErrorID", "ErrorComment")
_MOST_COMMENT = 64


class CommandError(ValueError):
    """A command without possible response; its text names elements only."""


def mended(command: Dataset) -> Dataset:
    """Repair a command set in place; raises CommandError."""
    kind = _number(command, "CommandField")
    if kind not in _MESSAGE_TYPES:
        found = "none" if kind is None else f"{kind:04X}H"
        raise CommandError(f"expected a known Command Field (0000,0100), found {found}")
    if _number(command, "CommandDataSetType") is None:
        command.CommandDataSetType = 1 if kind == _C_STORE_RQ else _NO_DATA_SET
    if kind & _RESPONSE or kind == _C_CANCEL_RQ:
        _mend_response(command)
    else:
        _mend_request(command, kind)
    return command


def _mend_request(command: Dataset, kind: int) -> None:
    if _number(command, "MessageID") is None:
        raise CommandError("expected a Message ID (0000,0110), found none")
    has_priority = kind == _C_STORE_RQ or "Priority" in command
    if has_priority and _number(command, "Priority") not in _PRIORITIES:
        command.Priority = 0
    if kind == _C_ECHO_RQ and not _uid(command, "AffectedSOPClassUID"):
        command.AffectedSOPClassUID = _VERIFICATION
    for keyword in _UIDS:
        needed = kind == _C_STORE_RQ and keyword.startswith("Affected")
        if (needed or keyword in command) and not _uid(command, keyword):
            setattr(command, keyword, NO_UID)
    if kind == _C_STORE_RQ and command.AffectedSOPClassUID == NO_UID:
        # pynetdicom has no service, and so no status, for an unknown class
        command.AffectedSOPClassUID, command.AffectedSOPInstanceUID = _ANY_STORAGE, NO_UID


def _mend_response(command: Dataset) -> None:
    """Remove optional elements for which pynetdicom would abort."""
    if _number(command, "MessageIDBeingRespondedTo") is None:
        raise CommandError("expected a Message ID Being Responded To (0000,0120), found none")
    for keyword in _UIDS:
        if keyword in command and not _uid(command, keyword):
            del command[keyword]
    for keyword in _STATUS_DETAILS:
        if keyword in command and _value(command, keyword) is None:
            del command[keyword]
    if "ErrorComment" in command:
        comment = " ".join(str(_value(command, "ErrorComment")).split())
        plain = "".join(sign if " " <= sign <= "~" and sign != "\\" else "?" for sign in comment)
        command.ErrorComment = plain[:_MOST_COMMENT]


def _uid(command: Dataset, keyword: str) -> str:
    """The UID, "" where it is absent or has an invalid length (PS3.5 9.1)."""
    value = _value(command, keyword)
    return value if isinstance(value, str) and 0 < len(value) <= 64 else ""


def _number(command: Dataset, keyword: str) -> int | None:
    """The first number of an element; other values are removed."""
    value = _value(command, keyword)
    if value is None or isinstance(value, int):
        return value
    first = next((one for one in value if isinstance(one, int)), None) if isinstance(value, list) else None
    if first is not None:
        setattr(command, keyword, first)
    return first


def _value(command: Dataset, keyword: str) -> object:
    """The value of an element: a list where it has several, None where it is unreadable."""
    try:
        value = command.get(keyword)
    except Exception:  # noqa: BLE001 - whatever its bytes are
        return None
    return value if value is None or isinstance(value, (int, str)) else list(value)
