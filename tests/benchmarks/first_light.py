"""How fast the node receives and answers, and what it costs at rest.

    python -m tests.benchmarks.first_light [--answers 20] [--images 40]

The receive rate stands beside DCMTK's storescp: the same sender, the same files, the same disk, in turn. The
time to answer runs from the last C-STORE response to both results in a real Orthanc; the quiet time is in it.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from pydicom import Dataset

from ra_node.log import configure_logging
from ra_node.network.send import OutgoingObject, send
from ra_node.phantom.study import ImageRecipe, phantom_study, wrap
from tests.conftest import find_tool, wait_until
from tests.node.harness import Node, Orthanc, free_port, run_tool

QUIET_S = 2.0
ROUNDS = 3


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--answers", type=int, default=20)
    arguments.add_argument("--images", type=int, default=40)
    chosen = arguments.parse_args()
    configure_logging("benchmark", level=logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="ra-node-benchmark-") as name:
        folder = Path(name)
        measure_answers(folder, chosen.answers)
        measure_receive(folder, chosen.images)


def measure_answers(folder: Path, count: int) -> None:
    """Time each study by itself, so that one does not wait for another."""
    orthanc = Orthanc(find_tool("Orthanc"), folder / "orthanc")
    orthanc.start()
    node = Node(folder / "node", [("pacs", orthanc.ae_title, orthanc.dicom_port)], quiet_s=QUIET_S)
    node.start()
    try:
        pixels = phantom_study()[0].pixel_array
        wait_until(lambda: '"role_ready"' in node.log("work"), "the networks", 120)
        print_memory(node)
        answer(node, orthanc, folder, pixels, "warm-up")
        seconds = [answer(node, orthanc, folder, pixels, f"study {n}") for n in range(count)]
    finally:
        node.stop()
        orthanc.stop()
    median, p95 = statistics.median(seconds), statistics.quantiles(seconds, n=20)[-1]
    print(f"answer to a two-hand DX of {pixels.nbytes / 1e6:.1f} MB, {count} studies one after the other:")
    print(f"  median {median:.2f} s, p95 {p95:.2f} s, quiet time {QUIET_S:g} s included")
    print(f"  beyond the quiet time: median {median - QUIET_S:.2f} s, p95 {p95 - QUIET_S:.2f} s")


def answer(node: Node, orthanc: Orthanc, folder: Path, pixels: np.ndarray, key: str) -> float:
    """Send one study and wait until the PACS holds the report and the overlay."""
    image = wrap(pixels.astype(np.uint16), ImageRecipe(key), white=4095)
    path = folder / "one.dcm"
    image.save_as(path, enforce_file_format=True)
    one = OutgoingObject(path, image.SOPClassUID, image.SOPInstanceUID, image.file_meta.TransferSyntaxUID)
    send(node.address, [one])
    start = time.monotonic()
    wait_until(lambda: both(orthanc, image), key, 120)
    return time.monotonic() - start


def both(orthanc: Orthanc, image: Dataset) -> bool:
    """The PACS holds two instances of the study: it never got the image itself."""
    return sum(map(len, orthanc.instances_of(str(image.StudyInstanceUID)).values())) == 2


def print_memory(node: Node) -> None:
    """Resident memory of each role at rest."""
    for role, process in node.roles.items():
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
        print(f"memory at rest: {role:<9} {int(line.split()[1]) / 1024:7.0f} MiB")


def measure_receive(folder: Path, count: int) -> None:
    """Send the same 10 MB images to both receivers in turn."""
    files = write_images(folder / "images", count)
    rates: dict[str, list[float]] = {"ra-node": [], "storescp": []}
    for number in range(ROUNDS):
        with receiving_node(folder / f"receive-{number}") as port:
            rates["ra-node"].append(rate(port, files))
        with receiving_storescp(folder / f"storescp-{number}") as port:
            rates["storescp"].append(rate(port, files))
    node, peer = (statistics.median(rates[name]) for name in ("ra-node", "storescp"))
    print(f"receive, one association, {count} images of 10 MB by dcmsend, median of {ROUNDS} rounds:")
    print(f"  ra-node (synced and committed) {node:.1f} images/s, storescp (not synced) {peer:.1f} images/s")
    print(f"  ratio {node / peer:.2f}")


def write_images(folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 4096, (2000, 2500)).astype(np.uint16)
    paths = []
    for number in range(count):
        image = wrap(pixels, ImageRecipe("receive", instance_number=number + 1), white=4095)
        paths.append(folder / f"{number}.dcm")
        image.save_as(paths[-1], enforce_file_format=True)
    return paths


def rate(port: int, files: list[Path]) -> float:
    dcmsend = find_tool("dcmsend")
    argv = [dcmsend, "-aet", "STORESCU", "-aec", "RA_NODE", "127.0.0.1", str(port), *map(str, files)]
    start = time.monotonic()
    done = run_tool(argv, timeout_s=600)
    seconds = time.monotonic() - start
    if done.returncode != 0:
        raise SystemExit(f"dcmsend failed: {done.stderr[-500:]}")
    return len(files) / seconds


@contextmanager
def receiving_node(folder: Path) -> Iterator[int]:
    """The listener alone, as a burst meets it."""
    node = Node(folder, destinations=[])
    node.start(["listen"])
    try:
        yield node.port
    finally:
        node.stop()


@contextmanager
def receiving_storescp(folder: Path) -> Iterator[int]:
    """DCMTK's receiver with its best settings: bit-preserving, largest PDU."""
    folder.mkdir()
    port = free_port()
    argv = [find_tool("storescp"), "+B", "-pdu", "131072", "-od", str(folder), str(port)]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    echoscu = find_tool("echoscu")
    wait_until(lambda: run_tool([echoscu, "127.0.0.1", str(port)]).returncode == 0, "storescp", 20)
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
