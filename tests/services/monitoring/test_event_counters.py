"""Totals agree with the ledger, whoever counts and whenever."""

import pytest

from ra_node.domain.job import JobKind
from ra_node.ledger.database import schema
from ra_node.ledger.database.events import Event, events_after, note
from ra_node.ledger.database.schema import DeliveryState
from ra_node.ledger.deliveries import DeliveryOutcome, deliveries_of, record_delivery
from ra_node.ledger.jobs.queue import bury
from ra_node.ledger.jobs.requeue import requeue
from ra_node.services.monitoring.event_counters import (
    HOURS_KEPT,
    OPEN_AT_MOST,
    Durations,
    EventCounters,
    Step,
)
from ra_node.services.monitoring.event_follower import LATE_S, EventFollower
from tests.ledger.builders import answered_study, claim_one, keep


def totals(tally):
    return (
        dict(tally.images), tally.settled, dict(tally.answered), dict(tally.jobs), dict(tally.objects),
        {step: (took.counts, took.sum_s) for step, took in tally.steps.items()},
    )  # fmt: skip


def counted(ledger, at_once=5000):
    follower = EventFollower(ledger, at_once)
    follower.catch_up()
    with follower.tally() as tally:
        return totals(tally)


@pytest.fixture
def busy(bench):
    """Two studies answered, one delivered, one image buried and requeued."""
    ledger = bench.ledger
    answered_study(ledger, "1.2.3")
    bench.clock.advance(7)
    job = claim_one(ledger, JobKind.DELIVER)
    made = [one.object.sop_instance_uid for one in deliveries_of(ledger, "1.2.3")]
    outcomes = [DeliveryOutcome(uid, DeliveryState.ACCEPTED, 0) for uid in made]
    record_delivery(ledger, job, outcomes, retry_at=0, give_up_after_s=None)
    answered_study(ledger, "1.2.4")
    keep(ledger, "1.2.5.1", "1.2.5", calling_ae="CT_1")
    bury(ledger, claim_one(ledger), "unreadable")
    assert requeue(ledger, "1.2.5") == 1
    return bench


def test_every_event_counts_once_under_its_name(busy):
    images, settled, answered, jobs, objects, steps = counted(busy.ledger)
    assert images == {"PACS": 2, "CT_1": 1}
    assert (settled, answered) == (2, {"unknown": 2})
    assert jobs == {("examine", "buried"): 1, ("examine", "requeued"): 1}
    assert objects == {("archive", "delivered"): 2}
    assert steps[Step.DELIVER] == ([0, 0, 0, 0, 1, *[0] * 9], 7.0)
    assert sum(steps[Step.ANSWER][0]) == 2


def test_totals_are_the_same_read_at_once_or_in_parts_or_as_it_happens(bench):
    """A restart of the page must not look like a burst, nor like a loss."""
    following = EventFollower(bench.ledger)
    for number in range(6):
        answered_study(bench.ledger, f"1.2.{number}")
        bench.clock.advance(LATE_S / 2)
        with following.tally() as tally:
            assert tally.settled == number + 1
    with following.tally() as tally:
        assert totals(tally) == counted(bench.ledger) == counted(bench.ledger, at_once=2)


def test_two_who_read_the_past_at_once_count_it_once(bench):
    """A page may be asked for while the past is still being read."""
    for number in range(6):
        answered_study(bench.ledger, f"1.2.{number}")
        bench.clock.advance(2 * LATE_S)
    follower = EventFollower(bench.ledger, at_once=3)
    position, _ = follower._part(0)
    with follower.tally() as tally:
        assert tally.settled == 6
    follower._part(position)
    assert totals(tally) == counted(bench.ledger)


def test_nobody_waits_for_the_past(bench, monkeypatch):
    """What was read so far is given while the rest is being read, and said not to be all."""
    for number in range(4):
        answered_study(bench.ledger, f"1.2.{number}")
    follower, given = EventFollower(bench.ledger, at_once=3), []
    first = EventFollower._part

    def part(self, after):
        read = first(self, after)
        given.append((self.caught_up, self._catching_up))
        return read

    monkeypatch.setattr(EventFollower, "_part", part)
    follower.catch_up()
    assert len(given) > 2
    assert set(given) == {(False, True)}
    assert follower.caught_up


def test_an_event_that_shows_late_counts_and_only_once(bench):
    """On a server a transaction with a smaller id may commit after one with a larger id."""
    ledger, follower = bench.ledger, EventFollower(bench.ledger)

    def settle(number):
        row = {"id": number, "at": ledger.clock(), "study_uid": str(number), "what": "study_settled"}
        with ledger.write() as connection:
            connection.execute(schema.event.insert(), [{**row, "detail": '{"version": 1}'}])

    for number in (1000, 1002, 1001):
        settle(number)
        with follower.tally() as tally:
            pass
    assert tally.settled == 3


def test_following_reads_what_is_new_not_what_was(bench, monkeypatch):
    """The price of a scrape does not grow with the ledger."""
    follower, sizes = EventFollower(bench.ledger), []

    def counted(*asked):
        read = events_after(*asked)
        sizes.append(len(read))
        return read

    monkeypatch.setattr("ra_node.services.monitoring.event_follower.events_after", counted)
    for number in range(5):
        with bench.ledger.write() as connection:
            for version in range(20):
                note(connection, bench.clock(), "study_settled", f"{number}.{version}", version=1)
        bench.clock.advance(2 * LATE_S)
        with follower.tally() as tally:
            pass
    assert sizes == [20] * 5
    assert tally.settled == 100


def test_memory_is_bounded_whatever_comes():
    tally = EventCounters()
    detail = {"calling_ae": "A", "size_bytes": 1, "counts": True}
    for number in range(OPEN_AT_MOST + 100):
        tally.add(Event(number, number * 3600.0, str(number), "instance_stored", detail))
    assert len(tally.hours) <= HOURS_KEPT
    assert len(tally._begun[Step.SETTLE]._at) == OPEN_AT_MOST


def test_answers_are_weighed_by_week_with_their_stages():
    tally, monday = EventCounters(), 1_767_571_200.0  # 2026-01-05
    judged = {"version": 1, "stages": "3 0", "probabilities": "0.9 0.1", "positive": 1, "bundle": "abc"}
    refused = {"version": 1, "refusal": "no_hand", "refusals": "no_hand", "probabilities": "", "stages": ""}
    tally.add(Event(1, monday, "1", "study_answered", judged))
    tally.add(Event(2, monday + 7 * 86400 - 1, "2", "study_answered", refused))
    tally.add(Event(3, monday + 7 * 86400, "3", "study_answered", judged))
    first, second = (tally.weeks[start] for start in sorted(tally.weeks))
    assert sorted(tally.weeks) == [monday, monday + 7 * 86400]
    assert (first.answered, first.refused, first.hands, first.positive) == (2, 1, 2, 1)
    assert first.stages == [1, 0, 0, 1, 0, 0]
    assert second.answered == 1
    assert tally.answered == {"judged": 2, "refused": 1}
    assert tally.refusals == {("study", "no_hand"): 1, ("part", "no_hand"): 1}


def test_no_step_takes_less_than_no_time():
    """Two hosts' clocks may disagree by a moment."""
    took = Durations()
    took.add(-0.2)
    assert (took.counts[0], took.sum_s) == (1, 0.0)
