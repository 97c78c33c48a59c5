"""A burst of studies: how many a minute are answered, beside two scripts; CPU by role and by peer."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from ra_node.domain.laterality.evidence import Side
from tests.benchmarks.processes import cpu_s
from tests.benchmarks.receiving import send_by_dcmsend
from tests.benchmarks.scale import Scale
from tests.benchmarks.straightforward import READY, load_networks
from tests.benchmarks.straightforward_less import answer_all
from tests.benchmarks.table import Row
from tests.conftest import find_tool, wait_until
from tests.node.harness import REPOSITORY, Node, Orthanc, free_port
from training.phantom.recipe import HandRecipe, PhantomRecipe
from training.phantom.study import ImageRecipe, phantom_study, wrap

PATIENCE_S = 1800.0
LOOK_S = 0.2
"""Between two looks whether everything is answered, which the PACS has to answer too."""
STAGES = ((0, 0), (2, 3), (4, 0), (0, 0))
"""Of the right and the left hand in the pictures that take turns: three hands of eight are diseased."""
TARGET = 3.0
LESS = "one that has its files for free and does less"
THREADS = sorted({1, os.cpu_count() or 1})
"""Of PyTorch, between which each script has the choice: whichever is faster counts."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What a burst came to: studies a minute, and CPU seconds a study by who spent them."""

    rate: float
    spent: dict[str, float]


def measure(folder: Path, scale: Scale) -> Iterator[Row]:
    """Send all studies at once and wait for the last answer; node and script get them in the same way."""
    files = write_studies(folder / "studies", 1 + scale.burst)
    few = files[: 1 + scale.peer_burst]
    pacs = Orthanc(find_tool("Orthanc"), folder / "pacs")
    pacs.start()
    try:
        bursts = {threads: peer_burst(folder, pacs, few, threads) for threads in THREADS}
        threads, peer = max(bursts.items(), key=lambda one: one[1].rate)
        hurried = peer_burst(folder, pacs, few, threads, hurried=True).rate
        less = max(rate_of_less(pacs, few, threads) for threads in THREADS)
        with node_at_work(folder / "node", pacs) as node:
            ours = burst(pacs, node.port, files, {role: one.pid for role, one in node.roles.items()})
    finally:
        pacs.stop()
    yield from rows(ours, peer, {"it with TCP_NODELAY": hurried, LESS: less}, len(files) - 1)


def rows(ours: Answered, peer: Answered, others: dict[str, float], count: int) -> Iterator[Row]:
    """The ratio to the script and to others, and where the CPU of either side went."""
    name, shown = f"burst of {count} studies", f"{ours.rate:.0f}/min"
    yield Row(
        f"{name}, beside a script that does the same",
        shown,
        f"{peer.rate:.0f}/min",
        ours.rate / peer.rate,
        TARGET,
    )
    for other, rate in others.items():
        yield Row(f"{name}, beside {other}", shown, f"{rate:.0f}/min", ours.rate / rate)
    for who in dict.fromkeys((*ours.spent, *peer.spent)):
        theirs = f"{1000 * peer.spent[who]:.0f} ms" if who in peer.spent else ""
        mine = f"{1000 * ours.spent[who]:.0f} ms" if who in ours.spent else ""
        yield Row(f"burst, CPU a study: {who}", mine, theirs)


def write_studies(folder: Path, count: int) -> list[Path]:
    """Two-hand radiographs of 10 MB, each a study of its own; the first is to warm up."""
    folder.mkdir()
    pictures = [
        phantom_study(PhantomRecipe((HandRecipe(Side.RIGHT, right), HandRecipe(Side.LEFT, left))))[
            0
        ].pixel_array.astype("uint16")
        for right, left in STAGES
    ]
    paths = []
    for number in range(count):
        paths.append(folder / f"{number:04d}.dcm")
        image = wrap(pictures[number % len(pictures)], ImageRecipe(f"burst {number}"), white=4095)
        image.save_as(paths[-1], enforce_file_format=True)
    return paths


def peer_burst(
    folder: Path, pacs: Orthanc, files: Sequence[Path], threads: int, *, hurried: bool = False
) -> Answered:
    """The same burst, sent to the script."""
    with script(folder / f"script-{threads}-{hurried}", pacs, threads, hurried=hurried) as (port, running):
        return burst(pacs, port, files, {"the script": running.pid})


@contextmanager
def script(
    folder: Path, pacs: Orthanc, threads: int, *, hurried: bool
) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """The straightforward script as a process of its own, with its networks loaded."""
    folder.mkdir()
    port = free_port()
    argv = [sys.executable, "-m", "tests.benchmarks.straightforward", str(folder), str(port)]
    with subprocess.Popen(
        [*argv, str(pacs.dicom_port), str(threads), str(int(hurried))],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    ) as running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline().strip() == READY
            yield port, running
        finally:
            running.kill()


@contextmanager
def node_at_work(folder: Path, pacs: Orthanc) -> Iterator[Node]:
    """A node with its networks loaded."""
    node = Node(folder, [("pacs", pacs.ae_title, pacs.dicom_port)], quiet_s=0.5)
    node.start()
    try:
        wait_until(lambda: '"role_startup_completed"' in node.log("work"), "the networks", 600)
        yield node
    finally:
        node.stop()


def burst(pacs: Orthanc, port: int, files: Sequence[Path], processes: dict[str, int]) -> Answered:
    """From the first byte to the last answer in the PACS, after one study to warm up."""
    send_and_wait(pacs, port, files[:1])
    assert pacs.process is not None
    processes = {**processes, "Orthanc": pacs.process.pid}
    before, sender = {who: cpu_s(pid) for who, pid in processes.items()}, children_cpu_s()
    start = time.monotonic()
    send_and_wait(pacs, port, files[1:])
    seconds, count = time.monotonic() - start, len(files) - 1
    spent = {who: (cpu_s(pid) - before[who]) / count for who, pid in processes.items()}
    return Answered(60 * count / seconds, {**spent, "dcmsend": (children_cpu_s() - sender) / count})


def send_and_wait(pacs: Orthanc, port: int, files: Sequence[Path]) -> None:
    """Send files in one association and wait for two answers to each."""
    wanted = instances(pacs) + 2 * len(files)
    send_by_dcmsend(port, files)
    deadline = time.monotonic() + PATIENCE_S
    while instances(pacs) < wanted:
        if time.monotonic() > deadline:
            raise SystemExit(f"waited in vain for {wanted - instances(pacs)} answers")
        time.sleep(LOOK_S)


def rate_of_less(pacs: Orthanc, files: Sequence[Path], threads: int) -> float:
    """Studies a minute of the smaller script, with its networks loaded and warm."""
    torch.set_num_threads(threads)
    networks = load_networks()
    address = ("127.0.0.1", pacs.dicom_port)
    answer_all(files[:1], networks, address)
    start = time.monotonic()
    answer_all(files[1:], networks, address)
    return 60 * (len(files) - 1) / (time.monotonic() - start)


def instances(pacs: Orthanc) -> int:
    """How many objects the PACS holds."""
    return int(pacs.get("/statistics")["CountInstances"])


def cpu_seconds(node: Node) -> dict[str, float]:
    """User and system time of each role so far."""
    return {role: cpu_s(process.pid) for role, process in node.roles.items()}


def children_cpu_s() -> float:
    """User and system time of the programs that this process started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
