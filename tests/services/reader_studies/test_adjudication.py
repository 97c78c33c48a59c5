"""First readings are locked; discrepancies are revised, decided and signed, and nothing else comes up."""

from __future__ import annotations

import pytest

from ra_node.domain.reader_study.marks import Mark, MarkKind
from ra_node.domain.reader_study.plan import StudyPlan
from ra_node.domain.reader_study.roles import Phase
from ra_node.errors import Refused
from ra_node.ledger.reader_studies.studies import find_study
from ra_node.services.reader_studies.access import NotFound, WrongPhase
from ra_node.services.reader_studies.adjudication import (
    close_revision,
    discrepancies,
    next_discrepancy,
    open_second_opinion,
    sign,
    signatures,
)
from ra_node.services.reader_studies.outcome import outcomes
from ra_node.services.reader_studies.reading import list_hands, study_entry
from tests.services.reader_studies.builders import ANNA, BEN, CARLA, joints, new_study, whole

MODEL = '{"stage": 4, "probability": 0.9, "threshold": 0.5, "joints": {}}'


def phase(study) -> Phase:
    with study.ledger.read() as connection:
        return find_study(connection, study.id).phase


def final(study) -> dict[int, int | None]:
    with study.ledger.read() as connection:
        found = outcomes(connection, find_study(connection, study.id))
        by_joint = find_study(connection, study.id).plan.by_joint
    return {int(one.hand_id.rpartition("-")[2]): one.final_hand(by_joint=by_joint) for one in found}


def apart(number: int) -> int:
    """Ben differs on hands 1 and 2: by one and by two stages."""
    return {1: 3, 2: 4}.get(number, 2)


@pytest.fixture
def study(bench):
    study = new_study(bench.ledger, bench.files)
    study.read(ANNA, lambda _n, _o: whole(2))
    assert phase(study) is Phase.READING
    assert study_entry(study.ledger, study.id, ANNA).waiting_for == "The other reader has not finished."
    with pytest.raises(WrongPhase):
        discrepancies(study.ledger, study.id, ANNA)
    study.read(BEN, lambda n, _o: whole(apart(n)))
    return study


def test_only_discrepancies_come_up_with_both_marks_and_may_be_revised(study):
    assert phase(study) is Phase.REVISION
    assert len(discrepancies(study.ledger, study.id, ANNA)) == 2
    seen = set()
    while (view := next_discrepancy(study.ledger, study.files, study.id, ANNA)) is not None:
        assert view.mine
        seen.add((view.one.labels[""], view.other.labels[""]))
        study.mark(ANNA, view.task.task, view.other.labels, view.task.sequence + 1)
    assert seen == {(2, 3), (2, 4)}
    close_revision(study.ledger, study.id, ANNA)
    study.keep_all(BEN)
    assert phase(study) is Phase.CONSENSUS
    assert discrepancies(study.ledger, study.id, ANNA) == []
    assert final(study) == {1: 3, 2: 4, 3: 2, 4: 2, 5: 2, 6: 2}


def test_first_readings_stay_what_they_were(study):
    view = next_discrepancy(study.ledger, study.files, study.id, ANNA)
    study.mark(ANNA, view.task.task, whole(5), 1)
    stages = {one.stage for one in list_hands(study.ledger, study.id, ANNA)}
    assert stages == {2}


def test_a_revision_cannot_be_closed_before_every_hand_is_revised_or_kept(study):
    with pytest.raises(WrongPhase, match="found 2 without"):
        close_revision(study.ledger, study.id, ANNA)


def test_a_consensus_beyond_both_readers_needs_a_note(study):
    study.keep_all(ANNA)
    study.keep_all(BEN)
    with pytest.raises(Refused, match="note"):
        study.decide(ANNA, stage=0)
    study.decide(ANNA, stage=0, note="both missed that it is another disease")
    assert final(study)[1] == 0


def test_both_sign_and_a_later_change_needs_both_again(study):
    study.keep_all(ANNA)
    study.keep_all(BEN)
    with pytest.raises(WrongPhase, match="found 2 without"):
        sign(study.ledger, study.id, ANNA)
    study.decide(ANNA)
    assert sign(study.ledger, study.id, ANNA).signed == 1
    entry = discrepancies(study.ledger, study.id, BEN)[0]
    study.act(BEN, entry.task, [Mark(MarkKind.STAGE, "", 3, note="again")], 2)
    assert signatures(study.ledger, study.id, ANNA).signed in (0, 1)
    for who in (ANNA, BEN):
        done = sign(study.ledger, study.id, who)
    assert (done.signed, phase(study)) == (2, Phase.SIGNED)
    with pytest.raises(WrongPhase, match="signed"):
        study.act(BEN, entry.task, [Mark(MarkKind.STAGE, "", 2)], 3)


def test_a_third_reader_decides_alone_and_all_three_sign(bench):
    study = new_study(bench.ledger, bench.files, third=CARLA)
    with pytest.raises(WrongPhase):
        discrepancies(study.ledger, study.id, CARLA)
    for who, opinion in ((ANNA, lambda n, _o: whole(2)), (BEN, lambda n, _o: whole(apart(n)))):
        study.read(who, opinion)
    for who in (ANNA, BEN):
        study.keep_all(who)
    assert discrepancies(study.ledger, study.id, ANNA) == []
    task = discrepancies(study.ledger, study.id, CARLA)[0].task
    with pytest.raises(NotFound):
        study.mark(ANNA, task, whole(2), 1)
    study.decide(CARLA)
    done = [sign(study.ledger, study.id, who) for who in (ANNA, BEN, CARLA)][-1]
    assert (done.needed, done.signed, phase(study)) == (3, 3, Phase.SIGNED)


def test_with_a_threshold_of_two_stages_a_difference_of_one_is_the_higher_stage(bench):
    study = new_study(bench.ledger, bench.files, plan=StudyPlan(repeats=0, threshold=2))
    study.read(ANNA, lambda _n, _o: whole(2))
    study.read(BEN, lambda n, _o: whole(apart(n)))
    assert len(discrepancies(study.ledger, study.id, ANNA)) == 1
    assert final(study)[1] == 3


def test_by_joint_only_the_joints_in_question_are_asked(bench):
    study = new_study(bench.ledger, bench.files, 1, plan=StudyPlan(repeats=0, by_joint=True))
    study.read(ANNA, lambda _n, _o: joints(0))
    study.read(BEN, lambda _n, _o: joints(0, mcp_2=2))
    view = next_discrepancy(study.ledger, study.files, study.id, ANNA)
    assert (view.asked, view.one.labels, view.other.labels) == (("mcp_2",), {"mcp_2": 0}, {"mcp_2": 2})
    with pytest.raises(Refused, match="differ"):
        study.mark(ANNA, view.task.task, {"pip_3": 1}, 1)


def test_the_models_answer_is_shown_only_after_the_reading_and_marks_later_judgements(bench):
    study = new_study(bench.ledger, bench.files, plan=StudyPlan(repeats=0, reveal=True), model_json=MODEL)
    task = list_hands(study.ledger, study.id, ANNA)[0].task
    with pytest.raises(WrongPhase, match="closed reading"):
        open_second_opinion(study.ledger, study.files, study.id, ANNA, task)
    study.read(ANNA, lambda _n, _o: whole(2))
    answer, second = open_second_opinion(study.ledger, study.files, study.id, ANNA, task)
    assert answer.stage == 4
    study.mark(ANNA, second.task, whole(4), 1)
    assert list_hands(study.ledger, study.id, ANNA)[0].stage == 2
    with study.ledger.read() as connection:
        from sqlalchemy import text

        seen = connection.execute(text("SELECT kind, model_seen FROM judgement ORDER BY id")).all()
    assert [bool(row[1]) for row in seen] == [False] * 6 + [True]


def test_a_study_that_does_not_reveal_never_shows_the_models_answer(study):
    task = list_hands(study.ledger, study.id, ANNA)[0].task
    with pytest.raises(WrongPhase, match="does not"):
        open_second_opinion(study.ledger, study.files, study.id, ANNA, task)
