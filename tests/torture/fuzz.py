"""Says wrong things to a listener, and tells what it did then."""

from __future__ import annotations

import re
import socket
import struct
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.torture.conversations import DX, TOKEN, Conversation, Draw, corpus, mutated
from tests.torture.process import OWN_AE, Holdings, Listening
from tests.torture.raw_dicom import (
    ASSOCIATE_AC,
    RELEASE_PDU,
    RawConnection,
    association_request,
    small_image,
    store_request,
    store_status,
)

KNOWN = re.compile(
    r"ledger\.sqlite3(-wal|-shm)?|inbox(/\.known-good|/\d{4}-\d\d-\d\d(/[0-9a-f]{32}\.dcm)?)?|run(/.*)?|previews|results|"
    r"identity|ledger-mark|patient\.key|(incoming|inbox|previews|results)/\.identity|"
    r"incoming(/.*(\.listener|arriving-[\w]+\.dcm|[0-9a-f]{32}\.part))?|incoming/[^/]+"
)
"""Everything that a listener may make in its data folder."""


def send_conversation(port: int, said: Conversation, draw: Draw) -> None:
    """Say it: at once, PDU by PDU while listening, or in small pieces; then leave in one way or another."""
    try:
        with RawConnection(port, 5.0) as line:
            line.socket.settimeout(draw.choice([0.02, 0.2]))
            patience = 3
            for piece in _pieces(said, draw):
                line.socket.sendall(piece)
                if draw.random() < 0.5 and patience:
                    patience -= not _heard(line.socket)
            if draw.random() < 0.3:
                line.socket.shutdown(socket.SHUT_WR)
                _heard(line.socket)
            if draw.random() < 0.3:  # a reset instead of an orderly end
                line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass  # the node may hang up on this whenever it likes


def _pieces(said: Conversation, draw: Draw) -> Iterator[bytes]:
    how = draw.random()
    if how < 0.5:
        yield from said
    elif how < 0.8:
        yield b"".join(said)
    else:
        whole = b"".join(said)
        size = max(1, len(whole) // draw.choice([3, 17]))
        yield from (whole[at : at + size] for at in range(0, len(whole), size))


def _heard(connection: socket.socket) -> bool:
    """Wait a little for an answer; False where none came."""
    try:
        connection.recv(65_536)
    except TimeoutError:
        return False
    return True


@dataclass
class Fuzzed:
    """What a listener did under `cases` wrong conversations."""

    cases: int = 0
    crashes: list[str] = field(default_factory=list)
    unserved: int = 0
    """Good senders that were not served afterwards."""
    strays: list[str] = field(default_factory=list)
    """Files where none may be."""
    before: Holdings | None = None
    after: Holdings | None = None
    seconds: float = 0.0


def fuzz(node: Listening, cases: int, seed: int, every: int = 50) -> Fuzzed:
    """Utter `cases` conversations; after each `every` of them a good sender must be served."""
    found = Fuzzed()
    started = time.monotonic()
    idle = node.holdings().threads
    for number in range(cases):
        draw = Draw(f"{seed} {number}")
        send_conversation(node.port, mutated(corpus(draw), draw), draw)
        found.cases += 1
        if number % every == every - 1 or number == cases - 1:
            found.unserved += not _is_served(node, f"1.9.{seed}.{number}")
            if not node.is_alive:
                found.crashes.append(f"died after case {number}")
                break
        if number == cases // 2:  # by then every thread's heap has held its bomb
            found.before = node.at_rest(idle)
    if node.is_alive:
        found.after = node.at_rest(idle)
    found.crashes += node.complaints()
    found.strays = strays(node)
    found.seconds = time.monotonic() - started
    return found


def _is_served(node: Listening, uid: str) -> bool:
    try:
        with RawConnection(node.port, 300.0) as line:
            if line.request(association_request(OWN_AE)) != ASSOCIATE_AC:
                return False
            status = store_status(line, store_request(DX, uid, small_image(uid, uid)))
            line.request(RELEASE_PDU)
            return status == 0x0000
    except OSError:
        return False


def strays(node: Listening) -> list[str]:
    """Everything that a peer's name has put where no file of its may be."""
    state = node.node.folder / "state"
    inside = [path.relative_to(state).as_posix() for path in state.rglob("*")]
    unknown = [path for path in inside if not KNOWN.fullmatch(path)]
    beside = {path.name for path in node.node.folder.iterdir()} - {"state", "node.toml", "listen.log"}
    places = (Path(tempfile.gettempdir()), Path.cwd(), Path("/"), node.node.folder.parent)
    escaped = [str(path) for place in places for path in place.glob(f"*{TOKEN}*")]
    return [*unknown, *beside, *escaped]
