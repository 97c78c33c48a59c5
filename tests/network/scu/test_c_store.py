"""Sending over real associations, to an archive that behaves and to one that does not."""

from __future__ import annotations

import gc
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import structlog
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.uid import (
    JPEG2000,
    UID,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AE, build_context, evt
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import ThreadedAssociationServer

from ra_node.network.presentation_contexts import accepted_contexts
from ra_node.network.pynetdicom_ext.ae import prepare, serve, stop_serving
from ra_node.network.scp.loopback_archive import LoopbackArchive
from ra_node.network.scu.c_store import OutgoingObject, Reach, SendOutcome, SendReport, echo, send
from ra_node.network.status.c_store import Answer
from tests.network.conftest import peer_at
from tests.network.fakes import PATIENT, TENDED, data_set_bytes, wait_until, write_instance
from tests.ports import free_port

Archived = Callable[..., LoopbackArchive]


def outgoing(
    folder: Path,
    uid: str = "1.2.3.4",
    *,
    sop_class: UID = SecondaryCaptureImageStorage,
    syntax: UID = ExplicitVRLittleEndian,
    alternative: OutgoingObject | None = None,
) -> OutgoingObject:
    path = write_instance(folder, uid, sop_class=sop_class, syntax=syntax, pixels_bytes=20_000)
    return OutgoingObject(path, sop_class, uid, syntax, alternative)


def answers(report: SendReport) -> list[Answer]:
    return [outcome.answer for outcome in report.outcomes]


@pytest.fixture
def scripted() -> Iterator[Callable[..., int]]:
    """Start a bare peer with handlers and contexts of its own; give its port."""
    servers: list[ThreadedAssociationServer] = []

    def start(
        handlers: list[evt.EventHandlerType],
        contexts: list[PresentationContext] | None = None,
        **attributes: object,
    ) -> int:
        entity = AE("ARCHIVE")
        for name, value in attributes.items():
            setattr(entity, name, value)
        prepare()
        server = serve(entity, ("127.0.0.1", 0), contexts or accepted_contexts(), [TENDED, *handlers])
        servers.append(server)
        return int(server.server_address[1])

    yield start
    for server in servers:
        for association in server.active_associations:
            association.abort()
        stop_serving(server)


def test_objects_arrive_in_order_and_unchanged(archive: Archived, tmp_path: Path):
    """One association carries them all; nothing is decoded on the way."""
    objects = [
        outgoing(tmp_path, "1.2.1", sop_class=Comprehensive3DSRStorage),
        outgoing(tmp_path, "1.2.2"),
        outgoing(tmp_path, "1.2.3", sop_class=DigitalXRayImageStorageForPresentation, syntax=JPEG2000),
    ]
    peer = archive()
    report = send(peer_at(peer.port), objects)
    assert report.reach is Reach.ACCEPTED
    assert answers(report) == [Answer.ACCEPTED] * 3
    assert [outcome.sent_sop_instance_uid for outcome in report.outcomes] == ["1.2.1", "1.2.2", "1.2.3"]
    assert [kept.sop_instance_uid for kept in peer.objects] == ["1.2.1", "1.2.2", "1.2.3"]
    for sent, kept in zip(objects, peer.objects, strict=True):
        assert data_set_bytes(kept.path) == data_set_bytes(sent.path)
        assert kept.transfer_syntax_uid == sent.transfer_syntax
        assert kept.calling_ae == "RANODE"


@pytest.mark.parametrize(
    ("status", "answer"),
    [(0x0000, Answer.ACCEPTED), (0xB000, Answer.ACCEPTED), (0xA700, Answer.RETRY), (0xC000, Answer.REFUSED)],
)
def test_a_status_becomes_an_answer(archive: Archived, tmp_path: Path, status: int, answer: Answer):
    """And the next object is sent all the same."""
    report = send(
        peer_at(archive(statuses=(status,)).port), [outgoing(tmp_path, "1.2.1"), outgoing(tmp_path, "1.2.2")]
    )
    assert answers(report) == [answer, Answer.ACCEPTED]
    assert report.outcomes[0].status == status
    assert f"0x{status:04X}" in report.outcomes[0].detail


def test_a_report_falls_back_where_its_class_is_refused(archive: Archived, tmp_path: Path):
    """In the same association, and the outcome says what went out."""
    plain = outgoing(tmp_path, "1.2.2", sop_class=ComprehensiveSRStorage)
    report_3d = outgoing(tmp_path, "1.2.1", sop_class=Comprehensive3DSRStorage, alternative=plain)
    peer = archive(refused_classes=frozenset({Comprehensive3DSRStorage}))
    [outcome] = send(peer_at(peer.port), [report_3d]).outcomes
    assert outcome.answer is Answer.ACCEPTED
    assert (outcome.sop_instance_uid, outcome.sent_sop_instance_uid) == ("1.2.1", "1.2.2")
    assert [kept.sop_class_uid for kept in peer.objects] == [ComprehensiveSRStorage]


def test_a_report_falls_back_where_its_class_is_refused_late(archive: Archived, tmp_path: Path):
    """Some peers accept every context and say 0x0122 to the object."""
    plain = outgoing(tmp_path, "1.2.2", sop_class=ComprehensiveSRStorage)
    report_3d = outgoing(tmp_path, "1.2.1", sop_class=Comprehensive3DSRStorage, alternative=plain)
    [outcome] = send(peer_at(archive(statuses=(0x0122,)).port), [report_3d]).outcomes
    assert (outcome.answer, outcome.sent_sop_instance_uid) == (Answer.ACCEPTED, "1.2.2")


def test_the_first_choice_is_sent_where_both_are_taken(archive: Archived, tmp_path: Path):
    plain = outgoing(tmp_path, "1.2.2", sop_class=ComprehensiveSRStorage)
    report_3d = outgoing(tmp_path, "1.2.1", sop_class=Comprehensive3DSRStorage, alternative=plain)
    peer = archive()
    assert send(peer_at(peer.port), [report_3d]).outcomes[0].sent_sop_instance_uid == "1.2.1"
    assert len(peer.objects) == 1


def test_without_any_context_the_caller_is_told(archive: Archived, tmp_path: Path):
    """Not a retry: the same proposal would be refused again."""
    refusing = archive(refused_classes=frozenset({Comprehensive3DSRStorage}))
    both = [outgoing(tmp_path, "1.2.1", sop_class=Comprehensive3DSRStorage), outgoing(tmp_path, "1.2.2")]
    assert answers(send(peer_at(refusing.port), both)) == [Answer.NO_CONTEXT, Answer.ACCEPTED]
    alone = send(peer_at(refusing.port), both[:1])
    assert alone.reach is Reach.NO_CONTEXT
    assert answers(alone) == [Answer.NO_CONTEXT]


def test_a_peer_of_implicit_vr_gets_it_rewritten(scripted: Callable[..., int], tmp_path: Path):
    """Explicit and implicit VR are rewritten; the values stay."""
    received: list[object] = []

    def keep(event: evt.Event) -> int:
        dataset = dcmread(event.dataset_path)
        received.append((dataset.file_meta.TransferSyntaxUID, dataset.PixelData, dataset.PatientID))
        return 0

    port = scripted(
        [(evt.EVT_C_STORE, keep)], [build_context(SecondaryCaptureImageStorage, ImplicitVRLittleEndian)]
    )
    one = outgoing(tmp_path)
    assert answers(send(peer_at(port), [one])) == [Answer.ACCEPTED]
    assert received == [(ImplicitVRLittleEndian, dcmread(one.path).PixelData, PATIENT)]


@pytest.mark.parametrize("syntax", [JPEGLSLossless, ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_an_overlay_arrives_in_the_best_form_that_the_peer_takes(
    syntax: UID, scripted: Callable[..., int], tmp_path: Path
):
    """Packed where the peer accepts it, else unpacked: the same pixels under the same UID."""
    received: list[Dataset] = []

    def keep(event: evt.Event) -> int:
        received.append(dcmread(event.dataset_path))
        return 0

    offered = [JPEGLSLossless, ExplicitVRLittleEndian, ImplicitVRLittleEndian]
    taken = offered[offered.index(syntax) :]
    port = scripted([(evt.EVT_C_STORE, keep)], [build_context(SecondaryCaptureImageStorage, taken)])
    one, picture = packed(tmp_path)
    assert answers(send(peer_at(port), [one])) == [Answer.ACCEPTED]
    assert received[0].file_meta.TransferSyntaxUID == syntax
    assert received[0].SOPInstanceUID == one.sop_instance_uid
    assert np.array_equal(received[0].pixel_array, picture)


def packed(folder: Path) -> tuple[OutgoingObject, NDArray[np.uint8]]:
    """A colour picture (rows, columns, 3) as JPEG-LS, as overlays are kept."""
    picture = np.random.default_rng(3).integers(0, 256, (31, 17, 3), np.uint8)
    dataset = dcmread(outgoing(folder).path)
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, dataset.PlanarConfiguration = 31, 17, 3, 0
    dataset.PhotometricInterpretation = "RGB"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = picture.tobytes() + b"\0"
    dataset["PixelData"].VR = "OB"
    dataset.compress(JPEGLSLossless, generate_instance_uid=False)
    path = folder / "packed.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return replace(outgoing(folder), path=path, transfer_syntax=JPEGLSLossless), picture


def test_a_peer_that_is_down_loses_nothing(tmp_path: Path):
    report = send(peer_at(free_port()), [outgoing(tmp_path, "1.2.1"), outgoing(tmp_path, "1.2.2")])
    assert report.reach is Reach.UNREACHABLE
    assert answers(report) == [Answer.UNTRIED] * 2


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to count open files")
def test_no_try_leaves_a_socket_behind():
    """A peer that is down for a night is tried often; the library forgets to close such sockets."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    gc.disable()
    try:
        for _ in range(5):
            assert echo(peer_at(free_port())).reach is Reach.UNREACHABLE
        assert wait_until(lambda: len(list(Path("/proc/self/fd").iterdir())) <= before)
    finally:
        gc.enable()


def test_a_name_that_does_not_resolve_loses_nothing(tmp_path: Path):
    report = send(peer_at(104, host="no-such-host.invalid"), [outgoing(tmp_path)])
    assert (report.reach, answers(report)) == (Reach.UNREACHABLE, [Answer.UNTRIED])


def test_a_rejection_is_told_with_the_reason_of_the_peer(scripted: Callable[..., int], tmp_path: Path):
    """The operator reads what to mend."""
    port = scripted([], require_calling_aet=["OTHER"])
    report = send(peer_at(port), [outgoing(tmp_path)])
    assert (report.reach, answers(report)) == (Reach.REJECTED, [Answer.UNTRIED])
    assert "Rejected Permanent" in report.detail
    assert "Calling AE title not recognised" in report.detail


def test_a_congested_peer_is_told_from_one_that_does_not_know_us(
    scripted: Callable[..., int], tmp_path: Path
):
    """PS3.8 table 9-21: transient, by the presentation service; nothing need be mended."""

    def reject(event: evt.Event) -> None:
        event.assoc.acse.send_reject(2, 3, 1)
        event.assoc.kill()

    report = send(peer_at(scripted([(evt.EVT_REQUESTED, reject)])), [outgoing(tmp_path)])
    assert (report.reach, answers(report)) == (Reach.REJECTED, [Answer.UNTRIED])
    assert "Rejected Transient" in report.detail
    assert "Temporary congestion" in report.detail


def test_an_abort_in_the_place_of_an_answer_to_the_request_loses_nothing(
    scripted: Callable[..., int], tmp_path: Path
):
    port = scripted([(evt.EVT_REQUESTED, lambda event: event.assoc.abort())])
    report = send(peer_at(port), [outgoing(tmp_path)])
    assert (report.reach, answers(report)) == (Reach.BROKEN, [Answer.UNTRIED])


def test_a_peer_that_says_nothing_is_given_up(tmp_path: Path):
    """A port that is open and silent costs no more than the time-out."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        report = send(peer_at(silent.getsockname()[1], acse_timeout_s=0.3), [outgoing(tmp_path)])
    assert (report.reach, answers(report)) == (Reach.BROKEN, [Answer.UNTRIED])


def test_an_abort_leaves_the_unanswered_to_be_retried(scripted: Callable[..., int], tmp_path: Path):
    """What was answered before is not sent again."""
    seen: list[str] = []

    def keep(event: evt.Event) -> int:
        seen.append("store")
        if len(seen) == 2:
            event.assoc.abort()
        return 0

    objects = [outgoing(tmp_path, f"1.2.{number}") for number in range(4)]
    started_at = time.monotonic()
    report = send(peer_at(scripted([(evt.EVT_C_STORE, keep)]), dimse_timeout_s=600.0), objects)
    assert time.monotonic() - started_at < 300
    assert answers(report) == [Answer.ACCEPTED, Answer.RETRY, Answer.UNTRIED, Answer.UNTRIED]
    assert len(seen) == 2


def test_a_peer_that_never_answers_is_left_after_the_timeout(scripted: Callable[..., int], tmp_path: Path):
    done = threading.Event()

    def hang(event: evt.Event) -> int:
        done.wait(120)
        return 0

    objects = [outgoing(tmp_path, "1.2.1"), outgoing(tmp_path, "1.2.2")]
    report = send(peer_at(scripted([(evt.EVT_C_STORE, hang)]), dimse_timeout_s=0.3), objects)
    done.set()
    assert answers(report) == [Answer.RETRY, Answer.UNTRIED]
    assert report.outcomes[0].detail == "no response to C-STORE"


def test_each_outcome_is_told_as_it_comes_and_none_of_a_peer_out_of_reach(archive: Archived, tmp_path: Path):
    """What was accepted can be recorded before the next object goes out."""
    running = archive()
    heard: list[tuple[str, int]] = []
    objects = [outgoing(tmp_path, f"1.2.{number}") for number in range(3)]

    def tell(outcome: SendOutcome) -> None:
        heard.append((outcome.sop_instance_uid, len(running.objects)))

    send(peer_at(running.port), objects, tell)
    assert heard == [("1.2.0", 1), ("1.2.1", 2), ("1.2.2", 3)]
    send(peer_at(free_port()), objects, tell)
    assert len(heard) == 3


def test_a_stop_leaves_the_rest_untried(archive: Archived, tmp_path: Path):
    """A role that is told to stop finishes the object on its way and no more."""
    running = archive()
    objects = [outgoing(tmp_path, f"1.2.{number}") for number in range(3)]
    report = send(peer_at(running.port), objects, stopping=lambda: len(running.objects) >= 1)
    assert answers(report) == [Answer.ACCEPTED, Answer.UNTRIED, Answer.UNTRIED]


def test_a_file_that_is_gone_does_not_stop_the_others(archive: Archived, tmp_path: Path):
    gone, there = outgoing(tmp_path, "1.2.1"), outgoing(tmp_path, "1.2.2")
    gone.path.unlink()
    report = send(peer_at(archive().port), [gone, there])
    assert answers(report) == [Answer.RETRY, Answer.ACCEPTED]
    assert "FileNotFoundError" in report.outcomes[0].detail


def test_nothing_to_send_asks_nobody():
    assert send(peer_at(free_port()), []).outcomes == ()


def test_an_echo_tells_which_results_a_peer_takes(archive: Archived):
    peer = archive(refused_classes=frozenset({Comprehensive3DSRStorage}))
    report = echo(peer_at(peer.port))
    assert report.alive
    assert report.reach is Reach.ACCEPTED
    assert not report.takes(Comprehensive3DSRStorage)
    assert report.takes(ComprehensiveSRStorage)
    assert (SecondaryCaptureImageStorage, ExplicitVRLittleEndian) in report.accepted


def test_an_echo_says_how_far_it_came(scripted: Callable[..., int]):
    """Unreachable, rejected and deaf to Verification are three different repairs."""
    down = echo(peer_at(free_port()))
    assert (down.reach, down.alive) == (Reach.UNREACHABLE, False)
    rejected = echo(peer_at(scripted([], require_called_aet=True), ae_title="WRONG"))
    assert rejected.reach is Reach.REJECTED
    assert "Called AE title not recognised" in rejected.detail
    storing = [context for context in accepted_contexts() if context.abstract_syntax != "1.2.840.10008.1.1"]
    deaf = echo(peer_at(scripted([], storing)))
    assert (deaf.reach, deaf.status, deaf.alive) == (Reach.ACCEPTED, None, False)
    assert deaf.takes(Comprehensive3DSRStorage)


def test_sending_logs_no_patient(archive: Archived, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    logging.getLogger("pynetdicom").setLevel(logging.DEBUG)
    broken = replace(outgoing(tmp_path, "1.2.1"), path=tmp_path / f"{PATIENT}.dcm")
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as logs:
        send(peer_at(archive(statuses=(0xA700,)).port), [outgoing(tmp_path, "1.2.2"), broken])
    assert [entry["event"] for entry in logs] == ["object_not_sent", "objects_sent"]
    assert logs[-1]["retry"] == 2
    assert PATIENT not in str(logs)
    assert PATIENT not in caplog.text
