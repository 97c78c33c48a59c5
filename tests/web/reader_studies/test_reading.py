"""A reader stages his own hands, one after another; what was answered as saved is on disk, once."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import func, select

from ra_node.domain.joints import JOINTS
from ra_node.ledger.database.reader_study_schema import judgement
from ra_node.web.page_words import page_words
from tests.web.conftest import browser, sign_in, token_in
from tests.web.reader_studies.builders import drawn_hands, make_study
from tests.web.reader_studies.conftest import new_id, plain_text, reading

STAGE_3 = [{"kind": "stage", "joint": "mcp_2", "stage": 3}]


def rows(ward) -> int:
    hospital, study = ward
    query = select(func.count()).select_from(judgement).where(judgement.c.reader_study_id == study)
    with hospital.state.ledger.read() as connection:
        return connection.execute(query).scalar_one()


def test_a_reader_finds_his_studies_and_his_hands(ward):
    hospital, study = ward
    with reading(hospital, study, "alice") as alice:
        assert alice.get("/").headers["location"] == "/reading"
        assert f"/reading/{study}" in alice.get("/reading").text
        page = plain_text(alice.get(f"/reading/{study}").text)
        assert "Your hands: 0 of 3" in page
        assert "3 hands have no stage yet" in page
        assert alice.get(f"/reading/{study}/read").status_code == 200


def test_the_image_is_the_16_bit_words_of_the_hand(ward):
    hospital, study = ward
    known = [hand.words for hand in drawn_hands(3, 60, 44)]
    with reading(hospital, study, "alice") as alice:
        task = alice.next()
        answer = alice.get(task["picture"])
        words = np.frombuffer(answer.content, "<u2").reshape(task["rows"], task["columns"])
        assert any(np.array_equal(words, one) for one in known)
        black, white = map(int, answer.headers["x-window"].split(","))
        assert 0 <= black < white <= 65535
        assert set(task["joints"]) == set(JOINTS)


def test_marks_are_kept_in_force_undone_and_found_again(ward):
    hospital, study = ward
    with reading(hospital, study, "alice") as alice:
        task = alice.next()
        saved = alice.act(task, STAGE_3).json()["task"]
        assert (saved["labels"], saved["sequence"]) == ({"mcp_2": 3}, 1)
        saved = alice.act(saved, [{"kind": "stage", "joint": "mcp_3", "stage": 1}]).json()["task"]
        saved = alice.act(saved, [], undo=True).json()["task"]
        assert saved["labels"] == {"mcp_2": 3}
        moved = alice.act(saved, [{"kind": "joint_at", "joint": "mcp_2", "x": 5.0, "y": 6.0}]).json()["task"]
        assert moved["joints"]["mcp_2"] == [5.0, 6.0]
    with reading(hospital, study, "alice") as again:
        assert again.next()["labels"] == {"mcp_2": 3}


def test_an_action_sent_twice_is_saved_once(ward):
    hospital, study = ward
    with reading(hospital, study, "alice") as alice:
        task, action = alice.next(), new_id()
        first = alice.act(task, STAGE_3, action=action)
        second = alice.act(task, STAGE_3, action=action)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert rows(ward) == 1


def test_the_second_of_two_tabs_gets_the_marks_of_the_first_and_changes_nothing(ward):
    hospital, study = ward
    with reading(hospital, study, "alice") as alice:
        task = alice.next()
        alice.act(task, STAGE_3)
        late = alice.act(task, [{"kind": "stage", "joint": "mcp_2", "stage": 0}])
    assert late.status_code == 409
    assert late.json()["task"]["labels"] == {"mcp_2": 3}
    assert rows(ward) == 1


@pytest.mark.parametrize(
    "sent",
    [
        {"marks": [{"kind": "stage", "joint": "mcp_2", "stage": 6}]},
        {"marks": [{"kind": "stage", "joint": "nose", "stage": 1}]},
        {"marks": [{"kind": "stage", "joint": "mcp_2", "stage": True}]},
        {"marks": [{"kind": "joint_at", "joint": "mcp_2", "x": 1e9, "y": 1}]},
        {"marks": []},
        {"marks": STAGE_3 * 21},
        {"marks": STAGE_3, "id": "x" * 40},
        {"marks": STAGE_3, "sequence": -1},
        {"marks": STAGE_3, "other": 1},
        {"marks": [{"kind": "not_gradable", "joint": "mcp_2", "reason": "other"}]},
    ],
)
def test_what_no_page_would_send_is_refused_and_not_kept(ward, sent):
    hospital, study = ward
    with reading(hospital, study, "alice") as alice:
        task = alice.next()
        path = f"/reading/{study}/tasks/{task['id']}/actions"
        body = {"id": new_id(), "sequence": 1, **sent}
        answer = alice.post(path, json=body, headers={"X-CSRF-Token": alice.token()})
        assert answer.status_code == 400
        assert "expected" in answer.json()["text"]
    assert rows(ward) == 0


def test_bodies_and_addresses_that_make_no_sense_are_refused(ward):
    hospital, study = ward
    with reading(hospital, study, "alice") as alice:
        path, token = f"/reading/{study}/tasks/{alice.next()['id']}/actions", alice.token()
        for body in (b"null", b"{", b"\xff", b"[" * 9000):
            assert alice.post(path, content=body, headers={"X-CSRF-Token": token}).status_code == 400
        for place in ("9" * 30, "99", "0"):
            assert alice.get(f"/reading/{study}/hands/{place}").status_code == 404
        assert alice.get(f"/reading/{study}/adjudicate").headers["location"] == f"/reading/{study}"
    assert rows(ward) == 0


def test_an_expired_session_and_a_foreign_form_save_nothing_and_say_that_they_are_expired(ward):
    hospital, study = ward
    with reading(hospital, study, "alice") as alice:
        task = alice.next()
        path, body = f"/reading/{study}/tasks/{task['id']}/actions", {"id": new_id(), "sequence": 1}
        forged = alice.post(path, json=body | {"marks": STAGE_3}, headers={"X-CSRF-Token": "guess"})
        alice.client.cookies.clear()
        expired = alice.post(path, json=body | {"marks": STAGE_3}, headers={"X-CSRF-Token": "x"})
        for answer in (forged, expired):
            assert (answer.status_code, answer.json()) == (401, {"expired": True})
        assert alice.get("/session").json()["who"] == ""
        assert rows(ward) == 0
        sign_in(alice.client, "alice")
        assert alice.get("/session").json()["who"] == "alice"
        assert alice.act(task, STAGE_3, action=body["id"]).status_code == 200


def test_a_hand_whose_file_is_gone_is_said_and_the_next_one_can_be_read(ward):
    hospital, study = ward
    for path in (hospital.settings.node.data_dir / "reader-studies" / study).glob("*.png"):
        path.unlink()
    with reading(hospital, study, "alice") as alice:
        task = alice.next()
        gone = alice.get(task["picture"])
        assert (gone.status_code, gone.json()["text"]) == (
            410,
            "The image of this hand is missing or damaged.",
        )
        assert alice.next(after=1)["number"] == 2
        assert (
            alice.act(task, [{"kind": "not_gradable", "reason": "other", "note": "no image"}]).status_code
            == 200
        )


def test_closing_too_early_says_what_is_missing_and_loses_nothing(ward):
    hospital, study = ward
    with reading(hospital, study, "alice") as alice:
        alice.act(alice.next(), STAGE_3)
        csrf = alice.token()
        answer = alice.post(f"/reading/{study}/close", data={"csrf": csrf})
        assert answer.status_code == 409
        assert "hands without a mark: 3." in answer.text
        assert "Nothing is lost" in answer.text
        assert alice.next()["labels"] == {"mcp_2": 3}


def test_a_chinese_site_has_navigation_footer_and_refusals_in_chinese(ward, reading_hospital, monkeypatch):
    """Of the pages of a reader, these three were in English."""
    monkeypatch.setattr(reading_hospital, "desk", replace(reading_hospital.desk, language="zh"))
    hospital, study = ward
    with reading(hospital, study, "alice") as alice:
        page = alice.get(f"/reading/{study}").text
        assert ">\u9605\u7247</a>" in page
        assert ">\u624b\u518c</a>" in page
        answer = alice.post(f"/reading/{study}/close", data={"csrf": alice.token()})
        assert answer.status_code == 409
        assert "\u672a\u5173\u95ed" in answer.text
        for english in ("Reading", "Guide", "Times are", "expected", "without"):
            assert english not in page + answer.text


def test_a_closed_reading_is_locked(ward):
    hospital, study = ward
    with reading(hospital, study, "alice") as alice:
        task = alice.next()
        alice.read_all()
        answer = alice.act(task | {"sequence": 1}, STAGE_3)
        assert answer.status_code == 409
        assert "closed" in answer.json()["text"]
        assert "The other reader has not finished" in alice.get(f"/reading/{study}").text


def test_a_reader_without_studies_and_a_study_with_one_reader_are_told_what_comes_next(ward):
    hospital, _ = ward
    alone = make_study(hospital, drawn_hands(1, 60, 44), name="alone", readers=("carol",))
    make_study(hospital, [], name="none", readers=("dora",))
    with reading(hospital, alone, "carol") as carol:
        carol.read_all()
        assert "one reader" in carol.get(f"/reading/{alone}").text
    from ra_node.domain.reader_study.roles import AccountRole
    from tests.web.reader_studies.builders import add_account

    add_account(hospital, "emil", AccountRole.READER)
    with reading(hospital, alone, "emil") as emil:
        assert "No reader study is waiting for you" in emil.get("/reading").text


def test_whole_hands_are_staged_without_joints(ward):
    hospital, _ = ward
    study = make_study(hospital, drawn_hands(2, 60, 44), name="whole", by_joint=False)
    with reading(hospital, study, "alice") as alice:
        task = alice.next()
        assert alice.act(task, STAGE_3).status_code == 400
        saved = alice.act(task, [{"kind": "stage", "stage": 4}]).json()["task"]
        assert saved["complete"]
        assert alice.get(f"/reading/{study}/hands/1").json()["task"]["labels"] == {"": 4}


def test_sign_in_and_error_pages_are_in_the_language_of_the_site(reading_hospital, monkeypatch):
    monkeypatch.setattr(reading_hospital, "desk", replace(reading_hospital.desk, language="zh"))
    study = make_study(reading_hospital, drawn_hands(1, 60, 44), name="chinese")
    with browser(reading_hospital) as client:
        form = client.get("/login").text
        assert '<html lang="zh">' in form
        assert not re.search(r">\s*(Sign in|Name|Password|Skip)", form)
        wrong = {"csrf": token_in(form), "name": "alice", "password": "wrong"}
        assert "用户名或密码错误" in client.post("/login", data=wrong).text
        sign_in(client, "alice")
        for path, status, text in (
            ("/queue", 403, "您的账户不能查看此页面"),
            ("/nothing", 404, "找不到该页面"),
            (f"/reading/{study}/opinion/none", 404, page_words("zh")["task"]["not_found"]),
        ):
            answer = client.get(path)
            assert (answer.status_code, text in answer.text) == (status, True), path
            assert '<html lang="zh">' in answer.text
        assert '<html lang="zh">' in client.get(f"/reading/{study}").text
        assert "表单已过期" in client.post(f"/reading/{study}/close", data={"csrf": "x"}).text
