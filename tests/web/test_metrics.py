"""A scrape is what Prometheus expects, and says what the ledger says."""

import re
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event

from ra_node.ledger.database.engine import LedgerUnavailable
from tests.web.conftest import browser, sign_in
from tests.web.hospital import Hospital, a_day


def scrape(hospital):
    with browser(hospital) as prometheus:
        answer = prometheus.get("/metrics")
    assert answer.status_code == 200
    return answer.text


def values(text):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def scraped(busy_hospital):
    hospital = busy_hospital[0]
    hospital.desk.follower.catch_up()
    with hospital.working():
        return scrape(hospital)


def test_promtool_finds_nothing_to_complain_about(scraped, require_tool):
    done = subprocess.run(
        [require_tool("promtool"), "check", "metrics"],
        input=scraped,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_scrape_counts_what_happened(scraped):
    found = values(scraped)
    expected = {
        ("ra_node_images_received_total", ("source", "MODALITY")): 3,
        ("ra_node_images_received_total", ("source", "WARD_CR")): 1,
        ("ra_node_studies_answered_total", ("result", "judged")): 1,
        ("ra_node_studies_answered_total", ("result", "refused")): 1,
        ("ra_node_refusals_total", ("of", "study"), ("reason", "other_body_part")): 1,
        ("ra_node_hands_judged_total", ("stage", "3")): 1,
        ("ra_node_jobs_buried_total", ("kind", "examine")): 1,
        ("ra_node_objects_total", ("peer", "pacs"), ("result", "committed")): 2,
        ("ra_node_objects_total", ("peer", "pacs"), ("result", "refused")): 2,
        ("ra_node_open_deliveries", ("peer", "archive"), ("state", "waiting")): 4,
        ("ra_node_jobs", ("kind", "deliver"), ("state", "buried")): 1,
        ("ra_node_destination_up", ("peer", "archive")): 0,
        ("ra_node_destination_up", ("peer", "pacs")): 1,
        ("ra_node_role_lines", ("role", "work")): 1,
        ("ra_node_step_duration_seconds_count", ("step", "commit")): 2,
        ("ra_node_ledger_up",): 1,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert found["ra_node_oldest_unanswered_seconds",] > 0
    assert found["ra_node_disk_free_bytes",] > 0
    assert 3 * 2**30 in {value for key, value in found.items() if key[0] == "ra_node_gpu_memory_bytes"}
    assert any(key[0] == "ra_node_bundle_info" for key in found)
    assert any(key[0] == "ra_node_worker_info" for key in found)


def test_no_label_names_a_study_or_an_image(scraped):
    assert not re.search(r"\b[12]\.(2|25)\.\d{3,}", scraped)


def test_totals_do_not_start_before_the_past_is_read(tmp_path):
    """Else each restart would look like a burst of everything that ever happened."""
    hospital = Hospital(tmp_path)
    a_day(hospital)
    assert "images_received" not in scrape(hospital)
    hospital.desk.follower.catch_up()
    assert "ra_node_images_received_total" in scrape(hospital)
    hospital.close()


def test_while_the_ledger_is_away_a_scrape_says_that_and_the_disk(tmp_path, monkeypatch):
    hospital = Hospital(tmp_path)

    def away(*_, **__):
        raise LedgerUnavailable("gone")

    monkeypatch.setattr("ra_node.web.metrics.open_job_counts", away)
    found = values(scrape(hospital))
    assert found["ra_node_ledger_up",] == 0
    assert ("ra_node_disk_free_bytes",) in found
    assert not any(key[0] == "ra_node_jobs" for key in found)
    hospital.close()


def test_a_scrape_reads_no_more_of_a_ledger_ten_times_as_large(tmp_path):
    """Counts the rows that the database gives out: nothing that is done is read again."""
    hospital = Hospital(tmp_path)
    rows = []

    def finished(_connection, cursor, statement, *_):
        if statement.startswith("SELECT"):
            rows.append(statement)

    def cost():
        hospital.past(weeks=1)
        hospital.desk.follower.catch_up()
        scrape(hospital)
        del rows[:]
        event.listen(hospital.state.ledger.engine, "after_cursor_execute", finished)
        with hospital.desk.follower.tally() as tally:
            seen = len(hospital.desk.follower._seen)
        scrape(hospital)
        event.remove(hospital.state.ledger.engine, "after_cursor_execute", finished)
        return len(rows), seen, sum(tally.answered.values())

    first = cost()
    hospital.past(weeks=40)
    second = cost()
    assert second[:2] == first[:2]
    assert second[2] > 10 * first[2]
    hospital.close()


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("::ffff:127.0.0.1", {}, 200),
        ("10.0.0.9", {}, 403),
        ("127.0.0.1", {"X-Forwarded-For": "10.0.0.9"}, 403),
        ("127.0.0.1", {"Forwarded": "for=10.0.0.9"}, 403),
        ("testclient", {}, 403),
    ],
)
def test_metrics_are_for_this_machine_and_not_for_what_a_proxy_lets_through(
    busy_hospital, address, headers, status
):
    with browser(busy_hospital[0], address=address) as caller:
        assert caller.get("/metrics", headers=headers).status_code == status


def test_metrics_are_for_who_is_signed_in_from_anywhere(busy_hospital):
    with browser(busy_hospital[0], address="10.0.0.9") as caller:
        sign_in(caller)
        assert caller.get("/metrics").status_code == 200


def test_a_site_may_name_its_prometheus(tmp_path):
    hospital = Hospital(tmp_path, {"metrics_from": ["10.0.0.0/24"]})
    for address, status in (("10.0.0.9", 200), ("127.0.0.1", 403)):
        with browser(hospital, address=address) as caller:
            assert caller.get("/metrics").status_code == status
    hospital.close()
