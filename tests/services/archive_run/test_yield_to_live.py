"""Whoever does other work waits while the node has some, and only then."""

from __future__ import annotations

import threading

from ra_node.domain.job import JobKind
from ra_node.errors import Retryable
from ra_node.ledger.jobs.live_work import live_jobs
from ra_node.ledger.jobs.queue import retry
from ra_node.services.archive_run.yield_to_live import LiveWorkYield
from tests.dicom.builders import source


def courtesy(*counts, stop=None, told=None):
    left = list(counts)
    return LiveWorkYield(
        lambda: left.pop(0) if left else 0,
        stop or threading.Event(),
        (told if told is not None else []).append,
        ask_every_s=0.001,
    )


def test_it_waits_until_nothing_is_left_and_says_so():
    told: list[int] = []
    courtesy(3, 1, 0, told=told).give_way()
    assert told == [3, 1, 0]


def test_without_live_work_nothing_is_said_or_waited_for():
    told: list[int] = []
    courtesy(0, told=told).give_way()
    assert told == []


def test_told_to_stop_it_waits_no_longer():
    stop = threading.Event()
    stop.set()
    told: list[int] = []
    courtesy(*[1] * 1000, stop=stop, told=told).give_way()
    assert told == [1, 0]


def test_a_ledger_that_is_away_is_not_waited_for():
    def away():
        raise Retryable("away")

    LiveWorkYield(away).give_way()


def test_images_and_reports_count_while_they_wait_or_are_worked_on(bench):
    """What was put off to later does not hold anybody up, and neither does a delivery."""
    assert live_jobs(bench.ledger) == 0
    bench.keep(source())
    assert live_jobs(bench.ledger) == 1
    (job,) = bench.claim(JobKind.EXAMINE)
    assert live_jobs(bench.ledger) == 1
    retry(bench.ledger, job, "strange", bench.clock() + 60)
    assert live_jobs(bench.ledger) == 0
    bench.clock.advance(61)
    assert live_jobs(bench.ledger) == 1
