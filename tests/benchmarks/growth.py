"""How cost grows: with studies that wait, with associations, with pixels."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from ra_node.bootstrap.state import default_settings
from ra_node.bootstrap.working import reading_rules
from ra_node.domain.job import JobKind
from ra_node.ledger.engine import Ledger, open_ledger
from ra_node.ledger.inbox import NewInstance, keep_instance, settle_due
from ra_node.ledger.queue import claim, release
from ra_node.phantom.study import ImageRecipe, phantom_study, wrap
from ra_node.services.analyse import look_at_file
from tests.benchmarks.receivers import node_listening
from tests.benchmarks.receiving import rate, write_images
from tests.benchmarks.scale import Scale
from tests.benchmarks.table import Row

DX = "1.2.840.10008.5.1.4.1.1.1.1"


def measure(folder: Path, scale: Scale) -> Iterator[Row]:
    """Each cost beside that of the smallest load."""
    yield from growing("claim with {} studies waiting", claims(folder, scale.waiting), "ms")
    yield from growing("{} associations", associations(folder, scale), "images/s")
    yield from growing("read and find in {} megapixels", pixels(folder, scale.megapixels), "s of CPU")


def growing(name: str, costs: Iterator[tuple[int, float]], unit: str) -> Iterator[Row]:
    """Rows beside the first of them."""
    first = 0.0
    for load, cost in costs:
        first = first or cost
        yield Row(name.format(load), f"{cost:.2f} {unit}", f"{first:.2f} {unit}", cost / first)


def claims(folder: Path, loads: tuple[int, ...]) -> Iterator[tuple[int, float]]:
    """Milliseconds to claim a batch and look what settles, beside so many studies."""
    ledger = open_ledger(f"sqlite:///{folder / 'ledger.sqlite3'}")
    kept = 0
    for load in loads:
        for number in range(kept, load):
            keep_instance(ledger, _instance(number))
        kept = load
        yield load, 1000 * median_s(lambda: _look(ledger))
    ledger.close()


def _look(ledger: Ledger) -> None:
    for job in claim(ledger, (JobKind.EXAMINE, JobKind.REPORT), "growth", 1, 60.0):
        release(ledger, job)
    settle_due(ledger, 3600.0, 7200.0)


def _instance(number: int) -> NewInstance:
    uid = f"1.2.3.{number}"
    return NewInstance(f"{uid}.1.1", uid, f"{uid}.1", DX, "1.2.840.10008.1.2.1", "none", 1, "CT")


def associations(folder: Path, scale: Scale) -> Iterator[tuple[int, float]]:
    """Images a second over so many associations at once."""
    each = max(1, scale.images // 4)
    with node_listening(folder / "node") as port:
        sent = 0
        for load in scale.associations:
            batches = [
                write_images(folder / f"{load}-{at}", each, first=1 + sent + at * each) for at in range(load)
            ]
            sent += load * each
            yield load, rate(port, batches)


def pixels(folder: Path, loads: tuple[int, ...]) -> Iterator[tuple[int, float]]:
    """CPU seconds to read an image of so many megapixels and to find its hands."""
    cv2.setNumThreads(1)
    rules = reading_rules(default_settings())
    drawn = phantom_study()[0].pixel_array.astype(np.uint16)
    for load in loads:
        scale = (load * 1e6 / drawn.size) ** 0.5
        grown = cv2.resize(drawn, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        path = folder / f"{load}.dcm"
        wrap(grown, ImageRecipe(f"growth {load}"), white=4095).save_as(path, enforce_file_format=True)
        yield load, median_s(lambda: look_at_file(path, rules), clock=time.process_time)  # noqa: B023


def median_s(act: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Median of five, after one to warm up."""
    act()
    taken = []
    for _ in range(5):
        start = clock()
        act()
        taken.append(clock() - start)
    return statistics.median(taken)
