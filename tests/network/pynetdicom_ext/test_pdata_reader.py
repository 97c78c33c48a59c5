"""What takes the straight way to the disk is what was sent, however it was cut."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from pynetdicom import build_context
from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from ra_node.network.pynetdicom_ext import event_wait, pdata_reader
from ra_node.network.pynetdicom_ext import spool as incoming
from ra_node.network.scp.server import Listener
from tests.network.conftest import DX
from tests.network.fakes import FakeInbox, data_set_bytes, wait_until, write_instance
from tests.network.wire import half_sent, raw_socket, spooled

Listen = Callable[..., Listener]
Associate = Callable[..., Association]
BOTH = [*DX, build_context(Verification)]


def command_of(association: Association, path: Path) -> bytes:
    """The PDU of a C-STORE request's command."""
    return half_sent(association, path)[0]


def context_of(association: Association) -> int:
    context_id = association.accepted_contexts[0].context_id
    assert context_id is not None
    return context_id


def values_of(data: bytes, context: int, draw: random.Random) -> list[bytes]:
    """Presentation data values of any lengths, empty ones too; the last says that it is the last."""
    places = sorted(draw.randrange(len(data) + 1) for _ in range(draw.randrange(1, 30)))
    cuts = list(zip([0, *places], [*places, len(data)], strict=True))
    parts = [bytes([2 * (number == len(cuts) - 1)]) + data[a:b] for number, (a, b) in enumerate(cuts)]
    return [struct.pack(">LB", len(part) + 1, context) + part for part in parts]


def pdus_of(values: list[bytes], draw: random.Random) -> bytes:
    """One or more values a PDU."""
    pdus = b""
    while values:
        count = draw.choice((1, 1, 1, 2, 3))
        content, values = b"".join(values[:count]), values[count:]
        pdus += struct.pack(">BBL", 4, 0, len(content)) + content
    return pdus


@pytest.mark.parametrize("seed", range(12))
def test_however_a_data_set_is_cut_it_is_stored_as_it_was(
    listen: Listen, associate: Associate, inbox: FakeInbox, tmp_path: Path, monkeypatch, seed: int
):
    """Fragments of any length, several in a PDU, chunks of any length, a wire in any pieces."""
    draw = random.Random(seed)
    monkeypatch.setattr(incoming, "CHUNK_BYTES", draw.choice((13, 997, 65_536, 2**20)))
    monkeypatch.setattr(incoming, "MOST_PARTS", draw.choice((2, 1000)))
    path = write_instance(tmp_path, pixels_bytes=30_000)
    association = associate(listen().port)
    data = data_set_bytes(path)
    pdus = pdus_of(values_of(data, context_of(association), draw), draw)
    wire = raw_socket(association)
    wire.sendall(command_of(association, path))
    while pdus:
        length = draw.randrange(1, 9000)
        wire.sendall(pdus[:length])
        pdus = pdus[length:]
    assert inbox.wait_for(lambda: len(inbox.kept) == 1)
    assert inbox.raw["1.2.3.4"] == data


def test_data_sets_follow_each_other_through_one_buffer(
    listen: Listen, associate: Associate, inbox: FakeInbox, tmp_path: Path, monkeypatch
):
    """Longer ones than it and shorter ones, each written by the megabyte however many PDUs it came in."""
    writes: list[int] = []
    write = os.writev
    monkeypatch.setattr(os, "writev", lambda handle, parts: writes.append(len(parts)) or write(handle, parts))
    association = associate(listen(max_pdu=16_384).port)
    for number, length in enumerate((10_000, 3_000_000, 40, 1_500_000)):
        path = write_instance(tmp_path, f"1.2.{number}", pixels_bytes=length)
        writes.clear()
        assert association.send_c_store(path).Status == 0
        assert inbox.raw[f"1.2.{number}"] == data_set_bytes(path)
        assert len(writes) <= 2 + length // 2**20


def test_the_file_names_what_it_holds(listen: Listen, associate: Associate, inbox: FakeInbox, tmp_path: Path):
    """PS3.10 table 7.1-1, read by a library that is not its writer."""
    sent = write_instance(tmp_path)
    assert associate(listen().port).send_c_store(sent).Status == 0
    meta = dcmread(inbox.folder / "1.2.3.4.dcm").file_meta
    assert meta.FileMetaInformationVersion == b"\0\1"
    assert meta.MediaStorageSOPClassUID == DX[0].abstract_syntax
    assert (meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID) == ("1.2.3.4", "1.2.840.10008.1.2.1")
    length = meta.FileMetaInformationGroupLength
    assert (inbox.folder / "1.2.3.4.dcm").read_bytes()[144 + length :] == data_set_bytes(sent)


def test_the_library_decodes_no_data_set(
    listen: Listen, associate: Associate, inbox: FakeInbox, tmp_path: Path, monkeypatch
):
    """Association, command and release are its own; a data set would cost it eight objects a fragment."""
    port = listen().port
    decoded: list[int] = []
    decode = DULServiceProvider._decode_pdu

    def counted(dul: DULServiceProvider, pdu: bytearray) -> object:
        if dul.assoc.is_acceptor:
            decoded.append(len(pdu))
        return decode(dul, pdu)

    monkeypatch.setattr(DULServiceProvider, "_decode_pdu", counted)
    association = associate(port)
    association.send_c_store(write_instance(tmp_path, pixels_bytes=3_000_000))
    association.release()
    inbox.wait_until_closed()
    assert len(decoded) == 3
    assert sum(decoded) < 20_000


@pytest.mark.parametrize("end", ["abort", "close", "nonsense"])
def test_a_data_set_that_is_broken_off_leaves_nothing(
    listen: Listen, associate: Associate, inbox: FakeInbox, incoming: Path, tmp_path: Path, end: str
):
    association = associate(listen(network_timeout_s=60.0).port)
    wire = raw_socket(association)
    wire.sendall(b"".join(half_sent(association, write_instance(tmp_path))))
    assert wait_until(lambda: len(spooled(incoming)) == 1)
    if end == "abort":
        wire.sendall(struct.pack(">BBLBBBB", 7, 0, 4, 0, 0, 0, 0))
    elif end == "nonsense":
        wire.sendall(struct.pack(">BBLLBB", 4, 0, 4000, 7, 1, 0) + bytes(4000))
    else:
        association.abort()
    inbox.wait_until_closed()
    assert wait_until(lambda: spooled(incoming) == [])
    assert inbox.kept == []


def test_requests_sent_at_once_are_answered_in_order(
    listen: Listen, associate: Associate, inbox: FakeInbox, tmp_path: Path
):
    """What is read beyond the end of one data set belongs to the next request."""
    association = associate(listen().port)
    path = write_instance(tmp_path, pixels_bytes=5_000)
    context, data = context_of(association), data_set_bytes(path)
    whole = struct.pack(">BBLLBB", 4, 0, len(data) + 6, len(data) + 2, context, 2) + data
    raw_socket(association).sendall((command_of(association, path) + whole) * 3)
    assert inbox.wait_for(lambda: len(inbox.kept) == 3)
    assert set(inbox.raw.values()) == {data}


def test_an_idle_association_sleeps(listen: Listen, associate: Associate, monkeypatch):
    """The library would look a thousand times a second, in each of two threads."""
    looks: list[str] = []
    heard, readable = event_wait._Bell.heard, pdata_reader.Stream.readable

    def count(name: str, act: Callable[..., bool]) -> Callable[..., bool]:
        def counted(*asked: object) -> bool:
            looks.append(name)
            return act(*asked)

        return counted

    monkeypatch.setattr(event_wait._Bell, "heard", count("thread", heard))
    monkeypatch.setattr(pdata_reader.Stream, "readable", count("socket", readable))
    association = associate(listen().port, BOTH)
    assert association.send_c_echo().Status == 0
    looks.clear()
    assert wait_until(lambda: looks.count("thread") >= 10)
    assert looks.count("socket") <= 40
    assert association.send_c_echo().Status == 0
