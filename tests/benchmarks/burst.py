"""A burst of studies: how many a minute are answered, beside the straightforward script; CPU by role."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from ra_node.phantom.study import ImageRecipe, phantom_study, wrap
from tests.benchmarks.receiving import send_by_dcmsend
from tests.benchmarks.scale import Scale
from tests.benchmarks.straightforward import answer_all, load_networks
from tests.benchmarks.table import Row
from tests.conftest import find_tool, wait_until
from tests.node.harness import Node, Orthanc

PATIENCE_S = 1800.0


def measure(folder: Path, scale: Scale) -> Iterator[Row]:
    """Send all studies at once and wait for the last answer; the script gets its files for nothing."""
    files = write_studies(folder / "studies", scale.burst)
    pacs = Orthanc(find_tool("Orthanc"), folder / "pacs")
    pacs.start()
    try:
        script = script_rate(pacs, files[: scale.peer_burst])
        node = Node(folder / "node", [("pacs", pacs.ae_title, pacs.dicom_port)], quiet_s=0.5)
        node.start()
        try:
            wait_until(lambda: '"role_ready"' in node.log("work"), "the networks", 600)
            before = cpu_seconds(node)
            ours = node_rate(node, pacs, files)
            spent = {role: used - before[role] for role, used in cpu_seconds(node).items()}
        finally:
            node.stop()
    finally:
        pacs.stop()
    shown = f"{ours:.0f}/min"
    yield Row(
        f"burst of {len(files)} studies, beside a script", shown, f"{script:.0f}/min", ours / script, 3.0
    )
    for role, used in spent.items():
        yield Row(f"CPU a study in {role}", f"{1000 * used / len(files):.0f} ms")


def write_studies(folder: Path, count: int) -> list[Path]:
    """Two-hand radiographs of 10 MB, each a study of its own."""
    folder.mkdir()
    pixels = phantom_study()[0].pixel_array.astype("uint16")
    paths = []
    for number in range(count):
        paths.append(folder / f"{number:04d}.dcm")
        image = wrap(pixels, ImageRecipe(f"burst {number}"), white=4095)
        image.save_as(paths[-1], enforce_file_format=True)
    return paths


def node_rate(node: Node, pacs: Orthanc, files: Sequence[Path]) -> float:
    """Studies a minute from the first byte to the last answer in the PACS."""
    before = instances(pacs)
    start = time.monotonic()
    send_by_dcmsend(node.port, files)
    wait_until(lambda: instances(pacs) == before + 2 * len(files), "the last answer", PATIENCE_S)
    return 60 * len(files) / (time.monotonic() - start)


def script_rate(pacs: Orthanc, files: Sequence[Path]) -> float:
    """Studies a minute of the script, with its networks loaded and warm."""
    networks = load_networks()
    address = ("127.0.0.1", pacs.dicom_port)
    with torch.inference_mode():
        answer_all(files[:1], networks, address)
        start = time.monotonic()
        answer_all(files, networks, address)
    return 60 * len(files) / (time.monotonic() - start)


def instances(pacs: Orthanc) -> int:
    """How many objects the PACS holds."""
    return int(pacs.get("/statistics")["CountInstances"])


def cpu_seconds(node: Node) -> dict[str, float]:
    """User and system time of each role so far."""
    ticks = os.sysconf("SC_CLK_TCK")
    spent = {}
    for role, process in node.roles.items():
        fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        spent[role] = (int(fields[11]) + int(fields[12])) / ticks
    return spent
