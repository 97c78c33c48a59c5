"""A listener as a process of its own, what it has in its data folder, and how it refuses."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association

from ra_node.bootstrap.maintenance import build_tidier
from ra_node.bootstrap.node_context import open_state
from ra_node.cli.exit_codes import Exit
from ra_node.errors import NodeError
from ra_node.services.retention.orphans import ORPHAN_AGE_S
from ra_node.settings.node import load_settings
from tests.dicom.builders import source
from tests.node import forked
from tests.node.harness import Node

SUCCESS, OUT_OF_RESOURCES = 0x0000, 0xA700


def image(number: int) -> Dataset:
    made = source()
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = f"1.2.826.0.1.3680043.2.99.{number}"
    return made


@contextmanager
def listener(folder: Path) -> Iterator[Node]:
    """A node of which only the listener runs."""
    running = Node(folder, [], extra="[limits]\nmin_free_gib = 0\n", forked=True)
    running.start(["listen"])
    yield running
    running.stop()


@contextmanager
def associated(node: Node) -> Iterator[Association]:
    ae = AE(ae_title="STORESCU")
    ae.add_requested_context(str(image(1).SOPClassUID), ExplicitVRLittleEndian)
    association = ae.associate("127.0.0.1", node.port, ae_title="RA_NODE")
    assert association.is_established
    try:
        yield association
    finally:
        association.release()


def store(association: Association, number: int) -> int | None:
    """The status of one C-STORE, None where the association was cut instead."""
    status = association.send_c_store(image(number))
    return status.Status if "Status" in status else None


def send(node: Node, *numbers: int) -> list[int | None]:
    with associated(node) as association:
        return [store(association, number) for number in numbers]


def kept(node: Node, folder: str = "inbox") -> int:
    return sum(path.is_file() and not path.name.startswith(".") for path in (state(node) / folder).rglob("*"))


def state(node: Node) -> Path:
    return node.folder / "state"


def ledger(node: Node) -> Path:
    return state(node) / "ledger.sqlite3"


def marked(node: Node, event: int) -> bool:
    """Whether the folder's mark has reached an event."""
    path = state(node) / "ledger-mark"
    return path.exists() and int(path.read_text().split()[1]) >= event


def checkpoint(node: Node) -> None:
    """Put all of the ledger into its one file, as a copy of it needs: the roles leave a journal beside it."""
    with closing(sqlite3.connect(ledger(node))) as opened:
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for side in ("-wal", "-shm"):
        Path(f"{ledger(node)}{side}").unlink(missing_ok=True)


def newest(node: Node) -> int:
    with closing(sqlite3.connect(ledger(node))) as opened:
        return int(opened.execute("SELECT max(id) FROM event").fetchone()[0])


def run(node: Node, *words: str) -> subprocess.CompletedProcess[str]:
    return forked.run([*words, "--config", str(node.config)])


def sweep(node: Node) -> None:
    """What the role `schedule` does each hour, with every file older than that."""
    old = time.time() - ORPHAN_AGE_S - 60
    for path in state(node).rglob("*"):
        if path.is_file() and path.suffix in (".dcm", ".part", ".png"):
            os.utime(path, (old, old))
    settings = load_settings(node.config)
    with suppress(NodeError):  # it ends where the role would not start
        opened = open_state(settings)
        try:
            tidier = build_tidier(settings, opened)
            tidier.sweep()
            tidier.purge()
        finally:
            opened.ledger.close()


def expect_refusal(node: Node, words: str) -> None:
    """The listener does not start, and check and status say why."""
    done = run(node, "listen")
    assert done.returncode == Exit.NOT_NOW
    assert words in done.stderr
    (row,) = [row for row in json.loads(run(node, "check", "--json").stdout) if "identity" in row["name"]]
    assert not row["ok"]
    assert words in row["found"]
    (alarm,) = json.loads(run(node, "status", "--json").stdout)["alarms"]
    assert alarm["kind"] == "identity"
    assert words in alarm["detail"]
    assert "ALARM identity" in run(node, "status").stdout
