"""A node of the code of 0.1.0, and its data folder with work in flight taken over by today's roles."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from ra_node.network.scp.loopback_archive import LoopbackArchive
from ra_node.network.scu.c_store import OutgoingObject, echo, send
from ra_node.network.status.c_store import Answer
from ra_node.web.passwords import Passwords
from tests.conftest import wait_until
from tests.node.harness import Node
from tests.node.studies import two_hands
from tests.ports import free_port
from tests.torture.table import Row

PASSWORD = "correct horse battery"


class ReleasedNode:
    """Commands of that code on a node's folder."""

    def __init__(self, sources: Path, node: Node) -> None:
        self.sources, self.node = sources, node
        self.environment = {**os.environ, "PYTHONPATH": str(sources)}

    def _argv(self, words: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "ra_node", *words, "--config", str(self.node.config)]

    def cli(self, *words: str, said: str | None = None) -> str:
        done = subprocess.run(
            self._argv(words),
            cwd=self.sources,
            env=self.environment,
            input=said,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if done.returncode:
            raise AssertionError((words, done.stdout, done.stderr))
        return done.stdout

    @contextmanager
    def killed_after(self, *roles: str) -> Iterator[None]:
        """Roles of that code while the block runs, then the power fails."""
        with (self.node.folder / "released.log").open("ab") as log:
            running = [
                subprocess.Popen(
                    self._argv([role]), cwd=self.sources, env=self.environment, stdout=log, stderr=log
                )
                for role in roles
            ]
            try:
                yield
            finally:
                for one in running:
                    one.send_signal(signal.SIGKILL)
                    one.wait(60)


def stored(node: Node, folder: Path, seed: int) -> str:
    """Store a study of two hands in the node; its UID."""
    image = two_hands(seed)
    path = folder / f"{seed}.dcm"
    image.save_as(path, enforce_file_format=True)
    syntax = str(image.file_meta.TransferSyntaxUID)
    one = OutgoingObject(path, str(image.SOPClassUID), str(image.SOPInstanceUID), syntax)
    (outcome,) = send(node.address, [one]).outcomes
    if outcome.answer is not Answer.ACCEPTED:
        raise AssertionError(outcome)
    return str(image.StudyInstanceUID)


def jobs(node: Node, kind: str) -> int:
    """How many jobs of a kind the ledger holds."""
    ledger = sqlite3.connect(f"file:{node.folder / 'state' / 'ledger.sqlite3'}?mode=ro", uri=True)
    with closing(ledger):
        return int(ledger.execute("SELECT count(*) FROM job WHERE kind = ?", [kind]).fetchone()[0])


def taken_over(folder: Path, sources: Path) -> list[Row]:
    """One study waits for delivery, one for analysis; bundle promoted, account made; then today's roles."""
    port = free_port()
    node = Node(folder / "node", [("pacs", "PACS", port)], forked=True)
    node.write_config()
    written = node.config.read_text(encoding="utf-8")
    released = ReleasedNode(sources, node)
    bundle = _promoted(released)
    released.cli("web-password", "ann", said=PASSWORD + "\n")
    with released.killed_after("listen", "work", "schedule"):
        wait_until(lambda: echo(node.address).alive, "0.1.0 to answer C-ECHO")
        waiting = stored(node, folder, 311)
        wait_until(lambda: jobs(node, "deliver"), "the report of 0.1.0 to wait for its delivery", 240)
    with released.killed_after("listen"):
        wait_until(lambda: echo(node.address).alive, "0.1.0 to answer C-ECHO")
        flying = stored(node, folder, 312)
    with LoopbackArchive(folder / "archive", ae_title="PACS", port=port) as archive:
        node.start(["schedule", "work", "deliver"])
        try:
            wait_until(lambda: len(archive.objects) >= 4, "two objects of each study in the archive", 240)
            told = {study: json.loads(node.cli("studies", study, "--json")) for study in (waiting, flying)}
            history = node.cli("bundle", "history")
        finally:
            node.stop()
    accounts = Passwords(node.folder / "state" / "web-passwords")
    return [
        ("report that waited for its delivery", "arrived", "Right hand" in told[waiting]["text"]),
        ("image that waited for its analysis", "answered", "Right hand" in told[flying]["text"]),
        ("objects in the PACS", str(len(archive.objects)), len(archive.objects) == 4),
        ("promoted bundle", f"{bundle} is in use", bundle in history),
        ("configuration", "unchanged and read", node.config.read_text(encoding="utf-8") == written),
        ("account of the page", "signs in", accounts.verify("ann", PASSWORD)),
    ]


def _promoted(released: ReleasedNode) -> str:
    """Install and promote the bundle that 0.1.0 brought; the start of its hash."""
    released.cli("bundle", "install", str(released.sources / "config/bundles/demo"))
    (installed,) = json.loads(released.cli("bundle", "list", "--json"))[:1]
    sha256 = str(installed["sha256"])[:12]
    released.cli("bundle", "promote", sha256)
    return sha256
