"""Discrepant hands come up again, without names; what remains is decided together, and signed."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from ra_node.domain.joints import JOINTS
from ra_node.ledger.database.reader_study_schema import judgement
from tests.web.reader_studies.builders import drawn_hands, make_study
from tests.web.reader_studies.conftest import plain_text, reading

FIRST = JOINTS[0]


@pytest.fixture
def discrepant(reading_hospital, request):
    """Alice and bob have read two hands and differ at one joint of each by two stages."""
    name = request.node.name
    study = make_study(reading_hospital, drawn_hands(2, 60, 44), name=name)
    for reader, stage in (("alice", 1), ("bob", 3)):
        with reading(reading_hospital, study, reader) as one:
            one.read_all(lambda _, stage=stage: stage)
    return reading_hospital, study


def test_each_sees_both_marks_without_names_and_may_revise_or_keep(discrepant):
    hospital, study = discrepant
    with reading(hospital, study, "alice") as alice:
        page = plain_text(alice.get(f"/reading/{study}").text)
        assert "Phase: revision" in page
        assert "0 of 2 discrepant hands" in page
        task = alice.next(part="/discrepancies")
        assert task["asked"] == [FIRST]
        said = {one["title"]: one["labels"] for one in task["others"]}
        assert said == {"Your reading": {FIRST: 1}, "The other reading": {FIRST: 3}}
        elsewhere = alice.act(task, [{"kind": "stage", "joint": JOINTS[1], "stage": 2}])
        assert elsewhere.status_code == 400
        assert alice.act(task, [{"kind": "kept"}]).json()["task"]["complete"]
        second = alice.next(part="/discrepancies")
        assert second["number"] != task["number"]
        revised = alice.act(second, [{"kind": "stage", "joint": FIRST, "stage": 3}])
        assert revised.json()["task"]["labels"][FIRST] == 3
        assert alice.next(part="/discrepancies") is None
        assert b"bob" not in b"".join(alice.heard)
        assert alice.end("close-revision").status_code == 303
        assert "has not finished his revision" in alice.get(f"/reading/{study}").text


def test_what_remains_is_decided_together_with_a_note_beyond_the_range_and_signed_by_both(discrepant):
    hospital, study = discrepant
    for name in ("alice", "bob"):
        with reading(hospital, study, name) as one:
            while (task := one.next(part="/discrepancies")) is not None:
                one.act(task, [{"kind": "kept"}])
            one.end("close-revision")
    with reading(hospital, study, "alice") as alice:
        assert "Phase: consensus" in plain_text(alice.get(f"/reading/{study}").text)
        task = alice.next(part="/discrepancies")
        assert {one["title"] for one in task["others"]} == {"One reading", "The other reading"}
        beyond = {"kind": "stage", "joint": FIRST, "stage": 5}
        assert alice.act(task, [beyond]).status_code == 400
        assert alice.act(task, [beyond | {"note": "erosion at the base"}]).status_code == 200
        assert alice.end("sign").status_code == 409
        alice.act(alice.next(part="/discrepancies"), [{"kind": "stage", "joint": FIRST, "stage": 2}])
        assert alice.end("sign").status_code == 303
        assert "1 of 2 signatures" in plain_text(alice.get(f"/reading/{study}").text)
    with reading(hospital, study, "bob") as bob:
        assert bob.end("sign").status_code == 303
        assert "All is signed" in bob.get(f"/reading/{study}").text


def test_a_third_reader_decides_alone_where_there_is_one(reading_hospital):
    hospital = reading_hospital
    study = make_study(hospital, drawn_hands(1, 60, 44), name="third", adjudicator="carol")
    for name, stage in (("alice", 0), ("bob", 2)):
        with reading(hospital, study, name) as one:
            one.read_all(lambda _, stage=stage: stage)
    for name in ("alice", "bob"):
        with reading(hospital, study, name) as one:
            one.act(one.next(part="/discrepancies"), [{"kind": "kept"}])
            one.end("close-revision")
            assert one.next(part="/discrepancies") is None or name == "alice"
    with reading(hospital, study, "alice") as alice:
        assert alice.next(part="/discrepancies") is None
    with reading(hospital, study, "carol") as carol:
        assert "Decide discrepancies" in carol.get(f"/reading/{study}").text
        task = carol.next(part="/discrepancies")
        assert carol.act(task, [{"kind": "stage", "joint": FIRST, "stage": 1}]).status_code == 200
        assert carol.next(part="/discrepancies") is None


def test_after_closing_a_reader_may_see_the_result_of_the_model_and_give_a_second_opinion(reading_hospital):
    """Kept apart: the first reading stays as it is, and what follows says that the result had been seen."""
    hospital = reading_hospital
    study = make_study(hospital, drawn_hands(1, 60, 44), name="revealed", reveal=True)
    with reading(hospital, study, "alice") as alice:
        task = alice.next()
        opinion = f"/reading/{study}/opinion/{task['id']}"
        early = alice.get(f"{opinion}/task")
        assert early.status_code == 409
        assert b"98" not in early.content
        alice.read_all()
        assert opinion in alice.get(f"/reading/{study}").text
        assert alice.get(opinion).status_code == 200
        seen = alice.get(f"{opinion}/task").json()["task"]
        assert (seen["kind"], seen["labels"]) == ("second_opinion", {})
        (model,) = seen["others"]
        assert (model["whole"], model["labels"]) == ("stage 4, RA 99 %", {"": 4, "mcp_2": 4})
        marks = [{"kind": "stage", "joint": joint, "stage": 1} for joint in JOINTS]
        assert alice.act(seen, marks).json()["task"]["complete"]
        assert alice.get(f"/reading/{study}/hands/1").json()["task"]["labels"] == dict.fromkeys(JOINTS, 0)
    with hospital.state.ledger.read() as connection:
        query = select(judgement.c.model_seen, func.count()).where(judgement.c.reader_study_id == study)
        rows = {row[0]: row[1] for row in connection.execute(query.group_by(judgement.c.model_seen))}
    assert rows == {False: 13, True: 13}
