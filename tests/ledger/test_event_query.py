"""The trail names who and from where, in order, and nothing in it can be changed."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ra_node.ledger.database.events import record
from ra_node.ledger.event_query import mark, move_mark, newest, next_entries, trail
from ra_node.ledger.inbox import open_association
from tests.ledger.builders import keep


@pytest.mark.parametrize("statement", ["UPDATE event SET what = 'nothing'", "DELETE FROM event"])
def test_what_happened_cannot_be_changed_or_removed(ledger, statement):
    """By whatever program opens the database, as long as it does not remove the triggers first."""
    record(ledger, "node_started")
    with pytest.raises(DBAPIError, match="events are never changed"), ledger.write() as connection:
        connection.execute(text(statement))
    assert [entry.event.what for entry in all_of(ledger)] == ["node_started"]


def all_of(ledger):
    ledger.clock.advance(3600)
    return list(trail(ledger))


def test_an_instance_names_its_sender_and_the_address_behind_it(ledger):
    association = open_association(ledger, "listen-1", "PACS", "10.0.0.7")
    keep(ledger, "1.2.3.1", association_id=association, calling_ae="PACS")
    (entry,) = all_of(ledger)
    assert (entry.event.what, entry.who, entry.address) == ("instance_stored", "PACS", "10.0.0.7")
    assert entry.event.study_uid is not None


def test_the_trail_begins_where_it_is_asked_to(ledger):
    for number in range(3):
        record(ledger, f"step_{number}")
        ledger.clock.advance(10)
    now = ledger.clock()
    ledger.clock.advance(3600)
    assert [one.event.what for one in trail(ledger, since=now - 15)] == ["step_2"]
    first, second = next_entries(ledger, 0, limit=2)
    assert [one.event.what for one in next_entries(ledger, second.event.id)] == ["step_2"]
    assert newest(ledger) == second.event.id + 1
    assert first.event.id < second.event.id


def test_a_mark_only_moves_on(ledger):
    assert mark(ledger, "syslog") is None
    for where, expected in ((5, 5), (9, 9), (7, 9)):
        move_mark(ledger, "syslog", where)
        assert mark(ledger, "syslog") == expected
