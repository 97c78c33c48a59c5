"""A traced node does its work once; then the power is cut at every moment of that history."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from ra_node.ledger.database.engine import open_ledger
from ra_node.network.scu.c_store import echo
from tests.conftest import wait_until
from tests.node.harness import Node
from tests.torture.campaign import at_rest
from tests.torture.load import STORESCU, Image, store
from tests.torture.simulated_disk import Cuts, Disk, cut_everywhere, lay_out
from tests.torture.syscalls import Acknowledgement, Call, acknowledgements, calls_of, start_traced, written

PATIENCE_S = 600.0
"""For a role under a tracer on a busy machine to end."""

STEPS = (
    "data set written",
    "file synced",
    "file moved into the inbox",
    "folder synced",
    "row written to the log of the ledger",
    "log synced",
    "Success sent",
)


@dataclass
class History:
    """What the traced roles did, and what their senders were told."""

    root: Path
    calls: list[Call]
    acknowledged: list[Acknowledgement]
    images: dict[str, Image]
    seconds: float = 0.0
    ledger_paths: dict[str, str] = field(default_factory=dict)


def record(
    folder: Path,
    images: Sequence[Image],
    roles: Sequence[str],
    destination: tuple[str, str, int],
    broken: str = "",
) -> History:
    """Run roles under strace, send images by storescu, wait for rest where a worker runs, and stop."""
    started = time.monotonic()
    node = Node(folder / "node", [destination], sources=[STORESCU], quiet_s=0.2)
    node.write_config()
    traces = {role: folder / "trace" / role for role in roles}
    for role in roles:
        node.roles[role] = start_traced(role, node.config, traces[role], node.folder / f"{role}.log", broken)
    wait_until(lambda: echo(node.address).alive, "the node's C-ECHO", 600)
    acknowledged: set[str] = set()
    for image in images:
        acknowledged |= store(STORESCU, node.port, [image])
    state = node.folder / "state"
    ledger = open_ledger(f"sqlite:///{state / 'ledger.sqlite3'}")
    if "work" in roles:
        wait_until(lambda: at_rest(ledger), "the traced node to come to rest", 900)
    ledger.close()
    for process in node.roles.values():
        process.terminate()
    for role, process in node.roles.items():
        process.wait(PATIENCE_S)
        wait_until(lambda: written(traces[role], process), f"the trace of {role}", 60)  # noqa: B023
    calls = calls_of(*traces.values())
    told = [one for one in acknowledgements(calls) if one.sop_instance_uid in acknowledged]
    return History(state, calls, told, {i.sop_instance_uid: i for i in images}, time.monotonic() - started)


def cut(history: History, folder: Path, seed: int) -> Cuts:
    """Cut the power everywhere in a history."""
    return cut_everywhere(
        history.calls, history.acknowledged, history.root, folder, _whole(history.images), seed
    )


def _whole(images: dict[str, Image]):
    pixels = {uid: dcmread(one.path).PixelData for uid, one in images.items()}

    def whole(uid: str, contents: bytes) -> bool:
        try:
            return bool(dcmread(io.BytesIO(contents)).get("PixelData") == pixels[uid])
        except (InvalidDicomError, EOFError):
            return False

    return whole


def survivors_at(history: History, moment: float, folder: Path) -> list[str]:
    """Lay out what a power cut at a moment leaves; return the instances acknowledged before it."""
    disk = Disk(history.root)
    for call in history.calls:
        if call.ended <= moment:
            disk.do(call)
    lay_out(disk.survivors(), folder)
    return [one.sop_instance_uid for one in history.acknowledged if one.at <= moment]


def steps_in_order(history: History, acknowledged: Acknowledgement) -> list[str]:
    """The steps that one image took before its Success, in the order in which they were done.

    The image's file is the one that was moved into the inbox last before the Success; images of a
    history are sent one after the other, so that no other comes between.
    """
    before = [call for call in history.calls if call.ended <= acknowledged.at]
    move = next((c for c in reversed(before) if c.name.startswith("rename") and "/inbox/" in c.other), None)
    if move is None:
        return ["Success sent"]
    file, folder = move.path, move.other.rpartition("/")[0]
    last = {
        "data set written": _last(before, ("write", "writev", "pwrite64"), file),
        "file synced": _last(before, ("fsync", "fdatasync"), file),
        "file moved into the inbox": move.ended,
        "folder synced": _last(before, ("fsync",), folder, after=move.ended),
        "row written to the log of the ledger": _first(before, ("pwrite64",), "-wal", after=move.ended),
        "log synced": _last(before, ("fsync", "fdatasync"), "-wal", after=move.ended),
        "Success sent": acknowledged.at,
    }
    done = {step: at for step, at in last.items() if at is not None}
    return sorted(done, key=lambda step: done[step])


def _last(calls: Sequence[Call], names: tuple[str, ...], path: str, after: float = 0.0) -> float | None:
    found = [c.ended for c in calls if c.name in names and c.path.endswith(path) and c.ended >= after]
    return found[-1] if found else None


def _first(calls: Sequence[Call], names: tuple[str, ...], path: str, after: float) -> float | None:
    return next(
        (c.ended for c in calls if c.name in names and c.path.endswith(path) and c.ended >= after), None
    )
