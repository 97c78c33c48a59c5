"""How cost grows: with studies that wait, with associations, with pixels."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

import cv2
import numpy as np

from ra_node.bootstrap.analysis import reading_rules
from ra_node.bootstrap.node_context import default_settings
from ra_node.domain.job import JobKind
from ra_node.ledger.database.engine import Ledger, open_ledger
from ra_node.ledger.database.schema import DeliveryState
from ra_node.ledger.deliveries import DeliveryOutcome, pending_deliveries, record_delivery
from ra_node.ledger.findings import finish_examination
from ra_node.ledger.inbox import NewInstance, keep_instance, settle_due, settle_now
from ra_node.ledger.jobs.queue import claim, release
from ra_node.ledger.results import finish_report
from ra_node.services.analysis.study_analysis import look_at_file
from tests.benchmarks.receivers import node_listening
from tests.benchmarks.receiving import rate, write_images
from tests.benchmarks.scale import Scale
from tests.benchmarks.table import Row
from tests.ledger.builders import result_of
from training.phantom.study import ImageRecipe, phantom_study, wrap

DX = "1.2.840.10008.5.1.4.1.1.1.1"


def measure(folder: Path, scale: Scale) -> Iterator[Row]:
    """Each cost beside that of the smallest load."""
    yield from growing("claim and look with {} studies waiting", claims(folder, scale.waiting), "ms of CPU")
    through = passages(folder, scale.waiting)
    yield from growing("a study's rows from arrival to delivery, {} waiting", through, "ms of CPU")
    yield from growing("{} associations", associations(folder, scale), "images/s")
    yield from growing("read and find in {} megapixels", pixels(folder, scale.megapixels), "s of CPU")


def growing(name: str, costs: Iterator[tuple[int, float]], unit: str) -> Iterator[Row]:
    """Rows beside the first of them."""
    first = 0.0
    for load, cost in costs:
        first = first or cost
        yield Row(name.format(load), f"{cost:.2f} {unit}", f"{first:.2f} {unit}", cost / first)


def claims(folder: Path, loads: tuple[int, ...]) -> Iterator[tuple[int, float]]:
    """CPU milliseconds to claim a job and look what settles, beside so many studies."""
    with waiting_studies(folder / "claims.sqlite3", loads) as ledgers:
        for load, ledger in ledgers:
            yield load, 1000 * median_s(partial(_look, ledger), clock=time.process_time)


def passages(folder: Path, loads: tuple[int, ...]) -> Iterator[tuple[int, float]]:
    """CPU milliseconds of everything that is written of one study, while so many others wait."""
    numbers = count(max(loads))
    with waiting_studies(folder / "passages.sqlite3", loads) as ledgers:
        for load, ledger in ledgers:
            yield load, 1000 * median_s(lambda: _pass(ledger, next(numbers)), clock=time.process_time)  # noqa: B023


@contextmanager
def waiting_studies(file: Path, loads: tuple[int, ...]) -> Iterator[Iterator[tuple[int, Ledger]]]:
    """One ledger, filled up to each load in turn with studies that nobody has looked at."""
    ledger = open_ledger(f"sqlite:///{file}")

    def filled() -> Iterator[tuple[int, Ledger]]:
        kept = 0
        for load in loads:
            for number in range(kept, load):
                keep_instance(ledger, _instance(number))
            kept = load
            yield load, ledger

    try:
        yield filled()
    finally:
        ledger.close()


def _pass(ledger: Ledger, number: int) -> None:
    """One more study comes, and the one that waits longest is examined, settled, answered and delivered."""
    keep_instance(ledger, _instance(number))
    (examine,) = claim(ledger, (JobKind.EXAMINE, JobKind.REPORT), "growth", 1, 60.0)
    finish_examination(ledger, examine, "{}", None, "bundle")
    settle_now(ledger, examine.study_uid)
    (report,) = claim(ledger, (JobKind.REPORT,), "growth", 1, 60.0)
    result, objects = result_of(report)
    finish_report(ledger, report, result, objects, [(made.sop_instance_uid, "pacs") for made in objects])
    (deliver,) = claim(ledger, (JobKind.DELIVER,), "growth", 1, 60.0, peer="pacs")
    sent = [
        DeliveryOutcome(one.object.sop_instance_uid, DeliveryState.ACCEPTED, 0)
        for one in pending_deliveries(ledger, deliver)
    ]
    record_delivery(ledger, deliver, sent, retry_at=0.0, give_up_after_s=3600.0, commit=False)


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
