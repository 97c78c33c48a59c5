"""Archives that answer oddly: results arrive, or the outcome says truly why not."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pynetdicom import AE, evt
from pynetdicom.events import Event

from ra_node.network.presentation_contexts import accepted_contexts
from ra_node.network.pynetdicom_ext.ae import prepare, serve, stop_serving
from ra_node.network.scu.c_store import Reach, send
from ra_node.network.status.c_store import Answer
from tests.network.conftest import peer_at
from tests.network.fakes import TENDED
from tests.network.scu.test_c_store import outgoing
from tests.torture import raw_dicom
from tests.torture.raw_dicom import ABORT_PDU, ASSOCIATE_AC, P_DATA

Change = Callable[[bytes], bytes]


@pytest.fixture
def archive() -> Iterator[Callable[[Change], int]]:
    """Start an archive whose PDUs are changed on their way out; give its port."""
    with ExitStack() as stack:

        def start(change: Change) -> int:
            def on_connected(event: Event) -> None:
                wrapped = event.assoc.dul.socket
                assert wrapped is not None
                plain = wrapped.send
                wrapped.send = lambda pdu: plain(change(bytes(pdu)))  # type: ignore[method-assign]

            prepare()
            handlers = [
                TENDED,
                (evt.EVT_CONN_OPEN, on_connected),
                (evt.EVT_C_STORE, lambda _event: 0x0000),
            ]
            server = serve(AE("ARCHIVE"), ("127.0.0.1", 0), accepted_contexts(), handlers)
            stack.callback(lambda: [one.abort() for one in server.active_associations])
            stack.callback(stop_serving, server)
            return int(server.server_address[1])

        yield start


def titles(raw: bytes) -> Change:
    return lambda pdu: pdu[:10] + raw + pdu[42:] if pdu[0] == ASSOCIATE_AC else pdu


def more_items(raw: bytes) -> Change:
    def change(pdu: bytes) -> bytes:
        if pdu[0] != ASSOCIATE_AC:
            return pdu
        return pdu[:2] + struct.pack(">L", len(pdu) - 6 + len(raw)) + pdu[6:] + raw

    return change


def response(*elements: tuple[int, bytes], then: bytes = b"") -> Change:
    """Answer each C-STORE with these elements beside those that it must have."""

    def change(pdu: bytes) -> bytes:
        if pdu[0] != P_DATA:
            return pdu
        fixed = {0x0100: struct.pack("<H", 0x8001), 0x0120: struct.pack("<H", 1), 0x0800: b"\1\1"}
        body = b"".join(
            raw_dicom._element(n, v + b" " * (len(v) % 2))
            for n, v in sorted({**fixed, **dict(elements)}.items())
        )
        whole = raw_dicom._element(0, struct.pack("<L", len(body))) + body
        return raw_dicom.p_data(pdu[10], whole, command=True) + then

    return change


SUCCESS = (0x0900, b"\0\0")
TAKEN = {
    "titles of NUL": titles(bytes(32)),
    "titles of other bytes": titles(b"\xff\x00\\" + b"x" * 29),
    "an unknown item": more_items(b"\x7f\0\0\2ab"),
    "a response without UIDs": response(SUCCESS),
    "a response with wrong UIDs": response(SUCCESS, (0x0002, b"1." * 50), (0x1000, b"")),
    "a response that ends in an abort": response(SUCCESS, then=ABORT_PDU),
    "a warning": response((0x0900, struct.pack("<H", 0xB007))),
}


@pytest.mark.parametrize("change", TAKEN.values(), ids=TAKEN)
def test_what_was_accepted_counts_however_the_archive_writes(archive, tmp_path: Path, change: Change):
    """The AE title fields of an A-ASSOCIATE-AC are not tested (PS3.8 9.3.3)."""
    report = send(peer_at(archive(change)), [outgoing(tmp_path)])
    assert report.reach is Reach.ACCEPTED
    assert [one.answer for one in report.outcomes] == [Answer.ACCEPTED]


COMMENTS = {
    "longer than 64 characters": b"No Patient ID in object; " * 6,
    "of Latin-1": "Datentr\u00e4ger: No Patient ID in object".encode("latin-1"),
    "of two values": b"No Patient ID in object\\refused",
}


@pytest.mark.parametrize("comment", COMMENTS.values(), ids=COMMENTS)
def test_a_refusal_is_told_with_status_whatever_its_comment(archive, tmp_path: Path, comment: bytes):
    status = (0x0900, struct.pack("<H", 0xA777))
    report = send(peer_at(archive(response(status, (0x0902, comment)))), [outgoing(tmp_path)])
    (outcome,) = report.outcomes
    assert (outcome.answer, outcome.status) == (Answer.OTHER_PATIENT, 0xA777)
    assert "out of resources" not in outcome.detail
    assert "0xA777" in outcome.detail


def test_a_response_without_status_is_no_answer(archive, tmp_path: Path):
    report = send(peer_at(archive(response())), [outgoing(tmp_path)])
    (outcome,) = report.outcomes
    assert (outcome.answer, outcome.status) == (Answer.RETRY, None)
