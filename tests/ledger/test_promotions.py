"""The last promotion decides, for everybody; a rollback returns to the one before."""

from __future__ import annotations

import pytest

from ra_node.errors import Refused
from ra_node.ledger.database.events import record
from ra_node.ledger.promotions import Choice, before, current_promotion, promote, promotions, roll_back

A, B = (Choice(letter * 64, f"hand {letter}", "1") for letter in "ab")


def promoted(ledger, *choices):
    for choice in choices:
        promote(ledger, choice, "alice@host", current_promotion(ledger))


def rolled_back(ledger):
    roll_back(ledger, "bob@host", current_promotion(ledger))
    return current_promotion(ledger).choice


def test_nothing_is_promoted_at_first(ledger):
    assert current_promotion(ledger) is None
    assert promotions(ledger) == []


def test_the_last_promotion_is_the_present_one_and_tells_who_and_when(ledger, clock):
    promoted(ledger, A)
    clock.advance(60)
    promoted(ledger, B)
    record(ledger, "node_started")
    present = current_promotion(ledger)
    assert (present.choice, present.by, present.at, present.rolled_back) == (
        B,
        "alice@host",
        clock.now,
        False,
    )


def test_rollbacks_go_back_one_by_one_to_the_bundle_of_the_configuration(ledger):
    promoted(ledger, A, B, A)
    assert [rolled_back(ledger) for _ in range(3)] == [B, A, None]
    with pytest.raises(Refused, match="expected a promoted bundle"):
        rolled_back(ledger)


def test_a_promotion_after_a_rollback_returns_to_what_was_in_use_then(ledger):
    promoted(ledger, A, B)
    rolled_back(ledger)
    promoted(ledger, B)
    assert before(promotions(ledger)) == A


def test_the_list_only_grows(ledger):
    promoted(ledger, A, B)
    rolled_back(ledger)
    told = [(entry.choice, entry.by, entry.rolled_back) for entry in promotions(ledger)]
    assert told == [(A, "alice@host", False), (B, "alice@host", False), (A, "bob@host", True)]


def test_of_two_promotions_at_once_the_second_is_refused(ledger):
    """Each administrator decides on what the list showed; nobody overwrites the other unseen."""
    seen = current_promotion(ledger)
    promote(ledger, A, "alice@host", seen)
    with pytest.raises(Refused, match="at the same time"):
        promote(ledger, B, "bob@host", seen)
    assert current_promotion(ledger).choice == A
