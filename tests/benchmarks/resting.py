"""How soon the listener answers after its start, and what the roles hold and spend while nothing happens."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ra_node.network.scu.c_store import echo
from tests.benchmarks.burst import cpu_seconds
from tests.benchmarks.processes import resident_mib
from tests.benchmarks.scale import Scale
from tests.benchmarks.table import Row
from tests.conftest import wait_until
from tests.node.harness import Node

IDLE_S = 5.0
MEMORY_MIB = {"listen": 120.0, "work": 1.2 * 1024}


def measure(folder: Path, scale: Scale) -> Iterator[Row]:
    """Starts in turn with the import of torch, then one node at rest."""
    Node(folder / "first", destinations=[]).start(
        []
    )  # nothing of it is timed: the disk reads every module once
    ours, peer = [], []
    for number in range(scale.starts + 1):
        peer.append(import_torch_s())
        ours.append(first_echo_s(folder / f"start-{number}"))
    mine, theirs = statistics.median(ours[1:]), statistics.median(peer[1:])
    yield Row(
        "listen: start to first echo, beside import torch",
        f"{mine:.2f} s",
        f"{theirs:.2f} s",
        mine / theirs,
        1.0,
        at_least=False,
    )
    yield from at_rest(folder / "rest")


def first_echo_s(folder: Path) -> float:
    """Seconds from the start of the process to its first answer; its ledger is made before."""
    node = Node(folder, destinations=[])
    node.start(["listen"])
    node.stop()
    start = time.monotonic()
    node.start([])
    argv = [sys.executable, "-m", "ra_node", "listen", "--config", str(node.config)]
    with (folder / "again.log").open("wb") as log:
        node.roles["listen"] = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        wait_until(lambda: echo(node.address).alive, "the first echo", 600)
        return time.monotonic() - start
    finally:
        node.stop()


def import_torch_s() -> float:
    """Seconds of a process that does no more than import torch."""
    start = time.monotonic()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    return time.monotonic() - start


def at_rest(folder: Path) -> Iterator[Row]:
    """Resident memory, shared parts once, and CPU over some quiet seconds."""
    node = Node(folder, [("pacs", "PACS", 9)])
    node.start()
    try:
        wait_until(lambda: '"role_startup_completed"' in node.log("work"), "the networks", 600)
        time.sleep(1)
        before = cpu_seconds(node)
        time.sleep(IDLE_S)
        spent = cpu_seconds(node)
        for role, process in node.roles.items():
            mib, most = resident_mib(process.pid), MEMORY_MIB.get(role)
            yield Row(
                f"memory at rest: {role}",
                f"{mib:.0f} MiB",
                f"{most:.0f} MiB" if most else "",
                mib / most if most else None,
                1.0 if most else None,
                at_least=False,
            )
        for role, used in spent.items():
            yield Row(f"CPU at rest: {role}", f"{100 * (used - before[role]) / IDLE_S:.1f} % of a core")
    finally:
        node.stop()
