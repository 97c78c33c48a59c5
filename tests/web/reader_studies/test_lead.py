"""The lead creates reader studies and sees progress, agreement and the hands that nobody agrees on."""

from __future__ import annotations

import json

import pytest

from ra_node.domain.joints import JOINTS
from ra_node.ledger.reader_studies.studies import find_study, hands_of, readers_of
from tests.web.conftest import browser, sign_in, token_in
from tests.web.reader_studies.builders import drawn_hands, keep_image, make_study
from tests.web.reader_studies.conftest import plain_text, reading


@pytest.fixture
def chief(reading_hospital):
    with browser(reading_hospital) as client:
        sign_in(client, "chief")
        yield client


def test_a_lead_sees_each_reader_the_agreement_and_the_hands_that_nobody_agrees_on(reading_hospital, chief):
    study = make_study(reading_hospital, drawn_hands(4, 60, 44), name="led")
    page = plain_text(chief.get(f"/reader-studies/{study}").text)
    assert "Agreement is shown as soon as both readers" in page
    for name, stage in (("alice", 0), ("bob", 2)):
        with reading(reading_hospital, study, name) as one:
            one.read_all(lambda task, stage=stage: stage if task["number"] > 2 else 1)
    assert "led" in chief.get("/reader-studies").text
    text = chief.get(f"/reader-studies/{study}").text
    page = plain_text(text)
    for words in ("4/4", "7 s", "reading closed", "first readings", "after revision", "Quadratic kappa",
                  "too few hands", "Hands that nobody agrees on", "none yet"):  # fmt: skip
        assert words in page, words
    assert text.count('<td class="shade-') == 36


def test_a_lead_creates_a_reader_study_of_held_studies_with_two_readers(reading_hospital, chief):
    form = chief.get("/reader-studies/new").text
    sent = {"csrf": token_in(form), "name": "from the page", "source": "held", "sampling": "random",
            "count": "20", "seed": "7", "repeats": "10", "by_joint": "1", "threshold": "2",
            "reader_1": "alice", "reader_2": "bob"}  # fmt: skip
    made = chief.post("/reader-studies/new", data=sent)
    assert made.status_code == 303, plain_text(made.text)
    with reading_hospital.state.ledger.read() as connection:
        study = find_study(connection, "from the page")
        readers = readers_of(connection, study.id)
    assert (study.plan.threshold, study.plan.sampling.count, study.plan.by_joint) == (2, 20, True)
    assert [one.account for one in readers] == ["alice", "bob"]
    assert study.created_by == "chief"
    assert "hands are being cut" in chief.get(made.headers["location"]).text
    with reading(reading_hospital, study.id, "alice") as alice:
        assert "still being cut" in alice.get(f"/reading/{study.id}").text
        assert alice.get(f"/reading/{study.id}/next").status_code == 409


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "expected a name"),
        ("source", "folder", "expected files and folders"),
        ("count", "many", "expected a whole number"),
        ("reader_1", "night", "expected an account of role reader"),
        ("reader_1", "nobody", "expected an account of role reader"),
        ("sampling", "best", "expected one of"),
        ("repeats", "80", "repeats"),
    ],
)
def test_a_form_that_cannot_be_is_shown_again_with_the_reason_and_what_was_typed(chief, field, value, words):
    form = chief.get("/reader-studies/new").text
    sent = {"csrf": token_in(form), "name": "kept name", "source": "held", "sampling": "all", "count": "0",
            "seed": "7", "repeats": "10", "threshold": "1"} | {field: value}  # fmt: skip
    answer = chief.post("/reader-studies/new", data=sent)
    assert answer.status_code == 400
    assert words in answer.text
    assert field == "name" or 'value="kept name"' in answer.text


def test_a_second_reader_is_added_later(reading_hospital, chief):
    study = make_study(reading_hospital, drawn_hands(1, 60, 44), name="one reader", readers=("alice",))
    page = chief.get(f"/reader-studies/{study}").text
    assert "One reader only" in page
    sent = {"csrf": token_in(page), "account": "bob", "duty": "reader"}
    assert chief.post(f"/reader-studies/{study}/readers", data=sent).status_code == 303
    assert "One reader only" not in chief.get(f"/reader-studies/{study}").text
    with reading(reading_hospital, study, "bob") as bob:
        assert set(bob.next()["joints"]) == set(JOINTS)


def test_a_hand_that_was_missed_is_asked_for_by_the_box_that_a_lead_draws(reading_hospital, chief, tmp_path):
    hospital = reading_hospital
    study = make_study(hospital, drawn_hands(1, 60, 44), name="missed")
    keep_image(hospital, study, tmp_path / "plate.png")
    listed = chief.get(f"/reader-studies/{study}/images").text
    page = f"/reader-studies/{study}/images/image-1"
    assert f'href="{page}"' in listed
    assert chief.get(f"{page}/preview.jpg").content.startswith(b"\xff\xd8")
    assert chief.get(f"/reader-studies/{study}/images/image-9").status_code == 404
    sent = {"csrf": token_in(chief.get(page).text), "left": "10", "top": "5,5", "right": "90", "bottom": "95",
            "side": "R", "fingers": "right", "no_text": "1"}  # fmt: skip
    assert chief.post(page, data=sent).status_code == 303
    with hospital.state.ledger.read() as connection:
        (asked,) = [hand for hand in hands_of(connection, study, chosen=None) if hand.request_json]
    drawn = {"box": [0.1, 0.055, 0.9, 0.95], "side": "R", "rotation": 90, "no_text": True}
    assert json.loads(asked.request_json) == drawn
    for wrong in ({"no_text": ""}, {"left": "95"}, {"top": "top"}, {"side": "X"}):
        assert chief.post(page, data=sent | wrong).status_code == 400
