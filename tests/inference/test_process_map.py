"""Work is shared among processes, comes back in order, and leaves no process behind."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ra_node.errors import Fatal
from ra_node.inference import process_map
from ra_node.inference.process_map import FEWEST, side_by_side
from tests.conftest import REPOSITORY, wait_until
from tests.finders import demo_detector
from tests.training.process_functions import killed, told
from tests.training.recipe_builders import small_recipe
from training.data import phantom_dataset as phantoms
from training.data.dataset import stacked
from training.data.phantom_dataset import phantom_rows


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that import little: here they only answer."""
    monkeypatch.setattr(process_map, "_begin", None)


@pytest.mark.usefixtures("light")
def test_what_processes_make_comes_in_order_and_so_does_what_they_raise() -> None:
    came: list[tuple[int, int]] = []
    with pytest.raises(Fatal, match="found 5"):
        came.extend(side_by_side(told, range(8), processes=2))
    assert [number for number, _ in came] == [0, 1, 2, 3, 4]
    assert os.getpid() not in {process for _, process in came}


def test_little_work_is_done_here() -> None:
    assert {process for _, process in side_by_side(told, [0] * (2 * FEWEST - 1))} == {os.getpid()}


@pytest.mark.usefixtures("light")
def test_a_process_that_is_killed_is_told() -> None:
    with pytest.raises(Fatal, match="short of memory"):
        list(side_by_side(killed, range(4), processes=2))


def test_drawn_hands_are_the_same_to_the_bit_whoever_draws_them(monkeypatch: pytest.MonkeyPatch) -> None:
    here = stacked(list(phantom_rows(small_recipe(), demo_detector(), lambda *_: None)))
    monkeypatch.setattr(phantoms, "side_by_side", partial(side_by_side, processes=2))
    said: list[tuple[int, int]] = []
    there = stacked(list(phantom_rows(small_recipe(), demo_detector(), lambda *given: said.append(given))))
    assert np.array_equal(here.images, there.images)
    assert here.patients.tolist() == there.patients.tolist()
    assert here.stages.tolist() == there.stages.tolist()
    assert said == [(done, said[-1][1]) for done in range(1, said[-1][1] + 1)]


LONG = """
import sys
from tests.training.process_functions import at_work
from ra_node.inference.process_map import side_by_side
list(side_by_side(at_work, sys.argv[1:], processes=2))
"""


def test_no_process_outlives_the_one_that_was_killed(tmp_path: Path) -> None:
    """They would wait for work for ever: each holds the other end of its own queue."""
    notes = [tmp_path / "one", tmp_path / "two"]
    words = [sys.executable, "-c", LONG, *map(str, notes)]
    # The library's own process, which cleans up after a kill, says so.
    with subprocess.Popen(words, cwd=REPOSITORY, stderr=subprocess.DEVNULL) as running:
        try:
            wait_until(lambda: all(note.exists() and note.read_text() for note in notes), "both at work")
        finally:
            running.kill()
    started = [int(note.read_text()) for note in notes]
    wait_until(lambda: not any(map(lives, started)), "the end of both")


def lives(process: int) -> bool:
    """Whether it is there and not merely waits to be buried."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
