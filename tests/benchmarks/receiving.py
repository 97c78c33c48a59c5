"""Durable receive: images a second beside DCMTK's and Orthanc's receivers and beside the disk itself."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import numpy as np

from tests.benchmarks.processes import cpu_s
from tests.benchmarks.receivers import PlainNode, node_listening, orthanc, storescp
from tests.benchmarks.scale import Scale
from tests.benchmarks.table import Row
from tests.conftest import find_tool
from tests.node.harness import Node
from training.phantom.study import ImageRecipe, wrap

ROWS, COLUMNS = 2000, 2500
"""10 MB of 16 bits."""
TOGETHER = 4
Receiver = Callable[[Path], AbstractContextManager[int]]
HURRIED = {"TCP_NODELAY": "1"}
"""With it in its environment DCMTK, and so Orthanc, holds no packet back. By default it waits until the one
before is acknowledged, which the other side's system leaves for 40 ms if nothing is done about it there."""
CASES: dict[str, tuple[Receiver, dict[str, str]]] = {
    "node": (node_listening, {}),
    "storescp": (storescp, {}),
    "Orthanc": (orthanc, {}),
    "storescp with TCP_NODELAY": (partial(storescp, **HURRIED), {}),
    "Orthanc with TCP_NODELAY": (partial(orthanc, **HURRIED), {}),
    "node, sender too": (node_listening, HURRIED),
    "storescp, sender too": (partial(storescp, **HURRIED), HURRIED),
}
"""Who receives, and what the sender finds in its environment."""
TARGETS = {
    "storescp": 3.0,
    "Orthanc": 5.0,
    "storescp with TCP_NODELAY": 3.0,
    "Orthanc with TCP_NODELAY": 5.0,
}


def measure(folder: Path, scale: Scale) -> Iterator[Row]:
    """Send the same files to all receivers in turn, `scale.rounds` times, and compare medians."""
    files = write_images(folder / "images", scale.received)
    rates: dict[str, list[float]] = {}
    for _ in range(scale.rounds):
        for name, (receiver, environment) in CASES.items():
            with receiver(folder / "receiver") as port:
                send_by_dcmsend(port, files[:1], **environment)
                rates.setdefault(name, []).append(rate(port, [files], **environment))
                if name == "node":
                    rates.setdefault("together", []).append(rate(port, copies(files, folder / "more")))
            shutil.rmtree(folder / "receiver")
        rates.setdefault("disk", []).append(disk_rate(files, folder / "disk"))
    yield from rows(rates)
    yield cpu_row(folder / "cpu", files)


def cpu_row(folder: Path, files: Sequence[Path]) -> Row:
    """CPU time of the listener for an image, with its own hot path and with pynetdicom's."""
    own, plain = (cpu_ms(kind(folder / kind.__name__, []), files) for kind in (Node, PlainNode))
    name = "receive: CPU of an image, beside plain pynetdicom with TCP options"
    return Row(name, f"{own:.1f} ms", f"{plain:.1f} ms", own / plain, at_least=False)


def cpu_ms(node: Node, files: Sequence[Path]) -> float:
    """CPU time of an image in the listener, in one association; at least a clock tick in all."""
    node.start(["listen"])
    try:
        send_by_dcmsend(node.port, files[:1])
        before = cpu_s(node.roles["listen"].pid)
        send_by_dcmsend(node.port, files[1:])
        spent = max(cpu_s(node.roles["listen"].pid) - before, 1 / os.sysconf("SC_CLK_TCK"))
    finally:
        node.stop()
    return 1000 * spent / (len(files) - 1)


def rows(rates: dict[str, list[float]]) -> Iterator[Row]:
    """What the issue asks of the rates: ratios of medians over the rounds."""
    middle = {name: statistics.median(each) for name, each in rates.items()}
    shown = {name: f"{rate:.1f}/s" for name, rate in middle.items()}
    own, together, disk = middle["node"], middle["together"], middle["disk"]
    ours = f"{shown['node']} ({min(rates['node']):.1f}-{max(rates['node']):.1f})"
    for peer, target in TARGETS.items():
        yield Row(f"durable receive, beside {peer}", ours, shown[peer], own / middle[peer], target)
    hurried, theirs = "node, sender too", "storescp, sender too"
    yield Row(
        "the same where the sender has it too",
        shown[hurried],
        shown[theirs],
        middle[hurried] / middle[theirs],
    )
    many = f"{TOGETHER} associations"
    yield Row(f"{many}, beside one", shown["together"], shown["node"], together / own, 1.5)
    yield Row("durable receive, share of the disk's", ours, shown["disk"], own / disk, 0.6)
    yield Row(f"{many}, share of the disk's", shown["together"], shown["disk"], together / disk)


def write_images(folder: Path, count: int, first: int = 1) -> list[Path]:
    """Files of 10 MB that differ in their instance only."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 4096, (ROWS, COLUMNS)).astype(np.uint16)
    paths = []
    for number in range(first, first + count):
        image = wrap(pixels, ImageRecipe("receive", instance_number=number), white=4095)
        paths.append(folder / f"{number:04d}.dcm")
        image.save_as(paths[-1], enforce_file_format=True)
    return paths


def copies(files: Sequence[Path], folder: Path) -> list[list[Path]]:
    """As many new images again, dealt out to the associations; made once."""
    made = sorted(folder.glob("*.dcm")) or write_images(folder, len(files), first=len(files) + 1)
    return [made[at::TOGETHER] for at in range(TOGETHER)]


def rate(port: int, batches: Sequence[Sequence[Path]], **environment: str) -> float:
    """Images a second over all batches, each of which goes by an association of its own at the same time."""
    start = time.monotonic()
    senders = [_dcmsend(port, batch, environment) for batch in batches if batch]
    said = [sender.communicate(timeout=600)[1] for sender in senders]
    seconds = time.monotonic() - start
    for sender, words in zip(senders, said, strict=True):
        if sender.returncode != 0:
            raise SystemExit(f"dcmsend failed: {words.decode(errors='replace')[-500:]}")
    return sum(map(len, batches)) / seconds


def send_by_dcmsend(port: int, files: Sequence[Path], **environment: str) -> None:
    """Send files in one association."""
    rate(port, [files], **environment)


def disk_rate(files: Sequence[Path], folder: Path) -> float:
    """Files a second that this disk takes one after the other: copy and sync, without names and rows."""
    folder.mkdir()
    start = time.monotonic()
    for file in files:
        with file.open("rb") as source, (folder / file.name).open("wb") as copy:
            shutil.copyfileobj(source, copy, 2**20)
            copy.flush()
            os.fsync(copy.fileno())
    seconds = time.monotonic() - start
    shutil.rmtree(folder)
    return len(files) / seconds


def _dcmsend(port: int, files: Sequence[Path], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    argv = [find_tool("dcmsend"), "-aet", "STORESCU", "-aec", "RA_NODE", "127.0.0.1", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen([*argv, *map(str, files)], env={**os.environ, **environment}, **quiet)
