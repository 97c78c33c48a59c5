"""Durable receive: images a second beside DCMTK's and Orthanc's receivers and beside the disk itself."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from ra_node.phantom.study import ImageRecipe, wrap
from tests.benchmarks.receivers import node_listening, orthanc, storescp
from tests.benchmarks.scale import Scale
from tests.benchmarks.table import Row
from tests.conftest import find_tool

ROWS, COLUMNS = 2000, 2500
"""10 MB of 16 bits."""
TOGETHER = 4
HURRIED = {"TCP_NODELAY": "1"}
"""With it in its environment DCMTK's sender holds no packet back. By default it waits until the packet before
is acknowledged, which receivers that do nothing about it leave to their system: for 40 ms."""
Receiver = Callable[[Path], AbstractContextManager[int]]


def measure(folder: Path, scale: Scale) -> Iterator[Row]:
    """Send the same files to all receivers in turn, `scale.rounds` times, and compare medians."""
    files = write_images(folder / "images", scale.received)
    receivers: dict[str, Receiver] = {"node": node_listening, "storescp": storescp, "Orthanc": orthanc}
    rates: dict[str, list[float]] = {}
    for number in range(scale.rounds):
        for name, receiver in receivers.items():
            with receiver(folder / f"{name}-{number}") as port:
                send_by_dcmsend(port, files[:1])
                rates.setdefault(name, []).append(rate(port, [files]))
                if name == "node":
                    rates.setdefault("together", []).append(rate(port, copies(files, folder / "more")))
            shutil.rmtree(folder / f"{name}-{number}")
            with receiver(folder / f"{name}-{number}-hurried") as port:
                send_by_dcmsend(port, files[:1], **HURRIED)
                rates.setdefault(f"{name}, hurried", []).append(rate(port, [files], **HURRIED))
            shutil.rmtree(folder / f"{name}-{number}-hurried")
        rates.setdefault("disk", []).append(disk_rate(files, folder / "disk"))
    yield from rows(rates)


def rows(rates: dict[str, list[float]]) -> Iterator[Row]:
    """What the issue asks of the rates: ratios of medians over the rounds."""
    middle = {name: statistics.median(each) for name, each in rates.items()}
    own = middle["node"]
    ours = f"{own:.1f}/s ({min(rates['node']):.1f}-{max(rates['node']):.1f})"
    for peer, target in (("storescp", 3.0), ("Orthanc", 5.0)):
        yield Row(
            f"durable receive, beside {peer}", ours, f"{middle[peer]:.1f}/s", own / middle[peer], target
        )
    together, disk = middle["together"], middle["disk"]
    yield Row(
        f"{TOGETHER} associations, beside one", f"{together:.1f}/s", f"{own:.1f}/s", together / own, 1.5
    )
    yield Row("durable receive, share of the disk's", ours, f"{disk:.1f}/s", own / disk, 0.6)
    yield Row(
        f"{TOGETHER} associations, share of the disk's", f"{together:.1f}/s", f"{disk:.1f}/s", together / disk
    )
    for peer in ("storescp", "Orthanc"):
        hurried, theirs = middle["node, hurried"], middle[f"{peer}, hurried"]
        name = f"the same from a sender with TCP_NODELAY, beside {peer}"
        yield Row(name, f"{hurried:.1f}/s", f"{theirs:.1f}/s", hurried / theirs)


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
