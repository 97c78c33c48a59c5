"""What is asked every few seconds reads what is open, not what is done."""

import pytest
from sqlalchemy import event, insert, text

from ra_node.ledger import overview
from ra_node.ledger.database import schema
from ra_node.ledger.database.events import events_after
from ra_node.ledger.jobs.peer_backoff import outages
from ra_node.ledger.promotions import current_promotion
from ra_node.ledger.search.filter import StudyFilter
from tests.ledger.builders import answered_study, examine_all, keep, settle_now

FAILED = StudyFilter(state=schema.StudyState.FAILED)
QUESTIONS = {
    "open jobs": overview.open_job_counts,
    "open deliveries": overview.open_delivery_counts,
    "promises": overview.unkept_counts,
    "oldest unanswered": overview.oldest_unanswered,
    "waiting since": overview.waiting_since,
    "buried": overview.buried_jobs,
    "studies": lambda ledger: overview.studies(ledger, 50),
    "failed studies": lambda ledger: overview.studies(ledger, 50, which=FAILED),
    "study counts": overview.study_counts,
    "new events": lambda ledger: events_after(ledger, 10**6, ("study_answered",), 5000),
    "promotion": current_promotion,
    "outages": outages,
}

WALKS = {
    "studies": {"SCAN study USING INDEX ix_study_received"},  # in order, until the page is full
    "study counts": {"SCAN study USING COVERING INDEX ix_study_state"},
    "open deliveries": {"SCAN delivery USING COVERING INDEX ix_delivery_open"},  # holds what is open
    "promises": {"SCAN delivery USING COVERING INDEX ix_delivery_unkept"},
}
SMALL = {
    "SCAN outage",
    "SCAN outage USING INDEX sqlite_autoindex_outage_1",
    "SCAN CONSTANT ROW",
    "SCAN anon_1",
    "SCAN (subquery-1)",  # an IN of nothing
}


@pytest.fixture
def asked(ledger):
    """Every statement that is executed, with its parameters."""
    statements = []

    def note(_connection, _cursor, statement, parameters, *_):
        if statement.startswith("SELECT"):
            statements.append((statement, parameters))

    event.listen(ledger.engine, "before_cursor_execute", note)
    yield statements
    event.remove(ledger.engine, "before_cursor_execute", note)


@pytest.mark.parametrize("ledger", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", QUESTIONS)
def test_no_question_walks_through_a_table(ledger, asked, name):
    """SQLite says of each step whether it searches (an index) or scans; what may be scanned is named."""
    answered_study(ledger)
    del asked[:]
    QUESTIONS[name](ledger)
    assert asked
    with ledger.engine.connect() as connection:
        for statement, parameters in list(asked):
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            steps = {row.detail for row in plan if row.detail.startswith("SCAN")} - SMALL
            assert steps <= WALKS.get(name, set()), steps


def test_the_oldest_unanswered_is_found_open_settled_or_failed(ledger, clock):
    """Whether its report is to come, is being made, or is buried; an answered one waits for nothing."""
    answered_study(ledger, "1.2.1")
    assert overview.oldest_unanswered(ledger) is None
    clock.advance(5)
    keep(ledger, "1.2.2.1", "1.2.2")
    first = clock()
    assert overview.oldest_unanswered(ledger) == first
    clock.advance(5)
    keep(ledger, "1.2.3.1", "1.2.3")
    examine_all(ledger)
    settle_now(ledger, "1.2.2")
    assert overview.oldest_unanswered(ledger) == first
    with ledger.write() as connection:
        connection.execute(text("UPDATE job SET state = 'buried' WHERE kind = 'report'"))
    assert overview.oldest_unanswered(ledger) == first


def test_studies_are_found_by_state_and_by_a_part_of_a_uid(ledger):
    for number in (1, 2, 21):
        answered_study(ledger, f"1.2.{number}")
    keep(ledger, "1.2.3.1", "1.2.3")
    found = {
        name: {one.study_uid for one in overview.studies(ledger, which=which)}
        for name, which in (
            ("open", StudyFilter(state=schema.StudyState.OPEN)),
            ("part", StudyFilter(uid="1.2.2")),
            ("none", StudyFilter(uid="1.2.9")),
        )
    }
    assert found == {"open": {"1.2.3"}, "part": {"1.2.2", "1.2.21"}, "none": set()}


def test_what_is_open_is_counted_and_what_is_done_is_not(ledger):
    answered_study(ledger)
    with ledger.write() as connection:
        row = {"peer": "archive", "attempts": 1, "updated_at": 0, "commitment": "lacking"}
        uid = {"study_uid": "1.2.3", "version": 1, "kind": "sr", "sop_class_uid": "c"}
        connection.execute(insert(schema.result_object).values(sop_instance_uid="7", **uid))
        connection.execute(insert(schema.delivery).values(object_uid="7", state="accepted", **row))
    assert overview.open_delivery_counts(ledger) == {("archive", schema.DeliveryState.WAITING): 2}
    assert overview.unkept_counts(ledger) == {("archive", schema.CommitmentState.LACKING): 1}
    assert list(overview.open_job_counts(ledger).values()) == [1]
