"""Preflight checks: each failed row has the finding and what to do."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from pydicom.uid import UID

from ra_node.dicom.overlay.fonts import face_of
from ra_node.domain.result_objects import RESULT_OBJECTS, ObjectKind, class_of
from ra_node.domain.texts.translations import load_language
from ra_node.errors import NodeError
from ra_node.ledger.alarms import Alarm
from ra_node.network.presentation_contexts import RESULT_CLASSES
from ra_node.network.scu.c_find import InstanceCount, count_instances
from ra_node.network.scu.c_store import EchoReport, PeerAddress, Reach, echo
from ra_node.network.scu.prior_reports import retrieval_fault
from ra_node.services.delivery.destination_status import Complaint
from ra_node.services.preflight.alarms import alarm_checks
from ra_node.services.preflight.check import Check
from ra_node.services.preflight.system import check_clock, check_privacy, check_tls
from ra_node.settings.node import Settings
from ra_node.settings.peer import PeerTable


def run_checks(
    settings: Settings,
    *,
    open_state: Callable[[], object],
    bundle: Callable[[], str],
    destinations: Sequence[tuple[PeerAddress, PeerTable]],
    queried: Sequence[PeerAddress] = (),
    retrieved: Sequence[PeerAddress] = (),
    running: Callable[[], Collection[str]] = tuple,
    device: Callable[[], str] = lambda: "",
    standing: Callable[[], Sequence[tuple[str, Complaint]]] = tuple,
    alarms: Callable[[], Sequence[Alarm]] = tuple,
    workers: Callable[[], Sequence[Check]] = tuple,
    tls_contexts: Callable[[], object] = lambda: None,
    machine: Callable[[], Sequence[Check]] = tuple,
) -> list[Check]:
    """Check folders, disk, ledger, port, bundle and every peer, independently.

    `destinations` have the kinds of object they receive, `queried` are the sources with a completeness query,
    `retrieved` those that are asked for earlier reports. `running` are the roles that run on this machine.
    """
    return [
        check_folder(settings.node.data_dir),
        check_privacy(settings),
        *machine(),
        check_disk(settings.node.data_dir, settings.limits.min_free_gib),
        check_clock(),
        check_tls(settings, tls_contexts),
        _check("ledger", lambda: _opened(open_state), "the URL in [ledger], and whether its server runs"),
        check_port(settings.node.host, settings.node.port, ours="listen" in running()),
        _check("device", device, 'install the NVIDIA driver, or set device = "auto" or "cpu" in [models]'),
        check_language(settings.results.language),
        _check("model bundle", bundle, "see `ra-node bundle list`; install it again or roll back"),
        *workers(),
        check_sources(settings),
        check_hosts(settings),
        *(check_query(peer) for peer in queried),
        *(check_retrieval(peer) for peer in retrieved),
        *(
            [
                check_peer(peer, commitment=table.commitment, options=table.options)
                for peer, table in destinations
            ]
            or [NO_DESTINATION]
        ),
        *check_waiting(standing),
        *alarm_checks(alarms),
    ]


NO_STUDY = "2.25.0"
NO_DESTINATION = Check(
    "destinations",
    ok=False,
    found="none",
    hint='results are not sent: add a [[peer]] with roles = ["destination"]',
)


def check_folder(folder: Path) -> Check:
    """The data folder exists, or can be made, and can be written."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        return Check(
            "data folder", ok=False, found=f"{folder}: {error.strerror}", hint="make it, owned by this user"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        return Check(
            "data folder", ok=False, found=f"{folder} cannot be written", hint="chown it to this user"
        )
    return Check("data folder", ok=True, found=str(folder))


def check_disk(folder: Path, wanted_gib: float) -> Check:
    """Free space above the limit."""
    try:
        free = shutil.disk_usage(folder).free / 2**30
    except OSError as error:
        return Check("disk", ok=False, found=f"{folder}: {error.strerror}", hint="fix the data folder first")
    hint = "" if free >= wanted_gib else f"free some space: below {wanted_gib:g} GiB images are refused"
    return Check("disk", ok=not hint, found=f"{free:.1f} GiB free", hint=hint)


def check_port(host: str, port: int, *, ours: bool = False) -> Check:
    """The port is free, or this node listens on it (`ours`: its role `listen` holds its lock)."""
    try:
        family, kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        held = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        if held and ours:
            return Check("DICOM port", ok=True, found=f"{host}:{port}: the node listens")
        hint = "name an address of this machine and a free port in [node]"
        if held:
            hint = f"another program holds it: `ss -ltnp sport = :{port}` names it; stop it, or change port"
        if isinstance(error, PermissionError):
            hint = "below 1024 the node needs `sysctl net.ipv4.ip_unprivileged_port_start`, see the guide"
        found = f"{host}:{port}: {getattr(error, 'strerror', None) or error}"
        return Check("DICOM port", ok=False, found=found, hint=hint)
    return Check("DICOM port", ok=True, found=f"{host}:{port} is free; the node is not running")


def check_sources(settings: Settings) -> Check:
    """At least one peer may send."""
    names = ", ".join(f"{peer.name} ({peer.ae_title} at {peer.host})" for peer in settings.sources)
    if settings.limits.accept_unknown_peers:
        return Check("sources", ok=True, found="any AE title may send (accept_unknown_peers)")
    if not names:
        return Check("sources", ok=False, found="none", hint='add a [[peer]] with roles = ["source"]')
    return Check("sources", ok=True, found=names)


def check_hosts(settings: Settings) -> Check:
    """Every host name of a peer can be resolved; an address, a network or "*" need not."""
    unknown = []
    for peer in settings.peer:
        try:
            if peer.host != "*" and "/" not in peer.host:
                socket.getaddrinfo(peer.host, None)
        except (OSError, UnicodeError):
            unknown.append(f"{peer.host} of {peer.name}")
    if unknown:
        hint = "correct host in its [[peer]], or the name service of this machine; until then it is rejected"
        return Check("host names", ok=False, found=f"cannot be resolved: {', '.join(unknown)}", hint=hint)
    return Check("host names", ok=True, found="all can be resolved")


def check_retrieval(peer: PeerAddress, fault: Callable[[PeerAddress], str] = retrieval_fault) -> Check:
    """A peer with `prior = "query"` accepts C-FIND and C-GET of reports."""
    name, where = f"earlier reports at {peer.name}", f"{peer.ae_title} at {peer.host}:{peer.port}"
    found = fault(peer)
    if not found:
        return Check(name, ok=True, found=f"{where}: accepts C-FIND and C-GET of reports")
    hint = f'allow our AE title {peer.calling_ae} C-FIND and C-GET there, or set prior = "ledger"'
    return Check(name, ok=False, found=f"{where}: {found}", hint=hint)


def check_query(
    peer: PeerAddress, count: Callable[[PeerAddress, str], InstanceCount] = count_instances
) -> Check:
    """A queried peer responds to C-FIND for a study that does not exist."""
    found = count(peer, NO_STUDY)
    name, where = f"queries to {peer.name}", f"{peer.ae_title} at {peer.host}:{peer.port}"
    if found.instances is not None:
        return Check(name, ok=True, found=f"{where}: responds to C-FIND")
    hint = f"allow our AE title {peer.calling_ae} to query (Study Root), or do without complete_by and prior"
    return Check(name, ok=False, found=f"{where}: {found.detail}", hint=hint)


def check_language(name: str) -> Check:
    """The language file is complete, and a font for it is installed."""

    def found() -> str:
        language = load_language(name)
        face = face_of(language)
        return f"{language.name}, {Path(face.regular[0]).name if face.installed else 'font of the node'}"

    return _check("language", found, "see language in [results]")


def check_waiting(standing: Callable[[], Sequence[tuple[str, Complaint]]]) -> list[Check]:
    """No object is queued for a faulty destination; a row for each fault."""
    try:
        found = standing()
    except NodeError as error:
        return [Check("waiting results", ok=False, found=str(error), hint="fix the ledger first")]
    return [Check(f"results for {peer}", ok=False, found=one.found, hint=one.hint) for peer, one in found]


def check_peer(
    peer: PeerAddress,
    echo: Callable[[PeerAddress], EchoReport] = echo,
    *,
    commitment: bool = False,
    options: Sequence[ObjectKind] = (),
) -> Check:
    """A destination responds to C-ECHO and accepts our objects, and storage commitment where configured."""
    report = echo(peer)
    name = f"destination {peer.name}"
    where = f"{peer.ae_title} at {peer.host}:{peer.port}"
    if not report.alive:
        return Check(name, ok=False, found=f"{where}: {report.detail}", hint=_HINTS[report.reach])
    taken = [uid.name for uid in RESULT_CLASSES if report.takes(uid)]
    found = (
        f"{where}{' with TLS' if peer.tls else ''}: echo, takes {', '.join(taken) or 'none of our results'}"
    )
    syntaxes = sorted({UID(syntax).name for _, syntax in report.accepted})
    found += f" in {' and '.join(syntaxes)}" if syntaxes else ""
    takes = {row.kind: report.takes(UID(row.sop_class_uid)) for row in RESULT_OBJECTS}
    wanted = [
        ("SR", takes[ObjectKind.SR] or takes[ObjectKind.SR_FALLBACK]),
        ("Secondary Capture", takes[ObjectKind.OVERLAY]),
        *((UID(class_of(kind).sop_class_uid).name, takes[kind]) for kind in options),
    ]
    missing = [word for word, there in wanted if not there]
    hints = [f"allow our AE title {peer.calling_ae} to store {' and '.join(missing)}"] if missing else []
    if commitment:
        found += ", storage commitment" if report.commits else ", no storage commitment"
        if not report.commits:
            hints.append(f"allow {peer.calling_ae} Storage Commitment there, or set commitment = false")
    return Check(name, ok=not hints, found=found, hint="; ".join(hints))


def check_echo(peer: PeerAddress, echo: Callable[[PeerAddress], EchoReport] = echo) -> Check:
    """A peer that is sent nothing responds to C-ECHO."""
    report = echo(peer)
    where = f"{peer.ae_title} at {peer.host}:{peer.port}"
    found = f"{where}: echo" if report.alive else f"{where}: {report.detail}"
    return Check(
        f"peer {peer.name}", ok=report.alive, found=found, hint="" if report.alive else _HINTS[report.reach]
    )


_HINTS = {
    Reach.UNREACHABLE: "check host, port and firewall, and that the PACS runs",
    Reach.UNTRUSTED: "compare [tls] with the certificate and authority of the PACS; does it require TLS?",
    Reach.REJECTED: "add our AE title and address on the PACS, and check its AE title here",
    Reach.BROKEN: "the port has another service, or the PACS requires TLS",
    Reach.NO_CONTEXT: "allow Verification and storage for our AE title on the PACS",
    Reach.ACCEPTED: "the PACS accepted the association and did not respond to C-ECHO; see its log",
}


def _check(name: str, find: Callable[[], str], hint: str) -> Check:
    try:
        return Check(name, ok=True, found=find())
    except NodeError as error:
        return Check(name, ok=False, found=str(error), hint=hint)


def _opened(open_state: Callable[[], object]) -> str:
    open_state()
    return "opened, tables are up to date"
