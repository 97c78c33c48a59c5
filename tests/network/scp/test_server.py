"""The listener over real associations."""

from __future__ import annotations

import errno
import logging
import resource
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from pydicom import dcmread
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    JPEGExtended12Bit,
)
from pynetdicom import build_context
from pynetdicom.association import Association

from ra_node.errors import Fatal, Refused, Retryable
from ra_node.network.presentation_contexts import COMPRESSED, UNCOMPRESSED
from ra_node.network.scp.server import AllowedPeer, Listener
from tests.network.conftest import DX
from tests.network.fakes import PATIENT, FakeInbox, data_set_bytes, wait_until, write_instance
from tests.network.wire import half_sent, raw_socket, spooled

Listen = Callable[..., Listener]
Associate = Callable[..., Association]
VERIFICATION = [build_context("1.2.840.10008.1.1")]


def test_the_stored_bytes_are_the_sent_bytes(
    *, listen: Listen, inbox: FakeInbox, incoming: Path, associate: Associate, tmp_path: Path
):
    """In every transfer syntax the data set is neither decoded nor changed."""
    port = listen().port
    for number, syntax in enumerate([*UNCOMPRESSED, *COMPRESSED]):
        uid = f"1.2.3.{number}"
        path = write_instance(tmp_path, uid, syntax=syntax)
        association = associate(port, [build_context(DigitalXRayImageStorageForPresentation, syntax)])
        status = association.send_c_store(path)
        association.release()
        assert status.Status == 0x0000
        assert inbox.raw[uid] == data_set_bytes(path)
        kept = inbox.kept[-1]
        assert kept.transfer_syntax_uid == syntax
        assert kept.sop_class_uid == DigitalXRayImageStorageForPresentation
        assert kept.calling_ae == "MODALITY"
        assert kept.association_id == inbox.opened_ids[-1]
        assert dcmread(inbox.folder / f"{uid}.dcm").file_meta.TransferSyntaxUID == syntax
    inbox.wait_until_closed(number + 1)
    assert spooled(incoming) == []


def test_jpeg_extended_is_refused_at_negotiation(listen: Listen, associate: Associate):
    """The sender learns it before it sends, while it can still decompress."""
    extended = build_context(DigitalXRayImageStorageForPresentation, JPEGExtended12Bit)
    association = associate(listen().port, [extended, *VERIFICATION])
    assert [cx.abstract_syntax for cx in association.accepted_contexts] == ["1.2.840.10008.1.1"]


def test_a_repeated_instance_is_a_success_too(
    listen: Listen, inbox: FakeInbox, associate: Associate, tmp_path: Path
):
    """A sender that lost our answer sends again; the inbox sees it and decides."""
    path = write_instance(tmp_path)
    association = associate(listen().port)
    assert [association.send_c_store(path).Status for _ in range(2)] == [0, 0]
    assert len(inbox.kept) == 2


def test_echo_is_answered(listen: Listen, associate: Associate):
    assert associate(listen().port, VERIFICATION).send_c_echo().Status == 0x0000


@pytest.mark.parametrize(
    ("failure", "status", "comment"),
    [
        (Refused("expected an image, found none"), 0xC000, "expected an image, found none"),
        (Retryable("the ledger is locked"), 0xA700, "the ledger is locked"),
        (OSError(errno.ENOSPC, "disk full"), 0xA700, "no space to store the instance"),
        (OSError(errno.EIO, "broken disk"), 0x0110, None),
        (ValueError(PATIENT), 0x0110, None),
    ],
    ids=["refused", "retryable", "full", "broken", "unexpected"],
)
def test_what_the_inbox_cannot_keep_is_not_acknowledged(
    *,
    listen: Listen,
    inbox: FakeInbox,
    incoming: Path,
    associate: Associate,
    tmp_path: Path,
    failure: Exception,
    status: int,
    comment: str | None,
):
    """The peer hears why, its file is removed here, and the same association goes on."""
    inbox.failures.append(failure)
    path = write_instance(tmp_path)
    association = associate(listen().port)
    answer = association.send_c_store(path)
    assert answer.Status == status
    assert answer.get("ErrorComment") == comment
    assert spooled(incoming) == []
    assert association.send_c_store(path).Status == 0x0000


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_an_odd_uid_is_refused_before_a_file_is_named_after_it(
    listen: Listen, inbox: FakeInbox, incoming: Path, associate: Associate, tmp_path: Path
):
    association = associate(listen().port)
    dataset = dcmread(write_instance(tmp_path))
    dataset.SOPInstanceUID = "../../1.2"
    assert association.send_c_store(dataset).Status == 0xC000
    assert inbox.kept == []
    assert spooled(incoming) == []


def rejection(association: Association) -> tuple[int, int, int]:
    assert association.is_rejected
    answer = association.acceptor.primitive
    assert answer is not None
    return answer.result, answer.result_source, answer.diagnostic  # type: ignore[return-value]


def test_an_unknown_title_is_rejected_for_good(listen: Listen, inbox: FakeInbox, associate: Associate):
    """PS3.8 table 9-21: permanent, service user, calling AE title not recognised."""
    port = listen(accept_unknown=False, peers=(AllowedPeer("PACS", "127.0.0.1"),)).port
    assert rejection(associate(port, calling="STRANGER")) == (1, 1, 3)
    assert inbox.opened_ids == []
    assert associate(port, calling="PACS").is_established


def test_a_known_title_from_elsewhere_is_rejected(listen: Listen, associate: Associate):
    """AE titles are no secret; the address belongs to the peer."""
    port = listen(accept_unknown=False, peers=(AllowedPeer("PACS", "203.0.113.9"),)).port
    assert rejection(associate(port, calling="PACS")) == (1, 1, 3)


def test_another_called_title_is_rejected_where_ours_is_required(listen: Listen, associate: Associate):
    port = listen(require_called=True).port
    assert rejection(associate(port, called="OTHER")) == (1, 1, 7)
    assert associate(port, called="RANODE").is_established


def test_one_association_too_many_is_told_to_come_back(
    listen: Listen, inbox: FakeInbox, associate: Associate
):
    """Transient, local limit exceeded; a place is free again when an association ends."""
    port = listen(max_associations=1).port
    first = associate(port)
    assert rejection(associate(port)) == (2, 3, 2)
    first.release()
    inbox.wait_until_closed()
    assert wait_until(lambda: associate(port).is_established)


def test_a_burst_of_connections_is_kept_waiting(listen: Listen):
    """The kernel drops what is above the backlog, and a dropped caller waits a second at least.

    300 probes at once took 47 s with the library's backlog of 5, 2 s with 128.
    """
    server = listen()._server
    assert server is not None
    information = server.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    backlog = struct.unpack_from("I", information, 28)[0]  # tcpi_sacked, of a listening socket its limit
    assert backlog >= 128


def test_a_bare_connection_takes_no_place(listen: Listen, associate: Associate):
    """A port scan or a health check does not turn a modality away."""
    port = listen(max_associations=1).port
    with socket.create_connection(("127.0.0.1", port)):
        assert associate(port).is_established


def test_a_disk_that_is_nearly_full_is_said_and_nothing_is_written(
    *, listen: Listen, inbox: FakeInbox, incoming: Path, associate: Associate, tmp_path: Path
):
    """0xA700 for each image while there is no room, Success again in the same association when there is."""
    room = [True, False, False, True]
    association = associate(listen(has_room=lambda: room.pop(0)).port)
    answers = []
    for number in range(4):
        path = write_instance(tmp_path, f"1.2.{number}")
        answers.append(association.send_c_store(path))
        assert spooled(incoming) == []
    assert [answer.Status for answer in answers] == [0x0000, 0xA700, 0xA700, 0x0000]
    assert answers[1].ErrorComment == "the data set was not written: the disk is nearly full"
    assert sorted(inbox.raw) == ["1.2.0", "1.2.3"]


def test_a_node_without_room_still_answers_echo(listen: Listen, associate: Associate):
    """A PACS that sees us alive keeps its queue, and commitment reports still come in."""
    association = associate(listen(has_room=lambda: False).port, VERIFICATION)
    assert association.send_c_echo().Status == 0x0000


def test_a_peer_that_may_only_report_is_offered_no_storage(listen: Listen, associate: Associate):
    """A destination may bring its commitment report, and nothing else that it was not asked for."""
    port = listen(accept_unknown=False, peers=(AllowedPeer("PACS", may_store=False),)).port
    association = associate(port, [*DX, *VERIFICATION], calling="PACS")
    assert [cx.abstract_syntax for cx in association.accepted_contexts] == ["1.2.840.10008.1.1"]


def test_who_asks_for_storage_alone_and_is_no_source_is_told_so(listen: Listen, associate: Associate):
    peers = (AllowedPeer("PACS", may_store=False),)
    with structlog.testing.capture_logs() as logs:
        association = associate(listen(accept_unknown=False, peers=peers).port, DX, calling="PACS")
    assert association.is_rejected
    reasons = [entry["reason"] for entry in logs if entry["event"] == "association_rejected"]
    assert reasons == ["PACS may not send images: add the role source"]


def test_what_one_peer_may_not_send_the_next_one_may(listen: Listen, associate: Associate):
    """All associations negotiate over one list of contexts."""
    peers = (AllowedPeer("PACS", may_store=False), AllowedPeer("CR"))
    port = listen(accept_unknown=False, peers=peers).port
    asked = [*DX, *VERIFICATION]
    accepted = [
        len(associate(port, asked, calling=title).accepted_contexts) for title in ("CR", "PACS", "CR")
    ]
    assert accepted == [2, 1, 2]


def test_a_peer_that_is_source_and_destination_may_store(listen: Listen, associate: Associate):
    peers = (AllowedPeer("PACS", may_store=False), AllowedPeer("PACS"))
    association = associate(
        listen(accept_unknown=False, peers=peers).port, [*DX, *VERIFICATION], calling="PACS"
    )
    assert len(association.accepted_contexts) == 2


def test_nobody_may_send_while_the_inbox_cannot_note_it(
    listen: Listen, inbox: FakeInbox, associate: Associate
):
    """A study whose association is unknown would settle while its images still come."""
    inbox.open_failure = Retryable("the ledger is locked")
    port = listen(max_associations=1).port
    assert rejection(associate(port)) == (2, 3, 1)
    inbox.open_failure = None
    assert associate(port).is_established
    assert inbox.closed_ids == []


@pytest.mark.parametrize("ending", ["abort", "connection loss"])
def test_a_transfer_that_ends_in_the_middle_leaves_nothing(
    *, listen: Listen, inbox: FakeInbox, incoming: Path, associate: Associate, tmp_path: Path, ending: str
):
    """Whatever ends the association, the half of a file is removed and its end is noted once."""
    association = associate(listen().port)
    connection = raw_socket(association)
    for pdu in half_sent(association, write_instance(tmp_path)):
        connection.sendall(pdu)
    assert wait_until(lambda: bool(spooled(incoming)))
    if ending == "abort":
        association.abort()
    else:
        connection.shutdown(socket.SHUT_RDWR)
    inbox.wait_until_closed()
    assert spooled(incoming) == []
    assert inbox.kept == []


def test_a_disk_that_fills_in_the_middle_is_no_success(
    *, listen: Listen, inbox: FakeInbox, incoming: Path, associate: Associate, tmp_path: Path
):
    """The instance is answered out of resources and removed at once; the association goes on."""
    path = write_instance(tmp_path)
    association = associate(listen().port)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        answer = association.send_c_store(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert answer.Status == 0xA700
    assert answer.ErrorComment == "the data set was not written: File too large"
    assert inbox.kept == []
    assert spooled(incoming) == []
    assert association.send_c_store(path).Status == 0x0000


def test_a_stuck_peer_neither_starves_the_others_nor_stays(
    listen: Listen, inbox: FakeInbox, incoming: Path, associate: Associate, tmp_path: Path
):
    """A peer that stops in the middle of a PDU is dropped after the network timeout."""
    path = write_instance(tmp_path)
    port = listen(network_timeout_s=5.0).port
    stuck = associate(port)
    start = half_sent(stuck, path)
    raw_socket(stuck).sendall(b"".join(start[:3])[:-1000])
    # On a busy machine it may be dropped before it is seen here.
    assert wait_until(lambda: bool(spooled(incoming) or inbox.closed_ids))
    assert associate(port).send_c_store(path).Status == 0x0000
    inbox.wait_until_closed(2)
    assert spooled(incoming) == []


def test_a_peer_that_trickles_is_dropped(
    *, listen: Listen, inbox: FakeInbox, incoming: Path, associate: Associate, tmp_path: Path
):
    """A byte now and then keeps a read alive, but no whole PDU comes within the network timeout."""
    trickling = associate(listen(network_timeout_s=5.0).port)
    connection = raw_socket(trickling)
    start = b"".join(half_sent(trickling, write_instance(tmp_path))[:3])
    connection.sendall(start[:-8000])

    def dropped() -> bool:
        try:
            connection.send(start[-1:])
        except OSError:
            return True
        return bool(inbox.closed_ids)

    assert wait_until(dropped, 50.0)  # sooner than the client gives up by itself
    inbox.wait_until_closed()
    assert spooled(incoming) == []


def test_a_taken_port_is_fatal_and_frees_the_folder(listen: Listen, inbox: FakeInbox, tmp_path: Path):
    """The operator must mend it, and the next try must not trip over this one."""
    port = listen().port
    other = tmp_path / "other"
    for _ in range(2):
        with pytest.raises(Fatal, match=str(port)):
            listen(port=port, incoming=other)
    assert listen(incoming=other).port != port


def test_logs_tell_the_story_without_the_patient(
    listen: Listen, inbox: FakeInbox, associate: Associate, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """Events are past tense and name peer and association; the library prints no data set either."""
    logging.getLogger("pynetdicom").setLevel(logging.DEBUG)
    inbox.failures += [ValueError(PATIENT), Refused("expected pixels, found none")]
    path = write_instance(tmp_path)
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as logs:
        association = associate(listen().port)
        for _ in range(3):
            association.send_c_store(path)
        association.send_c_store(dcmread(path))
        association.release()
        inbox.wait_until_closed()
        assert wait_until(lambda: logs[-1]["event"] == "association_closed")
    events = [entry["event"] for entry in logs]
    assert events == [
        "listener_started",
        "association_opened",
        "c_store_failed",
        "instance_refused",
        "instance_stored",
        "duplicate_received",
        "association_closed",
    ]
    assert all(entry["association_id"] == inbox.opened_ids[0] for entry in logs[1:])
    assert all(entry["peer"] == "MODALITY" for entry in logs[1:])
    assert PATIENT not in str(logs)
    assert PATIENT not in caplog.text


def test_an_object_longer_than_the_limit_is_refused_while_it_comes(
    *, listen: Listen, inbox: FakeInbox, incoming: Path, associate: Associate, tmp_path: Path
):
    """Refused for good (0xC000), nothing of it stays, and the association goes on with the next."""
    association = associate(listen(most_object_bytes=400_000).port)
    status = association.send_c_store(write_instance(tmp_path, "1.2.1", pixels_bytes=1_000_000))
    assert status.Status == 0xC000
    assert "longer than 400000 bytes" in status.ErrorComment
    assert association.send_c_store(write_instance(tmp_path, "1.2.2", pixels_bytes=200_000)).Status == 0x0000
    assert [kept.sop_instance_uid for kept in inbox.kept] == ["1.2.2"]
    assert spooled(incoming) == []


def test_the_listening_process_loads_no_heavy_library():
    """It is ready in about a second and holds no model."""
    heavy = ["torch", "torchvision", "highdicom", "cv2", "scipy", "sqlalchemy"]
    code = f"import sys, ra_node.network.scp.server; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.strip() == "[]"
