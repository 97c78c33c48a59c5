"""Whoever receives in a measurement: the node, and its peers with their own best settings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import find_tool, wait_until
from tests.node.harness import REPOSITORY, Node, Orthanc, run_tool
from tests.ports import free_port

LARGEST_PDU = "131072"


@contextmanager
def node_listening(folder: Path) -> Iterator[int]:
    """The listener alone, as a burst meets it: every image synced and committed before its Success."""
    node = Node(folder, destinations=[])
    node.start(["listen"])
    try:
        yield node.port
    finally:
        node.stop()


class PlainNode(Node):
    """A node whose listener is `plain_listener`."""

    def _started(self, role: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "tests.benchmarks.plain_listener", str(self.config)]
        with (self.folder / f"{role}.log").open("ab") as log:
            return subprocess.Popen(argv, cwd=REPOSITORY, stdout=log, stderr=log)


@contextmanager
def storescp(folder: Path, **environment: str) -> Iterator[int]:
    """DCMTK's receiver: bit-preserving, largest PDU; it syncs nothing."""
    folder.mkdir(parents=True)
    port = free_port()
    argv = [find_tool("storescp"), "+B", "-dhl", "-pdu", LARGEST_PDU, "-od", str(folder), str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(argv, env={**os.environ, **environment}, **quiet)
    echoscu = find_tool("echoscu")
    wait_until(lambda: run_tool([echoscu, "127.0.0.1", str(port)]).returncode == 0, "storescp", 60)
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


@contextmanager
def orthanc(folder: Path, **environment: str) -> Iterator[int]:
    """Orthanc without compression and with the largest PDU; it syncs its files, as it does by default."""
    server = Orthanc(find_tool("Orthanc"), folder, environment=environment)
    server.start()
    try:
        yield server.dicom_port
    finally:
        server.stop()
