"""Worker processes share the networks and die alone; killing their parent ends them too."""

from __future__ import annotations

import os
import signal
from copy import deepcopy
from pathlib import Path

import pytest
from pydicom.uid import generate_uid

from ra_node.bootstrap.analysis import worker_count
from ra_node.network.scp.loopback_archive import LoopbackArchive
from ra_node.runtime.output import RELAY
from tests.benchmarks.processes import forked
from tests.conftest import find_tool, wait_until
from tests.node.harness import Node, run_tool
from tests.node.studies import two_hands

STUDIES = 6
PER_STUDY = 3
"""SR and two overlay images."""

pytestmark = pytest.mark.skipif(worker_count() == 1, reason="one core: the worker forks no process")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    with LoopbackArchive(tmp_path_factory.mktemp("archive"), ae_title="ARCHIVE") as running:
        yield running


@pytest.fixture(scope="module")
def node(tmp_path_factory, archive):
    """One for both tests; the second kills."""
    running = Node(
        tmp_path_factory.mktemp("node"), destinations=[("archive", "ARCHIVE", archive.port)], quiet_s=0.3
    )
    try:
        running.start()
        wait_until(
            lambda: running.log("work").count('"role_startup_completed"') == worker_count(),
            "every worker process",
            600,
        )
        yield running
    finally:
        running.stop()


def worker_pids(node):
    """The processes that the worker has forked to work; the one that passes on its output is none."""
    return [one for one in forked(node.roles["work"].pid) if name_of(one) != RELAY]


def name_of(pid):
    return Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()


def send(node, folder, count):
    """Send the same two hands as so many studies."""
    image, paths = two_hands(seed=72), []
    for number in range(count):
        image = deepcopy(image)
        image.StudyInstanceUID, image.SeriesInstanceUID = generate_uid(), generate_uid()
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        paths.append(folder / f"{image.SOPInstanceUID}.dcm")
        image.save_as(paths[number], enforce_file_format=True)
    argv = ["-aet", "STORESCU", "-aec", "RA_NODE", "127.0.0.1", str(node.port), *map(str, paths)]
    assert run_tool([find_tool("storescu"), *argv]).returncode == 0


def test_worker_processes_hold_the_networks_once(node):
    """What a worker process adds to its parent is a small part of it: the rest is one and the same memory."""
    own = [_private_kib(one) for one in worker_pids(node)]
    whole = _resident_kib(node.roles["work"].pid)
    assert max(own) < whole / 4


def test_a_killed_worker_process_or_worker_loses_no_study_and_doubles_none(node, archive, tmp_path):
    send(node, tmp_path, STUDIES)
    wait_until(lambda: '"image_analysed"' in node.log("work"), "the first image", 600)
    victim, *others = worker_pids(node)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(archive.objects) == PER_STUDY * STUDIES, "every answer", 600)
    wait_until(lambda: len(worker_pids(node)) == worker_count(), "the killed worker", 120)
    assert set(others) < set(worker_pids(node))
    orphans = worker_pids(node)
    node.kill("work")
    wait_until(lambda: not any(Path(f"/proc/{one}").exists() for one in orphans), "their end", 120)
    node.start(["work"])
    send(node, tmp_path, 1)
    wait_until(lambda: len(archive.objects) >= PER_STUDY * (STUDIES + 1), "the answer of the new worker", 600)
    assert len(archive.objects) == PER_STUDY * (STUDIES + 1)
    assert node.log("work").count('"study_reported"') == STUDIES + 1


def _private_kib(pid):
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def _resident_kib(pid):
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Rss:"))
