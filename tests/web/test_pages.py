"""The pages say what the ledger says, name no patient, and an empty one says what to do."""

import io

import pytest
from PIL import Image

from ra_node.domain.job import JobState
from ra_node.ledger.database.events import timeline
from ra_node.ledger.overview import jobs_of
from ra_node.ledger.withdrawals import waiting_withdrawals
from ra_node.services.monitoring.event_counters import EventCounters
from ra_node.services.withdrawal.begin import WithdrawalStarter
from tests.inference.bundle_builders import DEMO, read_manifest
from tests.web.conftest import browser, sign_in, token_in
from tests.web.hospital import IDENTITY, NAME, Hospital


@pytest.fixture(scope="module")
def client(busy_hospital):
    with browser(busy_hospital[0]) as signed_in:
        sign_in(signed_in)
        yield signed_in


def test_the_list_shows_each_study_with_state_answer_and_destinations(busy_hospital, client):
    text = client.get("/").text
    for uid in busy_hospital[1].values():
        assert f'href="/studies/{uid}"' in text
    for words in (
        "RA in 1 of 2 hands; stages 3,\u00a00",
        "no hand rated: other body part",
        "MemoryError in pixels.py:120",
        "Data Set does not match SOP Class",
        "committed",
        "receiving",
    ):
        assert words in text
    assert "Times are UTC" in text


def test_the_list_is_narrowed_by_state_and_by_the_beginning_of_a_uid(busy_hospital, client):
    day = busy_hospital[1]
    answered = client.get("/?state=answered").text
    assert day["answered"] in answered
    assert day["open"] not in answered
    found = client.get(f"/?uid={day['failed'][:20]}").text
    assert day["failed"] in found
    assert day["answered"] not in found
    assert "No matching study" in client.get("/?uid=9.9").text
    assert "No matching study" in client.get("/?uid=Smith").text
    assert day["open"] in client.get("/?state=nonsense&from=x").text


def test_a_page_of_the_list_leads_to_older_studies(hospital):
    for number in range(27):
        from tests.ledger.builders import keep

        keep(hospital.state.ledger, f"1.2.{number}.1", f"1.2.{number}")
    with browser(hospital) as client:
        sign_in(client)
        first, second = client.get("/").text, client.get("/?from=25").text
    assert first.count('id="study-') == 25
    assert second.count('id="study-') == 2
    assert "/?from=25" in first
    assert "/?from=0" in second


def test_a_study_shows_its_report_objects_and_every_event(busy_hospital, client):
    hospital, day = busy_hospital
    text = client.get(f"/studies/{day['answered']}").text
    for words in ("Right hand", "SUSPECTED", "simulated", "image received", "study settled", "image analysed",
                  "report made", "object delivered", "storage committed", "Structured report",
                  "archive", "queued", "threshold"):  # fmt: skip
        assert words in text
    from ra_node.ledger.database.events import timeline

    assert text.partition('class="timeline"')[2].count("<li class=") == len(
        timeline(hospital.state.ledger, day["answered"])
    )


def test_the_overlay_is_a_picture_of_the_size_that_was_asked_for(busy_hospital, client):
    path = f"/studies/{busy_hospital[1]['answered']}/1/overlay.jpg"
    for query, longest in (("", 1600), ("?size=small", 240)):
        answer = client.get(path + query)
        assert answer.headers["content-type"] == "image/jpeg"
        picture = Image.open(io.BytesIO(answer.content))
        assert max(picture.size) <= longest
        assert len({picture.getpixel((x, picture.height // 3)) for x in range(0, picture.width, 3)}) > 5
    assert client.get(f"/studies/{busy_hospital[1]['open']}/1/overlay.jpg").status_code == 404
    assert client.get(f"/studies/{busy_hospital[1]['answered']}/9/overlay.jpg").status_code == 404


@pytest.mark.parametrize("uid", ["1.2.3", "..%2f..%2fetc", "Smith^John", "1" * 65])
def test_an_unknown_study_is_not_found(client, uid):
    assert client.get(f"/studies/{uid}").status_code == 404


def test_destinations_and_sources_say_who_is_up(client):
    text = client.get("/peers").text
    for words in ("not reachable", "no answer from 10.0.0.11 port 104", "4 objects wait", "Retry now",
                  "MODALITY", "WARD_CR", "2 refused"):  # fmt: skip
        assert words in text


def test_the_queue_says_what_waits_and_who_is_missing(busy_hospital, client):
    text = client.get("/queue").text
    assert "missing" in text
    assert "Oldest image without a report: waiting for" in text
    with busy_hospital[0].working():
        assert "missing" not in client.get("/queue").text


def test_the_model_page_shows_card_figures_and_says_that_it_is_simulated(busy_hospital, client):
    text = client.get("/model").text
    manifest = read_manifest(DEMO)
    shown = f"demo {manifest['version']}"
    rows = manifest["training"]["held_out"]["recognition_confusion"]
    called = f"{sum(row[1] for row in rows) / sum(map(sum, rows)):.0%}".replace("%", " %")
    for words in (shown, "simulated lesions", "not a medical device", "AUC", "0.997", "Model card",
                  "No worker is running", "Stages, here and on its card", "Studies without a rated hand",
                  "its card: 642 hands", "107 of them are normal", f"card {called}"):  # fmt: skip
        assert words in text
    with busy_hospital[0].working():
        assert "No worker is running" not in client.get("/model").text


def test_what_was_given_up_is_tried_again_by_one_button(tmp_path):
    hospital = Hospital(tmp_path)
    study = hospital.fail("failed")
    with browser(hospital) as client:
        sign_in(client)
        (job,) = jobs_of(hospital.state.ledger, study)
        csrf = token_in(client.get("/buried").text)
        answer = client.post(
            "/requeue", data={"csrf": csrf, "what": job.id, "study": study, "back": "/buried"}
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/buried")
        assert "No job is buried" in client.get("/buried").text
    (job,) = jobs_of(hospital.state.ledger, study)
    assert job.state is JobState.READY
    hospital.close()


def test_a_new_node_says_on_every_page_what_to_do(hospital):
    with browser(hospital) as client:
        sign_in(client)
        assert "Let the PACS or the modality send" in client.get("/").text
        assert "No job is buried" in client.get("/buried").text
        assert "No study has been reported yet" in client.get("/queue").text
        assert "Nothing was received in the last 24 hours" in client.get("/queue").text
        assert "No hand was rated in the last 12 weeks" in client.get("/model").text


def test_without_a_password_the_login_says_how_to_make_one(tmp_path):
    hospital = Hospital(tmp_path)
    hospital.desk.passwords.remove("night")
    with browser(hospital) as client:
        assert "ra-node web-password NAME" in client.get("/login").text
    hospital.close()


def everything(client, day):
    paths = [
        "/login",
        "/",
        "/queue",
        "/peers",
        "/buried",
        "/model",
        "/metrics",
        "/healthz",
        "/readyz",
        "/nothing",
    ]
    paths += [f"/studies/{uid}" for uid in day.values()]
    return "".join(client.get(path).text for path in paths)


def test_no_page_names_a_patient(busy_hospital, client):
    """The files do; the page does not, unless the site asks."""
    hospital, day = busy_hospital
    kept = b"".join(path.read_bytes() for path in hospital.bench.folder.rglob("*.dcm"))
    assert NAME.encode() in kept
    text = everything(client, day)
    for marked in (NAME, IDENTITY, "MARKED"):
        assert marked not in text


def test_the_patient_stands_on_the_page_of_a_study_where_the_site_asks_for_it(tmp_path):
    hospital = Hospital(tmp_path, {"show_patient_names": True})
    study = hospital.receive("named")
    with browser(hospital) as client:
        sign_in(client)
        assert f"{NAME}, {IDENTITY}" in client.get(f"/studies/{study}").text
        assert NAME not in client.get("/").text
        assert NAME not in client.get("/metrics").text
    hospital.close()


def test_text_from_outside_stays_text(hospital):
    """A peer's answer is shown on the page; it must not become part of it."""
    from ra_node.domain.job import JobKind
    from ra_node.ledger.jobs.queue import bury, claim

    study = hospital.receive("nasty", calling_ae="<b>AE</b>")
    (job,) = claim(hospital.state.ledger, [JobKind.EXAMINE], "w", 1, 60)
    bury(hospital.state.ledger, job, "<script>alert(1)</script>")
    with browser(hospital) as client:
        sign_in(client)
        text = "".join(client.get(path).text for path in ("/", "/buried", "/peers", f"/studies/{study}"))
    assert "<script>alert" not in text
    assert "<b>AE" not in text
    assert "&lt;script&gt;alert" in text


def test_times_are_in_the_zone_of_the_site(tmp_path):
    hospital = Hospital(tmp_path, {"timezone": "Asia/Kolkata"})
    with browser(hospital) as client:
        assert "Times are Asia/Kolkata (UTC+05:30)" in client.get("/login").text
    hospital.close()


def test_while_the_ledger_is_away_the_page_says_so(tmp_path, monkeypatch):
    from ra_node.ledger.database.engine import LedgerUnavailable

    hospital = Hospital(tmp_path)

    def away(*_, **__):
        raise LedgerUnavailable("expected a working ledger, found: connection refused")

    with browser(hospital) as client:
        sign_in(client)
        monkeypatch.setattr("ra_node.web.operator.study_list.studies", away)
        answer = client.get("/")
    assert answer.status_code == 503
    assert "expected a working ledger" in answer.text
    hospital.close()


def test_a_result_is_withdrawn_behind_a_confirmation(tmp_path, monkeypatch):
    """Without the tick nothing happens; with it the request has the operator's name, and the button goes."""
    monkeypatch.setattr("ra_node.ledger.withdrawals.LIVE_FIRST_S", 0.0)
    hospital = Hospital(tmp_path)
    study = hospital.receive("one")
    hospital.answer(study, 2)
    with browser(hospital) as client:
        sign_in(client)
        page = client.get(f"/studies/{study}").text
        assert "Withdraw version 1" in page
        form = {"csrf": token_in(page), "reason": "sides exchanged", "cause": "patient_safety"}
        path = f"/studies/{study}/withdraw"
        assert client.post(path, data=form).status_code == 400
        assert client.post(path, data={**form, "confirmed": "yes", "reason": " "}).status_code == 400
        assert client.post(path, data={**form, "csrf": "x", "confirmed": "yes"}).status_code == 403
        assert waiting_withdrawals(hospital.state.ledger) == 0
        assert client.post(path, data={**form, "confirmed": "yes"}).status_code in (200, 303)
        assert client.post("/studies/2.25.404/withdraw", data={**form, "confirmed": "yes"}).status_code == 404
        WithdrawalStarter(hospital.state.ledger).step()
        hospital.answer(study)
        page = client.get(f"/studies/{study}").text
        assert "Withdrawn on" in page
        assert "Withdraw version" not in page
        assert "ra_node_withdrawals_waiting 0.0" in client.get("/metrics").text
    (event,) = [one for one in timeline(hospital.state.ledger, study) if one.what == "study_withdrawn"]
    assert event.detail["by"] == "night"
    counted = EventCounters()
    counted.add(event)
    assert dict(counted.withdrawn) == {"patient_safety": 1}
    hospital.close()
