"""TLS against our own contexts, DCMTK and Orthanc: who has the right certificate talks, nobody else does."""

from __future__ import annotations

import json
import socket
import ssl
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.uid import SecondaryCaptureImageStorage
from structlog.testing import capture_logs

from ra_node.errors import Fatal
from ra_node.network.scp import tls_accept as doorstep
from ra_node.network.scp.association_policy import AllowedPeer
from ra_node.network.scp.server import Listener, ListenSettings
from ra_node.network.scu.association import Reach
from ra_node.network.scu.c_store import PeerAddress, echo, send
from ra_node.network.status.c_store import Answer
from ra_node.network.tls import SUITES, TlsFiles, calling, serving
from tests.network.authority import Authority
from tests.network.conftest import peer_at
from tests.network.fakes import FakeInbox, wait_until, write_instance
from tests.network.test_peers import outgoing, run, started
from tests.ports import free_port

__all__ = ["started"]

Tool = Callable[[str], str]
PACS = AllowedPeer("PACS", "127.0.0.1", tls=True)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def node(hospital: Authority) -> TlsFiles:
    return hospital.issue("ra-node.hospital")


@pytest.fixture(scope="module")
def pacs(hospital: Authority) -> TlsFiles:
    return hospital.issue("pacs.hospital")


@pytest.fixture
def secure(inbox: FakeInbox, incoming: Path, node: TlsFiles) -> Iterator[Callable[..., Listener]]:
    """Start a listener that wants TLS of the given peers."""
    with ExitStack() as stack:

        def start(*peers: AllowedPeer, **changes: object) -> Listener:
            basic = ListenSettings("RANODE", incoming, host="127.0.0.1", port=0, peers=peers or (PACS,))
            listener = Listener(replace(basic, **changes), inbox, tls=serving(node))  # type: ignore[arg-type]
            listener.start()
            stack.callback(listener.stop, 0.0)
            return listener

        yield start


def calls(listener: Listener, files: TlsFiles | None, **changes: object) -> PeerAddress:
    """Our own client as the PACS, with a certificate or in plain."""
    peer = replace(peer_at(listener.port, ae_title="RANODE"), calling_ae="PACS", **changes)  # type: ignore[arg-type]
    return peer if files is None else replace(peer, tls=calling(files))


def reasons(said: list[dict[str, object]]) -> list[str]:
    return [str(one["reason"]) for one in said if one["event"] == "connection_refused"]


def dcmtk(files: TlsFiles) -> list[str]:
    return ["+tls", str(files.key), str(files.certificate), "+cf", str(files.authority)]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_right_certificate_is_heard_in_both_versions(
    secure: Callable[..., Listener], inbox: FakeInbox, pacs: TlsFiles, tmp_path: Path, version: ssl.TLSVersion
):
    peer = calls(secure(), pacs)
    assert peer.tls is not None
    peer.tls.minimum_version = peer.tls.maximum_version = version
    assert echo(peer).alive
    one = outgoing(tmp_path, "1.2.3.4", SecondaryCaptureImageStorage)
    assert [outcome.answer for outcome in send(peer, [one]).outcomes] == [Answer.ACCEPTED]
    assert [kept.sop_instance_uid for kept in inbox.kept] == ["1.2.3.4"]


def test_whoever_cannot_show_the_right_certificate_is_refused_and_named(
    secure: Callable[..., Listener], hospital: Authority, pacs: TlsFiles, tmp_path: Path
):
    """In the log with address and reason; the caller hears why, and afterwards the right one is served."""
    listener = secure()
    stranger = Authority(tmp_path, "Elsewhere").issue("pacs.elsewhere")
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.load_verify_locations(hospital.path)
    callers = {
        "wrong": replace(calls(listener, None), tls=calling(replace(stranger, authority=hospital.path))),
        "expired": calls(listener, hospital.issue("old.hospital", days=-2)),
        "without": replace(calls(listener, None), tls=bare),
        "plain": calls(listener, None),
    }
    found: dict[str, tuple[Reach, str]] = {}
    for name, peer in callers.items():
        with capture_logs() as said:
            reach = echo(peer).reach
            assert wait_until(lambda said=said: len(reasons(said)) == 1, 60)
        found[name] = (reach, "".join(reasons(said)))
        assert [one.get("address") for one in said if one["event"] == "connection_refused"] == ["127.0.0.1"]
    assert found["wrong"][1].startswith("certificate not trusted")
    assert found["expired"][1] == "certificate not trusted: certificate has expired"
    assert found["without"][1] == "peer did not return a certificate"
    assert found["plain"][1] == "expected TLS, found a request in plain"
    assert {reach for reach, _ in found.values()} <= {Reach.UNTRUSTED, Reach.BROKEN}
    assert echo(calls(listener, pacs)).alive


def test_tls_1_1_is_refused(secure: Callable[..., Listener], pacs: TlsFiles):
    listener = secure()
    context = calling(pacs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with capture_logs() as said:
        report = echo(replace(calls(listener, None), tls=context))
        assert wait_until(lambda: len(reasons(said)) == 1, 60)
    assert report.reach is Reach.UNTRUSTED
    assert reasons(said) == ["unsupported protocol"]


def test_a_suite_without_forward_secrecy_is_refused(secure: Callable[..., Listener], pacs: TlsFiles):
    context = calling(pacs)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES256-SHA384")
    with capture_logs() as said:
        report = echo(replace(calls(secure(), None), tls=context))
        assert wait_until(lambda: len(reasons(said)) == 1, 60)
    assert report.reach is Reach.UNTRUSTED
    assert reasons(said) == ["no shared cipher"]


def test_the_suites_of_tls_1_2_are_those_that_bcp_195_recommends(node: TlsFiles):
    offered = {one["name"] for one in serving(node).get_ciphers() if one["protocol"] == "TLSv1.2"}
    assert offered == set(SUITES)


def test_a_caller_who_says_nothing_blocks_nobody(
    secure: Callable[..., Listener], pacs: TlsFiles, monkeypatch: pytest.MonkeyPatch
):
    """Nor do many: the port answers while they are silent, and the oldest of too many is ended."""
    monkeypatch.setattr(doorstep, "MOST_WAITING", 4)
    listener = secure()
    with ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", listener.port), timeout=60))
            for _ in range(4)
        ]
        half = stack.enter_context(socket.create_connection(("127.0.0.1", listener.port), timeout=60))
        half.sendall(b"\x16\x03\x01\x02")
        assert echo(calls(listener, pacs)).alive
        assert silent[0].recv(1) == b""


def test_stopping_does_not_wait_for_the_silent(secure: Callable[..., Listener]):
    """Their connections end with the listener, not with their time limit."""
    listener = secure()
    with closing(socket.create_connection(("127.0.0.1", listener.port), timeout=60)) as silent:
        step = listener._doorstep
        assert step is not None
        assert wait_until(lambda: len(step._silent) == 1, 60)
        listener.stop(0.0)
        assert silent.recv(1) == b""


def test_a_peer_without_tls_keeps_its_plain_way_and_one_with_tls_has_no_other(
    secure: Callable[..., Listener], pacs: TlsFiles
):
    """On one port; a caller in plain cannot pass for the peer that must show a certificate."""
    listener = secure(PACS, AllowedPeer("OLD_CR", "127.0.0.1"))
    assert echo(calls(listener, pacs)).alive
    assert echo(replace(calls(listener, None), calling_ae="OLD_CR")).alive
    assert echo(calls(listener, None)).reach is Reach.REJECTED


def test_a_certificate_must_name_its_peer_where_that_is_asked(
    secure: Callable[..., Listener], hospital: Authority, pacs: TlsFiles
):
    """Another device of the same authority cannot borrow the AE title."""
    listener = secure(replace(PACS, certificate_name="PACS.hospital"))
    assert echo(calls(listener, pacs)).alive
    assert echo(calls(listener, hospital.issue("coffee.hospital"))).reach is Reach.REJECTED


def test_we_call_nobody_whose_certificate_names_another(
    secure: Callable[..., Listener], node: TlsFiles, pacs: TlsFiles, tmp_path: Path
):
    """By default it must name the host that we call; `tls_name` names another, and any_name none."""
    peer = calls(secure(), pacs)
    assert echo(replace(peer, tls_name="ra-node.hospital")).alive
    wrong = echo(replace(peer, tls_name="pacs.hospital"))
    assert (wrong.reach, wrong.alive) == (Reach.UNTRUSTED, False)
    assert "Hostname mismatch" in wrong.detail
    assert echo(replace(peer, tls=calling(pacs, any_name=True), tls_name="pacs.hospital")).alive
    elsewhere = replace(pacs, authority=Authority(tmp_path, "Elsewhere").path)
    assert "not trusted" in echo(replace(peer, tls=calling(elsewhere))).detail


def test_a_key_that_others_may_read_is_an_error(hospital: Authority):
    files = hospital.issue("careless.hospital")
    files.key.chmod(0o644)
    with pytest.raises(Fatal, match=r"expected mode 0600 of .*, found mode 0644"):
        serving(files)
    files.key.chmod(0o640)
    serving(files)


def test_what_cannot_be_loaded_is_told_by_name(hospital: Authority, node: TlsFiles, tmp_path: Path):
    """An encrypted key never makes the node wait for a passphrase."""
    other = hospital.issue("other.hospital")
    sealed = hospital.issue("sealed.hospital", passphrase="secret")
    with pytest.raises(Fatal, match="without passphrase"):
        serving(sealed)
    with pytest.raises(Fatal, match="key values mismatch"):
        serving(replace(node, key=other.key))
    with pytest.raises(Fatal, match=r"tls\.ca: expected certificates"):
        serving(replace(node, authority=tmp_path / "absent.pem"))
    with pytest.raises(Fatal, match=r"tls\.key: expected a file"):
        serving(replace(node, key=tmp_path / "absent.key"))


def test_dcmtk_is_heard_with_the_right_certificate_alone(
    *,
    secure: Callable[..., Listener],
    inbox: FakeInbox,
    hospital: Authority,
    pacs: TlsFiles,
    require_tool: Tool,
    tmp_path: Path,
):
    """storescu and echoscu: right certificate, wrong one, none, and in plain."""
    storescu, echoscu = require_tool("storescu"), require_tool("echoscu")
    where = ["-aet", "PACS", "-aec", "RANODE", "127.0.0.1", str(secure().port)]
    stranger = replace(
        Authority(tmp_path / "elsewhere", "Elsewhere").issue("pacs.elsewhere"), authority=hospital.path
    )
    assert run(echoscu, *dcmtk(pacs), *where).returncode == 0
    assert run(storescu, *dcmtk(pacs), *where, str(write_instance(tmp_path))).returncode == 0
    assert [kept.sop_instance_uid for kept in inbox.kept] == ["1.2.3.4"]
    for refused in (dcmtk(stranger), ["+tla", "+cf", str(hospital.path)], []):
        with capture_logs() as said:
            assert run(echoscu, *refused, *where).returncode != 0
            assert wait_until(lambda said=said: len(reasons(said)) == 1, 60)


def test_storescp_hears_us_and_a_plain_or_wrong_one_does_not(
    *, started: Callable[..., int], require_tool: Tool, node: TlsFiles, pacs: TlsFiles, tmp_path: Path
):
    """DCMTK as the PACS that asks for our certificate (+rc)."""
    storescp, port = require_tool("storescp"), free_port()
    started(port, storescp, *dcmtk(pacs), "-rc", "-od", str(tmp_path), str(port))
    one = outgoing(tmp_path, "1.2.3.4", SecondaryCaptureImageStorage)
    peer = peer_at(port, tls=calling(node))
    assert [outcome.answer for outcome in send(peer, [one]).outcomes] == [Answer.ACCEPTED]
    stranger = Authority(tmp_path / "elsewhere", "Elsewhere").issue("ra-node.elsewhere")
    refused = send(peer_at(port, tls=calling(replace(stranger, authority=node.authority))), [one])
    assert refused.reach in {Reach.UNTRUSTED, Reach.BROKEN}
    assert [outcome.answer for outcome in refused.outcomes] == [Answer.UNTRIED]
    assert echo(peer_at(port)).reach is Reach.BROKEN


def test_orthanc_and_the_node_speak_tls_both_ways(
    *, started: Callable[..., int], require_tool: Tool, node: TlsFiles, pacs: TlsFiles, tmp_path: Path
):
    """With DicomTlsEnabled and its certificate asked and shown."""
    port = free_port()
    config = tmp_path / "orthanc.json"
    settings = {
        "DicomPort": port,
        "HttpServerEnabled": False,
        "StorageDirectory": str(tmp_path / "storage"),
        "IndexDirectory": str(tmp_path / "storage"),
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(pacs.certificate),
        "DicomTlsPrivateKey": str(pacs.key),
        "DicomTlsTrustedCertificates": str(pacs.authority),
        "DicomTlsRemoteCertificateRequired": True,
        "Plugins": [],
    }
    config.write_text(json.dumps(settings))
    started(port, require_tool("Orthanc"), str(config))
    peer = peer_at(port, ae_title="ORTHANC", tls=calling(node))
    assert echo(peer).alive
    one = outgoing(tmp_path, "1.2.3.4", SecondaryCaptureImageStorage)
    assert [outcome.answer for outcome in send(peer, [one]).outcomes] == [Answer.ACCEPTED]
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.load_verify_locations(node.authority)
    assert echo(replace(peer, tls=bare)).reach in {Reach.UNTRUSTED, Reach.BROKEN}
    assert not echo(replace(peer, tls=None)).alive
