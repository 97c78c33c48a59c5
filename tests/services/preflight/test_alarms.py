"""Every surface names an alarm that is raised, with what to do, and obeys nothing that stands in it."""

from __future__ import annotations

import json

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from ra_node.bootstrap.node_context import open_state
from ra_node.cli.app import app
from ra_node.ledger.alarms import AlarmKind, alarms, clear_alarm, raise_alarm
from ra_node.services.preflight.alarms import HINTS, alarm_checks, counts_by_kind
from ra_node.settings.node import load_settings
from tests.web.conftest import browser, sign_in
from tests.web.hospital import Hospital


@pytest.fixture
def node(tmp_path):
    path = tmp_path / "node.toml"
    path.write_text('[node]\ndata_dir = "state"\nport = 0\n')

    def run(*words):
        return CliRunner().invoke(app, [*words, "--config", str(path)]).output

    ledger = open_state(load_settings(path)).ledger
    yield run, ledger
    ledger.close()


def test_every_kind_has_something_to_do():
    assert set(HINTS) == set(AlarmKind)


def test_status_and_check_name_an_alarm_and_what_to_do(node):
    run, ledger = node
    assert json.loads(run("status", "--json"))["alarms"] == []
    raise_alarm(ledger, AlarmKind.CONTENT, "1.2.3", "expected digest a, found b")
    (told,) = json.loads(run("status", "--json"))["alarms"]
    assert (told["kind"], told["subject"], told["detail"]) == (
        "content",
        "1.2.3",
        "expected digest a, found b",
    )
    said = run("status")
    assert "ALARM content" in said
    assert "1.2.3: expected digest a, found b" in said
    rows = {row["name"]: row for row in json.loads(run("check", "--json"))}
    assert rows["alarm content"]["ok"] is False
    assert rows["alarm content"]["hint"] == HINTS[AlarmKind.CONTENT]
    clear_alarm(ledger, AlarmKind.CONTENT, "1.2.3")
    assert "ALARM" not in run("status")


def test_one_row_a_kind_however_many_there_are(node):
    ledger = node[1]
    for number in range(5):
        raise_alarm(ledger, AlarmKind.CONTENT, f"1.2.{number}", "missing")
    raise_alarm(ledger, AlarmKind.CLOCK, "", "ahead by 86400 s")
    rows = {row.name: row.found for row in alarm_checks(lambda: alarms(ledger))}
    assert set(rows) == {"alarm content", "alarm clock"}
    assert rows["alarm content"].endswith("and 2 more")
    assert counts_by_kind(alarms(ledger))[AlarmKind.CONTENT] == 5


def test_an_alarm_is_an_error_in_the_log_once(node):
    with capture_logs() as lines:
        raise_alarm(node[1], AlarmKind.ROLE, "work", "no progress for 120 s")
        raise_alarm(node[1], AlarmKind.ROLE, "work", "no progress for 121 s")
    assert [(line["event"], line["log_level"]) for line in lines] == [("alarm_raised", "error")]


def test_markup_and_escape_sequences_stay_text(node):
    """Rich would take [/red] for markup, a terminal would obey an escape sequence."""
    run, ledger = node
    raise_alarm(ledger, AlarmKind.ROLE, "[/red]\x1b[2J", "[bold]\x9b31m lost\nALARM forged")
    said = run("status")
    assert "[/red]" in said
    assert "[bold]" in said
    assert not set(said) & {"\x1b", "\x9b"}
    assert "\nALARM forged" not in said


def test_page_and_metrics_show_it(tmp_path):
    hospital = Hospital(tmp_path)
    raise_alarm(hospital.state.ledger, AlarmKind.IDENTITY, "", "<b>expected</b> a, found b")
    with browser(hospital) as client:
        assert "ra_node_alarms" not in client.get("/login").text
        assert "expected" not in client.get("/login").text
        sign_in(client)
        for path in ("/", "/queue", "/peers", "/buried", "/model"):
            assert "&lt;b&gt;expected&lt;/b&gt; a, found b" in client.get(path).text
        given = client.get("/metrics").text
    assert 'ra_node_alarms{kind="identity"} 1.0' in given
    assert 'ra_node_alarms{kind="content"} 0.0' in given
    hospital.close()
