"""Discrepant hands come up again, without names; what remains is decided together, and signed."""

from __future__ import annotations

import pytest

from ra_node.domain.joints import JOINTS
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
