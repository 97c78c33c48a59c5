"""The list as CSV: the filter of the page, one row a study, and no cell that a spreadsheet evaluates."""

from __future__ import annotations

import csv
import io

from ra_node.domain.job import JobKind
from ra_node.ledger.jobs.queue import bury, claim
from tests.web.conftest import browser, sign_in
from tests.web.hospital import IDENTITY, NAME


def rows(client, where: str) -> list[dict[str, str]]:
    answer = client.get(where)
    assert answer.headers["content-disposition"] == 'attachment; filename="studies.csv"'
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


def test_each_study_of_the_filter_is_a_row_in_words_and_names_no_patient(busy_hospital):
    hospital, day = busy_hospital
    with browser(hospital) as client:
        sign_in(client)
        all_rows = {row["study_uid"]: row for row in rows(client, "/studies.csv")}
        assert set(all_rows) == set(day.values())
        assert all_rows[day["refused"]]["reason"] == "other body part"
        assert all_rows[day["refused"]]["needs_operator"] == "yes"
        assert "pacs: refused" in all_rows[day["refused"]]["destinations"]
        assert {row["study_uid"] for row in rows(client, "/studies.csv?needs=me")} == {
            day["failed"],
            day["refused"],
        }
        text = client.get("/studies.csv").text
    assert NAME not in text
    assert IDENTITY not in text


def test_an_error_of_a_peer_is_no_formula(hospital):
    study = hospital.receive("nasty")
    (job,) = claim(hospital.state.ledger, [JobKind.EXAMINE], "w", 1, 60)
    bury(hospital.state.ledger, job, '=HYPERLINK("http://x","y")')
    with browser(hospital) as client:
        sign_in(client)
        (row,) = rows(client, "/studies.csv")
    assert row["study_uid"] == study
    assert not row["error"].startswith("=")
    assert "HYPERLINK" in row["error"]


def test_it_is_for_operators_alone(hospital):
    with browser(hospital) as client:
        assert client.get("/studies.csv").status_code == 303
