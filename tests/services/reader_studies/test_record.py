"""Each mark is on disk once or not at all, whatever is sent twice, late or by two tabs."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from ra_node.domain.reader_study.labels import NOT_GRADABLE
from ra_node.domain.reader_study.marks import CannotJudge, Mark, MarkKind
from ra_node.domain.reader_study.plan import StudyPlan
from ra_node.errors import Refused
from ra_node.ledger.reader_studies.tasks import find_task
from ra_node.services.reader_studies.access import NotFound, WrongPhase
from ra_node.services.reader_studies.reading import close_reading, hand_at, next_hand
from ra_node.services.reader_studies.record import Conflict, Saved, record, record_time, undo
from tests.services.reader_studies.builders import ANNA, BEN, LEAD, joints, new_action, new_study, whole

STAGE_2 = [Mark(MarkKind.STAGE, "", 2)]


@pytest.fixture
def study(bench):
    return new_study(bench.ledger, bench.files)


def rows(study) -> int:
    with study.ledger.read() as connection:
        return int(connection.execute(text("SELECT count(*) FROM judgement")).scalar_one())


def send(study, task, marks, sequence, action=None, who=ANNA):
    return record(
        study.ledger, study.files, study.id, who, task.task, action or new_action(), marks, sequence
    )


def test_an_action_sent_again_after_a_lost_answer_is_recorded_once(study):
    task = next_hand(study.ledger, study.files, study.id, ANNA)
    first = send(study, task, STAGE_2, 1, "the-same-action")
    again = send(study, task, STAGE_2, 1, "the-same-action")
    assert isinstance(first, Saved)
    assert isinstance(again, Saved)
    assert rows(study) == 1


def test_of_two_tabs_the_second_gets_the_state_of_the_first_and_writes_nothing(study):
    task = next_hand(study.ledger, study.files, study.id, ANNA)
    assert isinstance(send(study, task, STAGE_2, 1), Saved)
    conflict = send(study, task, [Mark(MarkKind.STAGE, "", 5)], 1)
    assert isinstance(conflict, Conflict)
    assert (conflict.task.stage, conflict.task.sequence) == (2, 1)
    assert rows(study) == 1


def test_an_undo_is_appended_and_brings_the_mark_before_back(study):
    task = next_hand(study.ledger, study.files, study.id, ANNA)
    send(study, task, STAGE_2, 1)
    send(study, task, [Mark(MarkKind.STAGE, "", 4)], 2)
    for sequence, expected in ((3, 2), (4, None)):
        done = undo(study.ledger, study.files, study.id, ANNA, task.task, new_action(), sequence)
        assert done.task.stage == expected
    assert not done.task.complete
    assert rows(study) == 4
    with pytest.raises(Refused, match="mark to undo"):
        undo(study.ledger, study.files, study.id, ANNA, task.task, new_action(), 5)


def test_a_hand_is_the_highest_of_its_joints_and_complete_with_all_thirteen(bench):
    study = new_study(bench.ledger, bench.files, plan=StudyPlan(by_joint=True, repeats=0))
    task = next_hand(study.ledger, study.files, study.id, ANNA)
    some = study.mark(ANNA, task.task, {"mcp_2": 3, "pip_3": 1}, 1)
    assert (some.task.stage, some.task.complete) == (3, False)
    rest = study.mark(ANNA, task.task, joints(0, mcp_2=3), 2)
    assert (rest.task.stage, rest.task.complete) == (3, True)


def test_a_hand_that_cannot_be_judged_says_why_and_is_complete(study):
    task = next_hand(study.ledger, study.files, study.id, ANNA)
    mark = Mark(MarkKind.NOT_GRADABLE, reason=CannotJudge.EXPOSURE)
    done = send(study, task, [mark], 1)
    assert done.task.marks.labels == {"": NOT_GRADABLE}
    assert done.task.marks.reasons == {"": "exposure"}
    assert done.task.complete


@pytest.mark.parametrize(
    "mark",
    [
        Mark(MarkKind.STAGE, "", 6),
        Mark(MarkKind.STAGE, "", None),
        Mark(MarkKind.STAGE, "mcp_2", 1),
        Mark(MarkKind.NOT_GRADABLE, reason="bored"),
        Mark(MarkKind.NOT_GRADABLE, reason=CannotJudge.OTHER),
        Mark(MarkKind.JOINT_AT, "mcp_9", x=1, y=1),
        Mark(MarkKind.JOINT_AT, "mcp_2", x=float("nan"), y=1),
        Mark(MarkKind.STAGE, "", 2, note="x" * 501),
    ],
)
def test_a_mark_that_says_nothing_is_refused(study, mark):
    task = next_hand(study.ledger, study.files, study.id, ANNA)
    with pytest.raises(Refused):
        send(study, task, [mark], 1)
    assert rows(study) == 0


def test_another_readers_hand_is_not_there_whatever_its_id(study):
    task = next_hand(study.ledger, study.files, study.id, BEN)
    for who in (ANNA, LEAD):
        with pytest.raises(NotFound):
            send(study, task, STAGE_2, 1, who=who)
    assert rows(study) == 0


def test_a_moved_joint_stays_where_it_was_put(study):
    task = next_hand(study.ledger, study.files, study.id, ANNA)
    done = send(study, task, [Mark(MarkKind.JOINT_AT, "mcp_2", x=11.5, y=7.25)], 1)
    assert (done.task.joints["mcp_2"].x, done.task.joints["mcp_2"].y) == (11.5, 7.25)
    assert not done.task.complete


def test_a_closed_reading_takes_no_mark_and_an_unfinished_one_cannot_be_closed(study):
    study.read(ANNA, lambda _n, _o: whole(1), close=False)
    task = hand_at(study.ledger, study.files, study.id, ANNA, 1)
    undo(study.ledger, study.files, study.id, ANNA, task.task, new_action(), 2)
    with pytest.raises(WrongPhase, match="found 1 without"):
        close_reading(study.ledger, study.id, ANNA)
    send(study, task, STAGE_2, 3)
    assert close_reading(study.ledger, study.id, ANNA).reading_closed
    assert close_reading(study.ledger, study.id, ANNA).reading_closed
    before = rows(study)
    with pytest.raises(WrongPhase, match="closed"):
        send(study, task, STAGE_2, 4)
    assert rows(study) == before


def test_the_time_after_the_last_mark_counts_once_and_collides_with_no_mark(study):
    task = next_hand(study.ledger, study.files, study.id, ANNA)
    send(study, task, [Mark(MarkKind.STAGE, "", 2)], 1)
    action = new_action()
    for _ in range(2):
        saved = record_time(study.ledger, study.files, study.id, ANNA, task.task, action, 5_000)
    assert (saved.task.sequence, saved.task.marks.labels) == (1, {"": 2})
    with study.ledger.read() as connection:
        assert find_task(connection, task.task).spent_ms == 5_000
    assert isinstance(send(study, task, [Mark(MarkKind.STAGE, "", 3)], 2), Saved)
    with study.ledger.read() as connection:
        again = find_task(connection, task.task)
    assert (again.spent_ms, again.state.marks.labels) == (5_000, {"": 3})
    assert isinstance(undo(study.ledger, study.files, study.id, ANNA, task.task, new_action(), 3), Saved)
    with pytest.raises(NotFound):
        record_time(study.ledger, study.files, study.id, BEN, task.task, new_action(), 1)
    with pytest.raises(Refused, match="found viewed"):
        send(study, task, [Mark(MarkKind.VIEWED)], 4)
