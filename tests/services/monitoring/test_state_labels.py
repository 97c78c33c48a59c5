"""Every stored state has one label, and page and terminal show the same one."""

from __future__ import annotations

import pytest

from ra_node.domain.job import JobState
from ra_node.ledger.database.schema import CommitmentState, DeliveryState, StudyState
from ra_node.services.monitoring.state_labels import (
    COMMITMENT,
    DELIVERY,
    JOB,
    STUDY,
    count_label,
    delivery_label,
    event_details,
)
from ra_node.web import labels
from tests.test_glossary import banned


@pytest.mark.parametrize(
    ("texts", "states"),
    [(STUDY, StudyState), (JOB, JobState), (DELIVERY, DeliveryState), (COMMITMENT, CommitmentState)],
)
def test_every_state_has_a_label_of_the_glossary(texts, states):
    assert set(texts) == set(states)
    assert len(set(texts.values())) == len(texts)
    assert not [text for text in texts.values() if banned().search(text)]


def test_the_page_shows_the_same_labels():
    assert {state: labels.study(state).text for state in StudyState} == STUDY
    for state in DeliveryState:
        assert labels.delivery(state, CommitmentState.NOT_ASKED).text == DELIVERY[state]


@pytest.mark.parametrize(
    ("kind", "key", "said"),
    [
        ("studies", "answered", "reported"),
        ("jobs", "examine ready", "examine queued"),
        ("deliveries", "pacs accepted", "pacs delivered"),
        ("commitments", "pacs waiting", "pacs storage commitment pending"),
        ("deliveries", "pacs of-another-version", "pacs of-another-version"),
    ],
)
def test_counts_are_labelled(kind, key, said):
    assert count_label(kind, key) == said


def test_a_delivery_names_its_commitment_where_it_was_requested():
    assert delivery_label(DeliveryState.ACCEPTED, CommitmentState.NOT_ASKED) == "delivered"
    assert delivery_label(DeliveryState.ACCEPTED, CommitmentState.COMMITTED) == "delivered, committed"


def test_details_of_an_event_are_words_and_not_pythons_values():
    """Page and terminal; the event log keeps the stored names."""
    kept = {"size_bytes": 5, "counts": True, "again": False, "peer": None, "reason": ""}
    assert dict(event_details(kept)) == {
        "size_bytes": "5",
        "report_needed": "yes",
        "again": "no",
        "reason": "",
    }
    assert labels.detail(kept, {}) == [("bytes", "5"), ("report needed", "yes")]
