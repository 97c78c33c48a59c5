"""How a run goes is told with pace and time left, as a bar or as lines."""

from __future__ import annotations

import io
import signal

import pytest
from rich.console import Console

from ra_node.cli.render_archive_run import LINE_EVERY_S, Pace, watching
from ra_node.runtime.signals import stopping
from ra_node.services.archive_run.journal import QueuedStudies, RunStudyState


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_the_pace_leaves_out_what_was_done_before(clock):
    pace = Pace(clock)
    pace.begin(QueuedStudies(100, 40))
    clock.now = 60.0
    for _ in range(11):
        pace.count(RunStudyState.DONE)
    pace.count(RunStudyState.FAILED)
    assert pace.done == 52
    assert pace.words() == "12.0 studies a minute, 4 min left, 1 failed"


def lines(clock, *steps, terminal=False):
    out = io.StringIO()
    console = Console(file=out, width=200, force_terminal=terminal)
    with watching(console, Pace(clock)) as watcher:
        watcher.begun(QueuedStudies(4, 1))
        for seconds, step in steps:
            clock.now += seconds
            step(watcher)
    return out.getvalue()


def done(watcher):
    watcher.finished(RunStudyState.DONE)


def test_a_file_gets_a_line_now_and_then_and_at_the_end(clock):
    said = lines(clock, (1, done), (1, done), (1, done)).splitlines()
    assert said[0] == "4 studies, 1 of them done before"
    assert said[1:] == ["4 of 4 studies, 60.0 studies a minute, 0 s left"]
    clock.now = 0
    assert len(lines(clock, *[(LINE_EVERY_S + 1, done)] * 3).splitlines()) == 4


def test_a_file_hears_why_nothing_happens(clock):
    said = lines(clock, (LINE_EVERY_S + 1, lambda watcher: watcher.waiting("the node has 3 live jobs")))
    assert "waiting: the node has 3 live jobs" in said


def test_a_terminal_gets_a_bar_with_pace_and_time_left(clock):
    said = lines(clock, (30, done), (30, done), terminal=True)
    assert "3/4" in said
    assert "2.0 studies a minute, 30 s left" in said


def test_the_first_signal_asks_and_the_second_stops_at_once():
    with stopping() as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.event.is_set()
        assert stop.number == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) != stop.ask
