"""Buried jobs: a group a cause, retried or dropped by one button, never without a confirmation."""

from __future__ import annotations

import re

from ra_node.domain.job import JobKind, JobState
from ra_node.ledger.jobs.queue import bury, claim
from ra_node.ledger.overview import buried_jobs
from ra_node.ledger.search.filter import StudyFilter, matching_count
from tests.ledger.builders import answered_study, keep
from tests.web.conftest import browser, sign_in, token_in

NEEDING = StudyFilter(needs_operator=True)


def bury_deliveries(hospital, count: int, error: str) -> None:
    """Studies whose delivery was buried with one cause."""
    ledger = hospital.state.ledger
    for number in range(count):
        answered_study(ledger, f"1.2.{error[-1]}.{number}", peers=("pacs",))
        (job,) = claim(ledger, [JobKind.DELIVER], "w", 1, 60, peer="pacs")
        bury(ledger, job, f"{number} objects: {error}")


def test_a_hundred_jobs_with_one_cause_are_one_group_that_is_retried_at_once(hospital):
    ledger = hospital.state.ledger
    bury_deliveries(hospital, 101, "status 0xA700")
    bury_deliveries(hospital, 1, "status 0xA901")
    with browser(hospital) as client:
        sign_in(client)
        text = client.get("/buried").text
        groups = re.findall(r'id="retry-(\w+)"', text)
        assert len(groups) == 2
        assert "Retry all 101" in text
        assert "has no space" in text
        sent = {"csrf": token_in(text), "group": groups[0], "do": "retry"}
        assert client.post("/buried", data={**sent, "csrf": ""}).status_code == 403
        assert client.post("/buried", data=sent).headers["location"] == "/buried"
        assert len(buried_jobs(ledger)) == 1
        client.post("/buried", data=sent)  # a second click finds no group
        assert len(buried_jobs(ledger)) == 1


def test_a_group_is_dropped_behind_a_confirmation_and_then_needs_nobody(hospital):
    ledger = hospital.state.ledger
    bury_deliveries(hospital, 2, "status 0xA900")
    with browser(hospital) as client:
        sign_in(client)
        text = client.get("/buried").text
        (group,) = re.findall(r'id="retry-(\w+)"', text)
        sent = {"csrf": token_in(text), "group": group, "do": "drop"}
        assert client.post("/buried", data=sent).status_code == 400
        assert matching_count(ledger, NEEDING) == 2
        assert client.post("/buried", data={**sent, "confirmed": "yes"}).status_code == 303
        assert matching_count(ledger, NEEDING) == 0
        assert "No job is buried" in client.get("/buried").text


def test_a_report_has_no_button_to_drop_it(hospital):
    ledger = hospital.state.ledger
    keep(ledger, "1.2.3.1", examine=False)
    from ra_node.ledger.inbox import settle_now

    settle_now(ledger, "1.2.3")
    (job,) = claim(ledger, [JobKind.REPORT], "w", 1, 60)
    bury(ledger, job, "no space")
    with browser(hospital) as client:
        sign_in(client)
        text = client.get("/buried").text
        assert "Drop all" not in text
        (group,) = re.findall(r'id="retry-(\w+)"', text)
        sent = {"csrf": token_in(text), "group": group, "do": "drop", "confirmed": "yes"}
        client.post("/buried", data=sent)
    assert [one.state for one in buried_jobs(ledger)] == [JobState.BURIED]
