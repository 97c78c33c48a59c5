"""What a peer writes oddly is answered, or refused with a status or PDU and a line that says why.

Neither ends the node, and where the standard allows it the association goes on: a C-ECHO follows.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from pydicom.uid import DigitalXRayImageStorageForPresentation
from structlog.testing import capture_logs

from ra_node.network.scp.server import Listener
from tests.network.fakes import FakeInbox
from tests.torture import raw_dicom
from tests.torture.raw_dicom import (
    ABORT,
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    P_DATA,
    RawConnection,
    association_request,
    echo_request,
    p_data,
    small_image,
)

Listen = Callable[..., Listener]
DX = DigitalXRayImageStorageForPresentation
SECRET = "1.2." + "3" * 66
DATA = small_image("1.2.3.4", "1.2.3")
IMPLICIT = b"1.2.840.10008.1.2"


def request() -> bytes:
    return association_request("MODALITY", "RANODE")


def at(offset: int, value: bytes) -> bytes:
    """The request with other bytes at a fixed place (PS3.8 table 9-11)."""
    whole = bytearray(request())
    whole[offset : offset + len(value)] = value
    return bytes(whole)


def items(change: Callable[[list[tuple[int, bytes]]], list[tuple[int, bytes]]]) -> bytes:
    """The request with changed items."""
    body = b"".join(item(*one) for one in change(split(request()[74:])))
    return struct.pack(">BBL", 1, 0, 68 + len(body)) + request()[6:74] + body


def split(raw: bytes) -> list[tuple[int, bytes]]:
    found = []
    while raw:
        kind, length = struct.unpack_from(">BxH", raw)
        found.append((kind, raw[4 : 4 + length]))
        raw = raw[4 + length :]
    return found


def item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(value)) + value


def user(*more: tuple[int, bytes], without: int = 0) -> bytes:
    """The request with more user items, and without those of one kind."""

    def change(found: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        kind, value = found[-1]
        kept = [one for one in split(value) if one[0] != without]
        return [*found[:-1], (kind, b"".join(item(*one) for one in [*kept, *more]))]

    return items(change)


def contexts(change: Callable[[bytes], bytes]) -> bytes:
    """The request with its first context, of Verification, changed, and a good one of it behind."""

    def changed(found: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        first = next(value for kind, value in found if kind == 0x20)
        return [
            *((kind, change(value) if value == first else value) for kind, value in found[:-1]),
            (0x20, b"\x09" + first[1:]),
            found[-1],
        ]

    return items(changed)


ACCEPTED = {
    "an unknown user item": user((0x7F, b"abcd")),
    "an unknown item": items(lambda found: [*found, (0x77, b"abcd")]),
    "an unknown item in a context": contexts(lambda value: value + item(0x44, b"ab")),
    "calling title padded by NUL": at(26, b"MODALITY".ljust(16, b"\0")),
    "called title padded by NUL": at(10, b"RANODE".ljust(16, b"\0")),
    "calling title of blanks": at(26, b" " * 16),
    "calling title of Latin-1": at(26, b"R\xf6ntgen".ljust(16)),
    "calling title with a backslash": at(26, b"A\\B".ljust(16)),
    "protocol version 3": at(6, b"\0\x03"),
    "every protocol version": at(6, b"\xff\xff"),
    "an application context name too long": items(lambda found: [(0x10, SECRET.encode()), *found[1:]]),
    "no application context name": items(lambda found: found[1:]),
    "no user information": items(lambda found: found[:-1]),
    "no maximum length": user(without=0x51),
    "a maximum length of two bytes": user((0x51, b"\x40\0"), without=0x51),
    "any maximum length": user((0x51, bytes(4)), without=0x51),
    "no implementation class UID": user(without=0x52),
    "an implementation class UID too long": user((0x52, SECRET.encode()), without=0x52),
    "a version name too long": user((0x55, b"V" * 40)),
    "a version name of Latin-1": user((0x55, b"V\xff")),
    "a role that is none": user((0x54, struct.pack(">H", len(DX)) + DX.encode() + b"\x05\x09")),
    "a role cut off": user((0x54, b"\0\x30ab")),
    "a window of operations cut off": user((0x53, b"\0")),
    "a user identity of an unknown kind": user((0x58, b"\x09\x01\0\x04anna\0\0")),
    "a user identity cut off": user((0x58, b"\x01")),
    "a context of an even number": contexts(lambda value: b"\x02" + value[1:]),
    "a context of number 0": contexts(lambda value: b"\0" + value[1:]),
    "a context of a number used twice": contexts(lambda value: b"\x09" + value[1:]),
    "a context without transfer syntax": contexts(lambda value: value[:25]),
    "a context without abstract syntax": contexts(lambda value: value[:4] + item(0x40, IMPLICIT)),
    "a context of a UID too long": contexts(
        lambda value: value[:4] + item(0x30, SECRET.encode()) + item(0x40, IMPLICIT)
    ),
}


@pytest.mark.parametrize("said", ACCEPTED.values(), ids=ACCEPTED)
def test_an_unusual_request_is_accepted_without_what_cannot_be_read(listen: Listen, said: bytes):
    """Unknown items are ignored, only bit 0 of the version counts (PS3.7 D.3.3, PS3.8 9.3.2)."""
    with RawConnection(listen().port, timeout_s=60) as line:
        assert line.request(said) == ASSOCIATE_AC
        number = max(value[0] for kind, value in split(said[74:]) if kind == 0x20 and b"10008.1.1" in value)
        assert line.request(p_data(number, _echo_command(), command=True)) == P_DATA


def _echo_command() -> bytes:
    return echo_request()[12:]


REFUSED = {
    "protocol version 2": (at(6, b"\0\x02"), ASSOCIATE_RJ, "protocol version not supported"),
    "no context": (
        items(lambda found: [one for one in found if one[0] != 0x20]),
        ASSOCIATE_RJ,
        "no presentation context",
    ),
    "a maximum length of 1": (
        user((0x51, struct.pack(">L", 1)), without=0x51),
        ASSOCIATE_RJ,
        "PDUs too short for any response",
    ),
    "an item beyond the end": (
        struct.pack(">BBL", 1, 0, 72) + request()[6:74] + b"\x50\0\xff\xff",
        ABORT,
        "expected 65535 bytes in item 50H, found 0",
    ),
    "a request of ten bytes": (
        struct.pack(">BBL", 1, 0, 10) + bytes(10),
        ABORT,
        "expected at least 74 bytes",
    ),
    "a million items": (
        struct.pack(">BBL", 1, 0, 68 + 4 * 10**6) + request()[6:74] + b"\x77\0\0\0" * 10**6,
        ABORT,
        "expected at most 1000 items",
    ),
    "a PDU of an unknown type": (struct.pack(">BBL", 9, 0, 4) + b"abcd", ABORT, "cannot be read"),
    "data before a request": (echo_request(), ABORT, "unexpected P-DATA-TF"),
}


@pytest.mark.parametrize(("said", "answer", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_accepted_is_refused_and_logged(listen: Listen, said: bytes, answer: int, reason: str):
    with RawConnection(listen().port, timeout_s=60) as line, capture_logs() as logs:
        assert line.request(said) == answer
    assert any(reason in str(entry.get("reason")) for entry in logs), logs


def command(*, drop: int = 0, **other: bytes) -> bytes:
    """A C-STORE-RQ (PS3.7 9.3.1.1) with some elements changed, whole in one PDU."""
    elements = {
        0x0002: DX.encode(),
        0x0100: struct.pack("<H", 1),
        0x0110: struct.pack("<H", 7),
        0x0700: struct.pack("<H", 2),
        0x0800: struct.pack("<H", 1),
        0x1000: b"1.2.3.4",
        **{int(name[1:], 16): value for name, value in other.items()},
    }
    elements.pop(drop, None)
    body = b"".join(raw_dicom._element(n, v + b"\0" * (len(v) % 2)) for n, v in sorted(elements.items()))
    return p_data(3, raw_dicom._element(0, struct.pack("<L", len(body))) + body, command=True)


WHOLE = p_data(3, DATA, command=False)
STORED = {
    "no priority": [command(drop=0x0700), WHOLE],
    "a priority that is none": [command(x0700=struct.pack("<H", 9)), WHOLE],
    "no word on a data set": [command(drop=0x0800), WHOLE],
    "two message IDs": [command(x0110=struct.pack("<HH", 7, 8)), WHOLE],
    "empty fragments": [command(), p_data(3, b"", command=False, last=False), WHOLE],
}
NOT_STORED = {
    "an instance UID of 70 characters": [command(x1000=SECRET.encode()), WHOLE],
    "a class UID of 70 characters": [command(x0002=SECRET.encode()), WHOLE],
    "an empty instance UID": [command(x1000=b""), WHOLE],
    "no instance UID": [command(drop=0x1000), WHOLE],
    "no class UID": [command(drop=0x0002), WHOLE],
    "two instance UIDs": [command(x1000=b"1.2.3\\4.5"), WHOLE],
    "no data set announced": [command(x0800=struct.pack("<H", 0x0101))],
    "data on another context": [command(), p_data(1, DATA, command=False)],
}


def status_of(line: RawConnection, pdus: list[bytes]) -> int:
    assert line.request(request()) == ASSOCIATE_AC
    status = raw_dicom.store_status(line, pdus)
    assert line.request(echo_request()) == P_DATA, "the association goes on"
    assert status is not None
    return status


@pytest.mark.parametrize("pdus", STORED.values(), ids=STORED)
def test_a_command_that_can_be_understood_is_obeyed(listen: Listen, inbox: FakeInbox, pdus: list[bytes]):
    with RawConnection(listen().port, timeout_s=60) as line:
        assert status_of(line, pdus) == 0x0000
    assert inbox.raw == {"1.2.3.4": DATA}


@pytest.mark.parametrize("pdus", NOT_STORED.values(), ids=NOT_STORED)
def test_a_command_that_cannot_is_refused_and_the_association_goes_on(
    listen: Listen, inbox: FakeInbox, pdus: list[bytes]
):
    with RawConnection(listen().port, timeout_s=60) as line, capture_logs() as logs:
        assert status_of(line, pdus) == 0xC000
    assert not inbox.raw
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == ["instance_refused"]
    assert SECRET not in str(logs)


def test_nothing_is_stored_on_a_context_of_another_service(listen: Listen, inbox: FakeInbox):
    """Whoever may not store still gets Verification, which would be a way around."""
    moved = [pdu[:10] + b"\x01" + pdu[11:] for pdu in (command(), WHOLE)]
    with RawConnection(listen().port, timeout_s=60) as line:
        assert status_of(line, moved) == 0xC000
    assert not inbox.raw


ENDED = {
    "no message ID": (command(drop=0x0110), "expected a Message ID (0000,0110), found none"),
    "no command field": (command(drop=0x0100), "found none"),
    "an unknown command": (command(x0100=struct.pack("<H", 0x7777)), "found 7777H"),
    "another service": (
        command(x0100=struct.pack("<H", 0x20), x0002=b"1.2.840.10008.5.1.4.1.2.2.1") + WHOLE,
        "no service for C-FIND",
    ),
}


@pytest.mark.parametrize(("said", "reason"), ENDED.values(), ids=ENDED)
def test_what_has_no_answer_ends_the_association_with_its_reason(listen: Listen, said: bytes, reason: str):
    with RawConnection(listen().port, timeout_s=60) as line, capture_logs() as logs:
        assert line.request(request()) == ASSOCIATE_AC
        assert line.request(said) == ABORT
    (told,) = [entry for entry in logs if entry["event"] == "association_aborted"]
    assert reason in told["reason"]


def test_a_response_that_nobody_waits_for_is_told_and_ignored(listen: Listen):
    response = command(
        x0100=struct.pack("<H", 0x8001), x0120=struct.pack("<H", 1), x0800=struct.pack("<H", 0x101)
    )
    with RawConnection(listen().port, timeout_s=60) as line, capture_logs() as logs:
        assert line.request(request()) == ASSOCIATE_AC
        assert line.request(response, echo_request()) == P_DATA
    assert "message_ignored" in [entry["event"] for entry in logs]
