"""An alarm is raised once, keeps its time, and ends with an event of its own."""

from __future__ import annotations

from ra_node.ledger.alarms import AlarmKind, alarms, clear_alarm, raise_alarm
from ra_node.ledger.database.events import events_after


def events(ledger):
    return [event.what for event in events_after(ledger, 0, ["alarm_raised", "alarm_cleared"], 10)]


def test_an_alarm_that_is_raised_twice_keeps_its_first_time(ledger, clock):
    started = clock.now
    assert raise_alarm(ledger, AlarmKind.CONTENT, "1.2.3", "expected digest a, found b")
    clock.advance(5)
    assert not raise_alarm(ledger, AlarmKind.CONTENT, "1.2.3", "expected digest a, found c")
    (alarm,) = alarms(ledger)
    assert (alarm.since, alarm.detail) == (started, "expected digest a, found b")
    assert events(ledger) == ["alarm_raised"]


def test_an_alarm_ends_once(ledger):
    raise_alarm(ledger, AlarmKind.CLOCK, "", "ahead by 86400 s")
    assert clear_alarm(ledger, AlarmKind.CLOCK, "")
    assert not clear_alarm(ledger, AlarmKind.CLOCK, "")
    assert alarms(ledger) == []
    assert events(ledger) == ["alarm_raised", "alarm_cleared"]
