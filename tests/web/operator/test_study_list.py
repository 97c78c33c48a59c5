"""The list finds a study by any of its numbers, and puts nothing of a patient into an address."""

from __future__ import annotations

import re

import pytest

from ra_node.ledger.inbox import instances_of
from ra_node.ledger.patient_key import KEY_FILE, open_secret
from ra_node.ledger.patients.patient_merges import PatientIdentifier, merge_patients
from ra_node.ledger.results import latest_result
from ra_node.ledger.search.filter import StudyFilter, matching_count
from tests.web.conftest import browser, sign_in, token_in
from tests.web.hospital import Hospital, a_day

ACCESSION, OTHER_ID = "ACC-2024/0815", "PID.77.1"


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A day, and one study more with numbers of its own."""
    hospital = Hospital(tmp_path_factory.mktemp("search"))
    day = a_day(hospital)
    day["numbered"] = hospital.receive(
        "numbered", AccessionNumber=ACCESSION, PatientID=OTHER_ID, StudyInstanceUID="1.2.3.44"
    )
    with browser(hospital) as client:
        sign_in(client)
        yield hospital, day, client
    hospital.close()


def found(client, typed: str) -> tuple[str, set[str]]:
    """Address and studies of what a search leads to."""
    csrf = token_in(client.get("/").text)
    answer = client.post("/search", data={"csrf": csrf, "find": typed})
    assert answer.status_code == 303
    where = answer.headers["location"]
    return where, listed(client, where)


def listed(client, where: str) -> set[str]:
    return set(re.findall(r'id="study-([\d.]+)"', client.get(where).text))


@pytest.mark.parametrize("typed", [ACCESSION, f" {ACCESSION.lower()} ", OTHER_ID, OTHER_ID.lower()])
def test_a_study_is_found_by_accession_number_and_patient_id_however_they_are_written(house, typed):
    _, day, client = house
    where, uids = found(client, typed)
    assert uids == {day["numbered"]}
    assert re.fullmatch(r"/\?key=[0-9a-f.]+", where)


def test_what_is_typed_stands_in_no_address_event_or_row(house, capsys):
    """Also where nothing is found, and where a number could be a part of a UID."""
    hospital, _, client = house
    for typed in ("4711", "NOBODY^0", "77.88", "1234567890123456789", "%", "_"):
        where, uids = found(client, typed)
        assert uids == set()
        assert typed not in where
        assert "No matching study" in client.get(where).text
    found(client, ACCESSION)
    logged = capsys.readouterr()
    ledger = (hospital.settings.node.data_dir / "ledger.sqlite3").read_bytes()
    ledger += (hospital.settings.node.data_dir / "ledger.sqlite3-wal").read_bytes()
    for typed in (ACCESSION, OTHER_ID, "NOBODY", "2024/0815"):
        assert typed not in logged.out + logged.err
        assert typed.encode() not in ledger


def test_a_study_is_found_by_a_part_of_any_of_its_uids(house):
    """Study, series, image and result; the number of the image at the end of what a PACS shows, too."""
    hospital, day, client = house
    (image,) = instances_of(hospital.state.ledger, day["answered"])
    result = latest_result(hospital.state.ledger, day["answered"])
    for uid in (day["answered"], image.series_uid, image.sop_instance_uid, result.sr_uid):
        assert day["answered"] in found(client, uid)[1], uid
        assert day["answered"] in found(client, uid[5:])[1], uid
    assert found(client, "2.3.44")[1] == {"1.2.3.44"}


def test_a_merged_patient_is_found_by_the_old_and_by_the_new_id(house):
    hospital, day, client = house
    secret = open_secret(hospital.settings.node.data_dir / KEY_FILE)
    merge_patients(
        hospital.state.ledger, secret, PatientIdentifier(OTHER_ID), PatientIdentifier("NEW-9"), "night"
    )
    assert found(client, "NEW-9")[1] == {day["numbered"]}
    assert found(client, OTHER_ID)[1] == {day["numbered"]}


def test_a_search_needs_the_token_and_an_empty_one_shows_all(house):
    _, day, client = house
    assert client.post("/search", data={"find": ACCESSION}).status_code == 403
    assert found(client, "  ") == ("/", set(day.values()))


@pytest.mark.parametrize(
    ("asked", "kinds"),
    [
        ("result=suspected", {"answered"}),
        ("result=not_seen", {"answered"}),
        ("result=not_rated", {"refused"}),
        ("result=inconclusive", set()),
        ("reason=other_body_part", {"refused"}),
        ("reason=no_hand", set()),
        ("peer=pacs", {"answered", "refused"}),
        ("delivery=refused", {"refused"}),
        ("peer=archive&delivery=refused", set()),
        ("needs=me", {"failed", "refused"}),
        ("since=2000-01-01", {"answered", "refused", "failed", "open", "numbered"}),
        ("until=2000-01-01", set()),
        ("since=nonsense&result=nonsense&peer=", {"answered", "refused", "failed", "open", "numbered"}),
        ("key=00", set()),
    ],
)
def test_the_list_is_filtered(house, asked, kinds):
    _, day, client = house
    assert listed(client, f"/?{asked}") == {day[kind] for kind in kinds}


def test_a_study_whose_result_was_refused_is_not_shown_as_done(house):
    """The number stands at the filter, the badge at the study."""
    hospital, day, client = house
    text = client.get("/").text
    assert re.search(r'needs me <span class="number">2</span>', text)
    row = text.partition(f'id="study-{day["refused"]}"')[2].partition("</tr>")[0]
    assert "needs an operator" in row
    done = text.partition(f'id="study-{day["answered"]}"')[2].partition("</tr>")[0]
    assert "needs an operator" not in done
    assert matching_count(hospital.state.ledger, StudyFilter(needs_operator=True)) == 2


def test_a_corrected_header_is_found_by_its_new_number_alone(tmp_path):
    hospital = Hospital(tmp_path)
    numbers = {"PatientID": "X-1", "StudyInstanceUID": "1.2.3.45"}
    hospital.receive("late", AccessionNumber="WRONG-1", **numbers)
    hospital.receive("late", AccessionNumber="RIGHT-1", **numbers)
    with browser(hospital) as client:
        sign_in(client)
        assert found(client, "WRONG-1")[1] == set()
        assert found(client, "RIGHT-1")[1] == {"1.2.3.45"}
    hospital.close()


def test_a_reader_finds_nothing(tmp_path):
    from ra_node.domain.reader_study.roles import AccountRole

    hospital = Hospital(tmp_path)
    hospital.desk.passwords.set("reader", "correct horse battery", AccountRole.READER)
    hospital.receive("one", AccessionNumber=ACCESSION)
    with browser(hospital) as client:
        sign_in(client, "reader")
        csrf = token_in(client.get("/reading").text)
        assert client.post("/search", data={"csrf": csrf, "find": ACCESSION}).status_code == 403
    hospital.close()
