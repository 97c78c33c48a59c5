"""Retrieval of earlier reports for `work`, whose unit has no network (PrivateNetwork=), by another role.

Over a Unix socket in the folder of lock files, one request a connection. Patient attributes pass through it
and are not stored.
"""

from __future__ import annotations

import io
import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog
from pydicom import Dataset, dcmread, dcmwrite

from ra_node.network.scp.c_store import traced
from ra_node.network.scu.association import PeerAddress, Reach
from ra_node.network.scu.prior_reports import PriorQuery, earlier_reports

NAME = "earlier-reports.sock"
TIMEOUT_S = 120.0
_LENGTH = struct.Struct(">Q")
_MOST_BYTES = 64 * 2**20
"""Largest report; usual are some kilobytes."""

log = structlog.get_logger(__name__)
Fetch = Callable[[PeerAddress, PriorQuery, Callable[[Dataset], bool]], Reach]


def fetch_through(
    folder: Path, peer: PeerAddress, wanted: PriorQuery, take: Callable[[Dataset], bool]
) -> Reach:
    """Like `earlier_reports`, by the role that serves the socket in `folder`, else by this process."""
    try:
        with _address(folder) as address, socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(TIMEOUT_S)
            asking.connect(address)
            return _ask(asking, peer.name, wanted, take)
    except (FileNotFoundError, ConnectionRefusedError):
        return earlier_reports(peer, wanted, take)
    except (OSError, ValueError) as error:
        log.warning("prior_query_failed", peer=peer.name, **traced(error))
        return Reach.BROKEN


@dataclass(frozen=True, slots=True)
class PriorServer:
    """Server of these requests for `peers` by name; each in a thread of its own."""

    folder: Path
    peers: Mapping[str, PeerAddress]
    fetch: Fetch = earlier_reports

    def serve(self, stop: threading.Event) -> None:
        """Serve until stopped."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / NAME).unlink(missing_ok=True)
        with _address(self.folder) as address, socket.socket(socket.AF_UNIX) as serving:
            serving.bind(address)
            (self.folder / NAME).chmod(0o600)
            serving.listen(128)
            serving.settimeout(0.5)
            while not stop.is_set():
                with suppress(TimeoutError):
                    asked, _ = serving.accept()
                    threading.Thread(target=self._answer, args=(asked,), daemon=True).start()
        (self.folder / NAME).unlink(missing_ok=True)

    def _answer(self, asked: socket.socket) -> None:
        def take(report: Dataset) -> bool:
            written = io.BytesIO()
            dcmwrite(written, report, enforce_file_format=True)
            asked.sendall(_LENGTH.pack(written.tell()) + written.getvalue())
            return _received(asked, 1) == b"\1"

        try:
            with asked:
                asked.settimeout(TIMEOUT_S)
                question = json.loads(_received(asked, _LENGTH.unpack(_received(asked, _LENGTH.size))[0]))
                reach = self.fetch(self.peers[question["peer"]], PriorQuery(**question["wanted"]), take)
                asked.sendall(_LENGTH.pack(0) + reach.value.encode() + b"\n")
        except Exception as error:  # noqa: BLE001 - who asked sees the end, and answers without it
            log.warning("prior_retrieval_failed", **traced(error))


def _ask(asking: socket.socket, peer: str, wanted: PriorQuery, take: Callable[[Dataset], bool]) -> Reach:
    question = json.dumps({"peer": peer, "wanted": asdict(wanted)}).encode()
    asking.sendall(_LENGTH.pack(len(question)) + question)
    while size := _LENGTH.unpack(_received(asking, _LENGTH.size))[0]:
        taken = take(dcmread(io.BytesIO(_received(asking, size))))
        asking.sendall(b"\1" if taken else b"\0")
    reach = b""
    while not reach.endswith(b"\n"):
        reach += _received(asking, 1)
    return Reach(reach.decode().strip())


def _received(connection: socket.socket, size: int) -> bytes:
    if size > _MOST_BYTES:
        raise ValueError(f"expected at most {_MOST_BYTES} bytes, found {size}")
    parts: list[bytes] = []
    while size:
        part = connection.recv(min(size, 65536))
        if not part:
            raise ConnectionResetError("expected more, found the end")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


@contextmanager
def _address(folder: Path) -> Iterator[str]:
    """A short socket path: sun_path is limited to 107 bytes."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{NAME}"
    finally:
        os.close(handle)
