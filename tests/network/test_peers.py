"""Against DCMTK and Orthanc, which are not ours: what they send, we keep; what we send, they keep."""

from __future__ import annotations

import json
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import (
    UID,
    Comprehensive3DSRStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from ra_node.network.scp.server import AllowedPeer, Listener
from ra_node.network.scu.c_store import OutgoingObject, Reach, echo, send
from ra_node.network.status.c_store import Answer
from tests.network.conftest import peer_at
from tests.network.fakes import FakeInbox, data_set_bytes, wait_until, write_instance
from tests.network.scu.test_c_store import packed
from tests.ports import free_port

Listen = Callable[..., Listener]
Tool = Callable[[str], str]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_storescu_sends_every_syntax(listen: Listen, inbox: FakeInbox, require_tool: Tool, tmp_path: Path):
    """Each proposal of DCMTK for which the node has a decoder arrives in that syntax."""
    storescu, port = require_tool("storescu"), str(listen().port)
    proposals: dict[str, UID] = {
        "-xe": ExplicitVRLittleEndian,
        "-xi": ImplicitVRLittleEndian,
        "-xb": ExplicitVRBigEndian,
        "-xd": DeflatedExplicitVRLittleEndian,
        "-xs": JPEGLosslessSV1,
        "-xy": JPEGBaseline8Bit,
        "-xt": JPEGLSLossless,
        "-xu": JPEGLSNearLossless,
        "-xv": JPEG2000Lossless,
        "-xr": RLELossless,
    }
    for number, (option, syntax) in enumerate(proposals.items()):
        uid = f"1.2.3.{number}"
        path = write_instance(tmp_path, uid, syntax=syntax)
        done = run(storescu, "-R", option, "-aec", "RANODE", "127.0.0.1", port, str(path))
        assert done.returncode == 0, f"{option}: {done.stderr}"
        assert inbox.kept[-1].transfer_syntax_uid == syntax
        assert dcmread(inbox.folder / f"{uid}.dcm").PixelData == dcmread(path).PixelData
    inbox.wait_until_closed(len(proposals))


def test_storescu_may_choose_uncompressed_where_extended_is_refused(
    listen: Listen, inbox: FakeInbox, require_tool: Tool, tmp_path: Path
):
    """With -xx it also proposes uncompressed; a file that is JPEG Extended stays with its sender."""
    storescu, port = require_tool("storescu"), str(listen().port)
    extended = write_instance(tmp_path, "1.2.1", syntax=JPEGExtended12Bit)
    plain = write_instance(tmp_path, "1.2.2")
    assert run(storescu, "-xx", "-aec", "RANODE", "127.0.0.1", port, str(extended)).returncode != 0
    assert run(storescu, "-xx", "-aec", "RANODE", "127.0.0.1", port, str(plain)).returncode == 0
    assert [kept.sop_instance_uid for kept in inbox.kept] == ["1.2.2"]


def test_dcmsend_sends_a_whole_study_in_one_association(
    listen: Listen, inbox: FakeInbox, require_tool: Tool, tmp_path: Path
):
    dcmsend = require_tool("dcmsend")
    for number in range(4):
        write_instance(
            tmp_path, f"1.2.{number}", syntax=(ExplicitVRLittleEndian, JPEGLosslessSV1)[number % 2]
        )
    paths = [str(path) for path in sorted(tmp_path.glob("*.dcm"))]
    done = run(dcmsend, "--decompress-never", "-aec", "RANODE", "127.0.0.1", str(listen().port), *paths)
    assert done.returncode == 0, done.stderr
    assert len(inbox.kept) == 4
    inbox.wait_until_closed()
    assert len({kept.association_id for kept in inbox.kept}) == 1


def test_echoscu_is_answered_and_a_stranger_is_told_why(listen: Listen, require_tool: Tool):
    echoscu = require_tool("echoscu")
    port = str(listen(accept_unknown=False, peers=(AllowedPeer("PACS"),)).port)
    assert run(echoscu, "-aet", "PACS", "127.0.0.1", port).returncode == 0
    stranger = run(echoscu, "-aet", "STRANGER", "127.0.0.1", port)
    assert stranger.returncode != 0
    assert "Calling AE Title Not Recognized" in stranger.stderr


def test_storescu_that_aborts_leaves_nothing(
    *, listen: Listen, inbox: FakeInbox, incoming: Path, require_tool: Tool, tmp_path: Path
):
    """With --abort the association ends without a release; what was stored before stays."""
    storescu, port = require_tool("storescu"), str(listen().port)
    run(storescu, "--abort", "127.0.0.1", port, str(write_instance(tmp_path)))
    inbox.wait_until_closed()
    assert len(inbox.kept) == 1
    assert list(incoming.glob("*.dcm")) == []


@pytest.fixture
def started() -> Iterator[Callable[..., int]]:
    """Start a program that listens on a given port; end it after the test."""
    with ExitStack() as stack:

        def start(port: int, *command: str) -> int:
            process = stack.enter_context(
                subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
            stack.callback(process.kill)
            assert wait_until(lambda: is_open(port) or process.poll() is not None, 120)
            assert process.poll() is None, f"{command[0]} did not start"
            return port

        yield start


def outgoing(folder: Path, uid: str, sop_class: UID) -> OutgoingObject:
    path = write_instance(folder, uid, sop_class=sop_class, pixels_bytes=300_000)
    return OutgoingObject(path, sop_class, uid, ExplicitVRLittleEndian)


def test_storescp_keeps_the_bytes_that_were_sent(
    started: Callable[..., int], require_tool: Tool, tmp_path: Path
):
    """With +B it writes the data set as it comes off the wire."""
    kept = tmp_path / "kept"
    kept.mkdir()
    port = free_port()
    started(port, require_tool("storescp"), "+B", "-od", str(kept), str(port))
    one = outgoing(tmp_path, "1.2.3.4", SecondaryCaptureImageStorage)
    assert [outcome.answer for outcome in send(peer_at(port), [one]).outcomes] == [Answer.ACCEPTED]
    [stored] = kept.iterdir()
    assert data_set_bytes(stored) == data_set_bytes(one.path)


def test_storescp_of_implicit_vr_gets_it_rewritten(
    started: Callable[..., int], require_tool: Tool, tmp_path: Path
):
    port = free_port()
    started(port, require_tool("storescp"), "+xi", "-od", str(tmp_path), str(port))
    one = outgoing(tmp_path, "1.2.3.4", SecondaryCaptureImageStorage)
    [outcome] = send(peer_at(port), [one]).outcomes
    assert (outcome.answer, outcome.status) == (Answer.ACCEPTED, 0x0000)


@pytest.mark.parametrize(
    ("option", "syntax"),
    [("+xt", JPEGLSLossless), ("+x=", ExplicitVRLittleEndian), ("+xi", ImplicitVRLittleEndian)],
)
def test_storescp_gets_an_overlay_in_what_it_accepts(
    option: str, syntax: UID, started: Callable[..., int], require_tool: Tool, tmp_path: Path
):
    """Packed for a peer of JPEG-LS, unpacked for one without: the same pixels for both."""
    kept = tmp_path / "kept"
    kept.mkdir()
    port = free_port()
    started(port, require_tool("storescp"), option, "-od", str(kept), str(port))
    one, picture = packed(tmp_path)
    assert [outcome.answer for outcome in send(peer_at(port), [one]).outcomes] == [Answer.ACCEPTED]
    [stored] = map(dcmread, kept.iterdir())
    assert stored.file_meta.TransferSyntaxUID == syntax
    assert np.array_equal(stored.pixel_array, picture)


def test_orthanc_takes_the_results(started: Callable[..., int], require_tool: Tool, tmp_path: Path):
    """Echo, contexts and both kinds of result against a real archive, sent twice without harm."""
    port, http_port = free_port(), free_port()
    config = tmp_path / "orthanc.json"
    settings = {
        "DicomPort": port,
        "HttpPort": http_port,
        "StorageDirectory": str(tmp_path / "storage"),
        "IndexDirectory": str(tmp_path / "storage"),
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "Plugins": [],
    }
    config.write_text(json.dumps(settings))
    started(port, require_tool("Orthanc"), str(config))
    peer = peer_at(port, ae_title="ORTHANC")
    report = echo(peer)
    assert (report.reach, report.alive) == (Reach.ACCEPTED, True)
    assert report.takes(Comprehensive3DSRStorage)
    overlay, picture = packed(tmp_path)
    objects = [outgoing(tmp_path, "1.2.1", Comprehensive3DSRStorage), overlay]
    for _ in range(2):
        assert [outcome.answer for outcome in send(peer, objects).outcomes] == [Answer.ACCEPTED] * 2
    with urllib.request.urlopen(f"http://127.0.0.1:{http_port}/instances", timeout=60) as answer:
        kept = json.load(answer)
    read = [dcmread(BytesIO(fetched(http_port, f"instances/{one}/file"))) for one in kept]
    [shown] = [each for each in read if each.SOPClassUID == SecondaryCaptureImageStorage]
    assert len(kept) == 2
    assert shown.file_meta.TransferSyntaxUID == JPEGLSLossless
    assert np.array_equal(shown.pixel_array, picture)


def fetched(http_port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{http_port}/{path}", timeout=60) as answer:
        return bytes(answer.read())
