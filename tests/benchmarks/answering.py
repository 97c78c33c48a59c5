"""From the last C-STORE response to the report and the overlay in a real Orthanc, beyond any quiet time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pydicom import Dataset

from ra_node.network.scu.c_store import OutgoingObject, send
from tests.benchmarks.scale import Scale
from tests.benchmarks.table import Row
from tests.conftest import find_tool, wait_until
from tests.node.harness import Node, Orthanc
from training.phantom.study import ImageRecipe, phantom_study, wrap

QUIET_S = 1.0
MEDIAN_S, P95_S = 0.8, 1.5


def measure(folder: Path, scale: Scale) -> Iterator[Row]:
    """Time studies one after the other, with quiet time and with a source that says how many there are."""
    pacs = Orthanc(find_tool("Orthanc"), folder / "pacs")
    pacs.start()
    try:
        yield from rows("answer beyond the quiet time", quiet(folder / "quiet", pacs, scale.answers))
        yield from rows(
            "answer, complete by C-FIND, in all", queried(folder / "queried", pacs, scale.answers)
        )
    finally:
        pacs.stop()


def rows(name: str, seconds: list[float]) -> Iterator[Row]:
    """Median and 95th percentile against what the issue asks for."""
    median, p95 = statistics.median(seconds), statistics.quantiles(seconds, n=20)[-1]
    yield Row(f"{name}, median of {len(seconds)}", f"{median:.2f} s", "", median, MEDIAN_S, at_least=False)
    yield Row(f"{name}, 95th percentile", f"{p95:.2f} s", "", p95, P95_S, at_least=False)


def quiet(folder: Path, pacs: Orthanc, count: int) -> list[float]:
    """A source of which nothing is known: it settles by silence."""
    node = Node(folder, [("pacs", pacs.ae_title, pacs.dicom_port)], quiet_s=QUIET_S)
    return [s - QUIET_S for s in answers(node, pacs, count, "quiet", lambda _image, _path: None)]


def queried(folder: Path, pacs: Orthanc, count: int) -> list[float]:
    """The PACS is the source: it has the image, forwards it, and is asked whether that was all."""
    node = Node(folder, [], sources=[pacs.ae_title], quiet_s=600.0)
    node.write_config()
    text = node.config.read_text(encoding="utf-8")
    one = f'[[peer]]\nname = "source0"\nae_title = "{pacs.ae_title}"\nroles = ["source"]\n'
    both = one.replace('"]', '", "destination"]')
    assert one in text
    node.config.write_text(text.replace(one, f'{both}port = {pacs.dicom_port}\ncomplete_by = "query"\n'))

    pacs.introduce("RA_NODE", node.port)  # it lets nobody query whom it does not know

    def at_the_source(image: Dataset, path: Path) -> None:
        address = node.address
        held = [_outgoing(image, path)]
        to_pacs = type(address)("pacs", pacs.ae_title, "127.0.0.1", pacs.dicom_port, calling_ae="STORESCU")
        send(to_pacs, held)

    return answers(node, pacs, count, "queried", at_the_source)


def answers(
    node: Node, pacs: Orthanc, count: int, name: str, prepare: Callable[[Dataset, Path], None]
) -> list[float]:
    """Seconds from the end of each transfer to both results; a first study warms everything up."""
    node.start()
    try:
        wait_until(lambda: '"role_startup_completed"' in node.log("work"), "the networks", 600)
        pixels = phantom_study()[0].pixel_array.astype("uint16")
        return list(
            told(name, (answer(node, pacs, pixels, f"{name} {n}", prepare) for n in range(count + 1)))
        )
    finally:
        node.stop()


def told(name: str, seconds: Iterator[float]) -> Iterator[float]:
    """The same without the first, with a word on each ten of them: a hundred take minutes."""
    for number, taken in enumerate(seconds):
        if number:
            yield taken
        if number and number % 10 == 0:
            print(f"answer, {name}: {number} done, the last in {taken:.2f} s", flush=True)


def answer(node: Node, pacs: Orthanc, pixels, key: str, prepare: Callable[[Dataset, Path], None]) -> float:
    """Send one study and wait until the PACS holds two more instances of it than it was given."""
    image = wrap(pixels, ImageRecipe(key), white=4095)
    path = node.folder / "one.dcm"
    image.save_as(path, enforce_file_format=True)
    prepare(image, path)
    given = len(held_by(pacs, image))
    send(node.address, [_outgoing(image, path)])
    start = time.monotonic()
    wait_until(lambda: len(held_by(pacs, image)) == given + 2, key, 600)
    return time.monotonic() - start


def held_by(pacs: Orthanc, image: Dataset) -> list[str]:
    """Ids of the instances that the PACS holds of the image's study."""
    found = pacs.find("Instance", {"StudyInstanceUID": str(image.StudyInstanceUID)})
    return [one["ID"] for one in found]


def _outgoing(image: Dataset, path: Path) -> OutgoingObject:
    return OutgoingObject(path, image.SOPClassUID, image.SOPInstanceUID, image.file_meta.TransferSyntaxUID)
