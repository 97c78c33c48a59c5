"""A reader study of 10,000 hands beside one of 100: list, next hand, a mark, and their memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from ra_node.domain.reader_study.plan import StudyPlan
from ra_node.ledger.database.engine import open_ledger
from ra_node.ledger.storage.durable_files import Files
from ra_node.services.reader_studies.reading import list_hands, next_hand, studies_of
from tests.benchmarks.growth import growing, median_s
from tests.benchmarks.scale import Scale
from tests.benchmarks.table import Row
from tests.services.reader_studies.builders import ANNA, Reading, new_study, whole

MOST_S = 0.2
"""Server time of one request."""


def measure(folder: Path, scale: Scale) -> Iterator[Row]:
    """Each cost beside that of the smallest reader study, and beside the target."""
    made = {hands: study_of(folder / str(hands), hands) for hands in scale.study_hands}
    for name, act in ACTS.items():
        costs = [(hands, 1000 * cost_s(partial(act, study))) for hands, study in made.items()]
        yield from growing(f"reader study of {{}} hands: {name}", iter(costs), "ms of CPU")
        hands, cost_ms = costs[-1]
        share = cost_ms / 1000 / MOST_S
        yield Row(
            f"{name}, {hands} hands, share of 0.2 s", f"{cost_ms:.1f} ms", "", share, 1.0, at_least=False
        )
    peaks = [(hands, peak_kib(study)) for hands, study in made.items()]
    yield from growing(
        "reader study of {} hands: peak memory of list, next hand and mark", iter(peaks), "KiB"
    )
    for study in made.values():
        study.ledger.close()


def study_of(folder: Path, hands: int) -> Reading:
    """A reader study with hidden repeats, of which nothing is read."""
    folder.mkdir(parents=True)
    ledger = open_ledger(f"sqlite:///{folder}/ledger.sqlite3")
    return new_study(ledger, Files(folder), hands, plan=StudyPlan(repeats=0.1))


def cost_s(act: Callable[[], object]) -> float:
    """CPU seconds of an act."""
    return median_s(act, clock=time.process_time)


def mark_next(study: Reading) -> None:
    """Ask for the next hand and stage it."""
    task = next_hand(study.ledger, study.files, study.id, ANNA)
    assert task is not None
    study.mark(ANNA, task.task, whole(1), task.sequence + 1)


def peak_kib(study: Reading) -> float:
    """Peak of Python's memory during one of each act."""
    tracemalloc.start()
    for act in ACTS.values():
        act(study)
    peak = tracemalloc.get_traced_memory()[1] / 1024
    tracemalloc.stop()
    return peak


ACTS: dict[str, Callable[[Reading], object]] = {
    "list of studies": lambda study: studies_of(study.ledger, ANNA),
    "list of hands": lambda study: list_hands(study.ledger, study.id, ANNA),
    "next hand": lambda study: next_hand(study.ledger, study.files, study.id, ANNA),
    "next hand and a mark": mark_next,
}
