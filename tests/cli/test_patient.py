"""Identifiers of a merge come from a prompt or a file, and appear nowhere."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from ra_node.cli.app import app


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "node.toml"
    path.write_text('[node]\ndata_dir = "state"\nport = 0\n')
    return str(path)


def run(config, *words, typed=None):
    return CliRunner().invoke(app, ["patient", "merge", *words, "--config", config], input=typed)


def test_a_merge_is_asked_for_and_done_once(config, tmp_path):
    """Neither output nor event log nor ledger holds an identifier."""
    done = run(config, typed="MARKED-1\nHOSP\nMARKED-2\nHOSP\n")
    assert (done.exit_code, "merged; 0 results" in done.output) == (0, True)
    path = tmp_path / "merge.txt"
    path.write_text("MARKED-1\nHOSP\nMARKED-2\nHOSP\n")
    again = run(config, "--from-file", str(path), "--json")
    assert json.loads(again.stdout) == {"merged": False, "results": 0}
    audit = CliRunner().invoke(app, ["audit", "--config", config]).output
    assert "patients_merged" in audit or "merged" in audit
    assert "MARKED" not in audit + again.output
    for file in (tmp_path / "state").rglob("*sqlite3*"):
        assert b"MARKED" not in file.read_bytes()


@pytest.mark.parametrize(
    ("typed", "said"), [("A\n\nA\n\n", "one identifier twice"), ("\n\nB\n\n", "a Patient ID, found none")]
)
def test_what_cannot_be_merged_is_refused_with_its_reason(config, typed, said):
    assert said in str(run(config, typed=typed).exception)


@pytest.mark.parametrize("content", [b"A\nB\n", b"\xff\n\n\n\n", b"1\n2\n3\n4\n5\n"])
def test_a_file_of_another_form_is_refused(config, tmp_path, content):
    path = tmp_path / "merge.txt"
    path.write_bytes(content)
    found = run(config, "--from-file", str(path))
    assert found.exit_code != 0
    assert "expected" in str(found.exception)


def test_a_file_that_is_not_there_is_a_usage_error(config, tmp_path):
    for path in (tmp_path / "none.txt", tmp_path):
        assert run(config, "--from-file", str(path)).exit_code == 2
