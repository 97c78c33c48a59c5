"""The page of a study: its report in HTML, its files, and what an operator asks of it."""

from __future__ import annotations

import io
import re

import pydicom
import pytest

from ra_node.domain.reader_study.roles import AccountRole
from ra_node.ledger.database.events import timeline
from ra_node.ledger.database.schema import DeliveryState
from ra_node.ledger.deliveries import deliveries_of
from ra_node.ledger.overview import find_study
from tests.web.conftest import browser, sign_in, token_in
from tests.web.hospital import IDENTITY, NAME, PASSWORD, Hospital, a_day


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A day; the tests of this module follow each other and never need a fresh one."""
    hospital = Hospital(
        tmp_path_factory.mktemp("study"),
        {"viewer_url": "https://viewer.example/v?StudyInstanceUIDs={study_uid}"},
    )
    day = a_day(hospital)
    with browser(hospital) as client:
        sign_in(client)
        yield hospital, day, client
    hospital.close()


def test_the_report_is_html_with_verdict_stages_and_reasons(house):
    """What the text report says stands in elements, not in a block of 80 columns."""
    _, day, client = house
    text = client.get(f"/studies/{day['answered']}").text
    report = text.partition('<section class="report"')[2].partition("</section>")[0]
    html = re.sub(r"<pre.*?</pre>", "", report, flags=re.DOTALL)
    shown = ("AI, ", "Right hand", "RA suspected", "RA not seen", "Probability of each stage", "simulated")
    for words in shown:
        assert words in html, words
    assert html.count("<meter") == 12
    refused = client.get(f"/studies/{day['refused']}").text
    assert "No AI result" in refused


def test_a_study_has_a_link_into_the_viewer_of_the_site(house, busy_hospital):
    _, day, client = house
    link = f'href="https://viewer.example/v?StudyInstanceUIDs={day["answered"]}"'
    assert link in client.get(f"/studies/{day['answered']}").text
    with browser(busy_hospital[0]) as other:
        sign_in(other)
        assert "Open in the viewer" not in other.get(f"/studies/{busy_hospital[1]['answered']}").text


def test_sr_overlay_and_source_are_downloaded_and_each_is_recorded(house):
    hospital, day, client = house
    text = client.get(f"/studies/{day['answered']}").text
    links = re.findall(rf'href="(/studies/{day["answered"]}/files/[\d.]+\.dcm)"', text)
    assert len(links) >= 3
    modalities = set()
    for link in links:
        answer = client.get(link)
        assert answer.headers["content-type"] == "application/dicom"
        assert answer.headers["content-disposition"].startswith('attachment; filename="')
        modalities.add(pydicom.dcmread(io.BytesIO(answer.content)).Modality)
    assert {"SR", "DX"} <= modalities or {"SR", "CR"} <= modalities
    told = [one for one in timeline(hospital.state.ledger, day["answered"]) if one.what == "operator_acted"]
    assert [one.detail["by"] for one in told if one.detail["done"] == "file_downloaded"] == ["night"] * len(
        links
    )
    assert NAME not in str(told)
    assert IDENTITY not in text
    other = links[0].replace(day["answered"], day["open"])
    assert client.get(other).status_code == 404
    assert client.get(f"/studies/{day['answered']}/files/..%2fledger.dcm").status_code == 404


def test_a_result_is_sent_again_to_one_destination(house):
    hospital, day, client = house
    csrf = token_in(client.get(f"/studies/{day['answered']}").text)
    path = f"/studies/{day['answered']}/resend"
    assert client.post(path, data={"csrf": "x", "peer": "pacs"}).status_code == 403
    assert client.post(path, data={"csrf": csrf, "peer": "nobody"}).status_code == 404
    assert client.post(path, data={"csrf": csrf, "peer": "pacs"}).status_code == 303
    states = {one.state for one in deliveries_of(hospital.state.ledger, day["answered"], peer="pacs")}
    assert states == {DeliveryState.WAITING}
    hospital.deliver()
    states = {one.state for one in deliveries_of(hospital.state.ledger, day["answered"], peer="pacs")}
    assert states == {DeliveryState.ACCEPTED}


def test_a_study_is_analysed_again_behind_a_confirmation_and_gets_a_new_version(house):
    """Its state says so until the report is there; a second request meanwhile is refused with the reason."""
    hospital, day, client = house
    csrf = token_in(client.get(f"/studies/{day['answered']}").text)
    path = f"/studies/{day['answered']}/analyse"
    assert client.post(path, data={"csrf": csrf}).status_code == 400
    assert client.post(path, data={"csrf": csrf, "confirmed": "yes"}).status_code == 303
    assert client.post(path, data={"csrf": csrf, "confirmed": "yes"}).status_code == 404
    waiting = f"/studies/{day['open']}/analyse"
    assert client.post(waiting, data={"csrf": csrf, "confirmed": "yes"}).status_code == 404
    hospital.answer(day["answered"], 3, 3)
    line = find_study(hospital.state.ledger, day["answered"])
    assert (line.version, line.answered_version) == (2, 2)
    assert "RA in 2 of 2" in client.get("/").text


def test_a_reader_reaches_none_of_it(house):
    hospital, day, _ = house
    hospital.desk.passwords.set("reader", PASSWORD, AccountRole.READER)
    uid = day["answered"]
    with browser(hospital) as client:
        sign_in(client, "reader")
        csrf = token_in(client.get("/reading").text)
        for path in (f"/studies/{uid}", f"/studies/{uid}/files/{uid}.dcm", "/buried", "/peers", "/?needs=me"):
            assert client.get(path).status_code in (303, 403), path
            assert uid not in client.get(path).text.replace(path, "")
        for path in (f"/studies/{uid}/resend", f"/studies/{uid}/analyse", "/buried", "/peers/echo"):
            sent = {"csrf": csrf, "confirmed": "yes", "peer": "pacs"}
            assert client.post(path, data=sent).status_code == 403, path


def test_no_detail_of_the_timeline_is_a_code(house):
    """Keys and values are words: "report needed yes", not "counts True"; "other body part", not its code."""
    _, day, client = house
    for kind in ("answered", "refused", "failed"):
        timeline_html = client.get(f"/studies/{day[kind]}").text.partition('class="timeline"')[2]
        pairs = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", timeline_html)
        assert pairs
        for key, value in pairs:
            assert "_" not in key, (key, value)
            assert not re.fullmatch(r"True|False|None|[a-z]+(_[a-z]+)+", value), (key, value)
    refused = client.get(f"/studies/{day['refused']}").text
    assert "<dt>no hand rated</dt><dd>other body part</dd>" in refused
