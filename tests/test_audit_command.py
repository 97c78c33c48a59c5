"""`ra-node audit` prints the trail for people, scripts and spreadsheets, and notes who read it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from ra_node.bootstrap.node_context import open_state
from ra_node.cli.app import app
from ra_node.cli.options import account
from ra_node.ledger.database.events import record
from ra_node.settings.node import load_settings


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "node.toml"
    path.write_text('[node]\ndata_dir = "state"\n')
    ledger = open_state(load_settings(path)).ledger
    told = {"calling_ae": "=cmd()", "address": "10.0.0.66", "reason": "unknown", "times": 2}
    record(ledger, "caller_refused", None, **told)
    ledger.close()
    return path


def said(config: Path, *words: str) -> str:
    with capture_logs():
        done = CliRunner().invoke(app, ["audit", *words, "--config", str(config)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_line_tells_when_what_who_and_from_where(config: Path):
    refused, read = said(config).splitlines()
    assert "caller_refused  =cmd()  10.0.0.66" in refused
    assert f"operator_acted  {account()}" in read
    assert "trail_read" in read


def test_json_is_an_object_a_line(config: Path):
    refused = json.loads(said(config, "--json").splitlines()[0])
    assert (refused["who"], refused["detail"]["times"]) == ("=cmd()", 2)


def test_csv_holds_no_formula(config: Path):
    """A caller names itself, and a spreadsheet would run what begins like this."""
    rows = list(csv.reader(io.StringIO(said(config, "--csv"))))
    assert rows[0][:3] == ["at", "what", "who"]
    assert rows[1][2] == "'=cmd()"


def test_it_begins_where_it_is_asked_to(config: Path):
    assert said(config, "--since", "2999-01-01") == ""
    done = CliRunner().invoke(app, ["audit", "--since", "yesterday", "--config", str(config)])
    assert done.exit_code == 2
    assert "found yesterday" in " ".join(done.output.split())


def test_a_command_that_changes_something_tells_who_gave_it(config: Path):
    CliRunner().invoke(app, ["purge", "--config", str(config)])
    last = json.loads(said(config, "--json").splitlines()[-2])
    assert (last["detail"]["done"], last["who"]) == ("purged", account())
