"""The command line says what a PACS administrator needs, and errors name what to do."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from ra_node.cli.app import app, main
from ra_node.domain.laterality.evidence import Side
from training.phantom.draw import draw_hands
from training.phantom.recipe import HandRecipe, PhantomRecipe
from training.phantom.study import phantom_study

SMALL = PhantomRecipe(rows=700, columns=840, seed=3)


@pytest.fixture
def run():
    """Run a command in this process: its output, and no exit code but 0 unless told."""

    def go(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, list(words))
        assert result.exit_code == code, result.output
        return result.output

    return go


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "node.toml"
    path.write_text('[node]\ndata_dir = "state"\nport = 0\n')
    return str(path)


def run_main(monkeypatch, *words):
    """Run like the installed command, but for its logging: what it exits with."""
    monkeypatch.setattr("sys.argv", ["ra-node", *words])
    with pytest.raises(SystemExit) as stopped:
        main()
    return stopped.value.code


def test_help_names_every_command(run):
    text = run("--help")
    for command in ("demo", "run", "listen", "work", "deliver", "schedule", "check", "status", "studies"):
        assert command in text
    assert "not a medical device" in text


def test_hands_says_where_they_are_and_which_side(run, tmp_path):
    (image,) = phantom_study(SMALL)
    image.save_as(tmp_path / "both.dcm", enforce_file_format=True)
    line = json.loads(run("hands", str(tmp_path / "both.dcm"), "--json"))
    assert [hand["side"] for hand in line["hands"]] == ["R", "L"]
    assert all(set(hand) >= {"box", "side", "evidence", "rotation", "score"} for hand in line["hands"])
    assert line["refusal"] is None


@pytest.mark.parametrize(("markers", "side"), [(True, "L"), (False, None)])
def test_hands_of_a_png_have_a_side_by_their_lead_marker_alone(run, tmp_path, markers, side):
    hands = (HandRecipe(Side.LEFT),)
    phantom = draw_hands(PhantomRecipe(hands, rows=700, columns=520, seed=4, markers=markers))
    cv2.imwrite(str(tmp_path / "one.png"), (phantom.pixels >> 4).astype(np.uint8))
    (hand,) = json.loads(run("hands", str(tmp_path / "one.png"), "--json"))["hands"]
    assert hand["side"] == side


def test_one_bad_file_does_not_hide_the_others(run, tmp_path):
    (tmp_path / "bad.txt").write_text("no image at all " * 20)
    (image,) = phantom_study(SMALL)
    image.save_as(tmp_path / "both.dcm", enforce_file_format=True)
    output = run("hands", str(tmp_path / "bad.txt"), str(tmp_path / "both.dcm"), "--json", code=1)
    bad, good = map(json.loads, output.splitlines())
    assert bad["refusal"]
    assert len(good["hands"]) == 2


def test_an_empty_node_has_an_empty_status(run, config):
    status = json.loads(run("status", "--config", config, "--json"))
    assert status["buried"] == []
    assert status["oldest_unanswered"] is None
    assert json.loads(run("studies", "--config", config, "--json")) == []


def test_requeue_of_nothing_says_so(run, config):
    assert "0 jobs requeued" in run("requeue", "1.2.3", "--config", config, code=1)


def test_requeue_of_what_has_just_recovered_is_no_error(run, tmp_path):
    """A destination came back while the operator typed; exit 1 stopped their scripts."""
    path = tmp_path / "node.toml"
    path.write_text('[node]\ndata_dir = "state"\nport = 0\n[[peer]]\nname = "pacs"\nae_title = "PACS"\n')
    assert "any more" in run("requeue", "pacs", "--config", str(path))


def test_a_stopped_node_is_not_ready_and_names_what_lacks(run, config):
    assert "not ready: listen, work, schedule, bundle" in run("ready", "--config", config, code=4)
    status = json.loads(run("status", "--config", config, "--json"))
    assert status["roles"] == {"listen": 0, "work": 0, "schedule": 0}
    assert "none running; not running: listen, work, schedule" in run("status", "--config", config)


def test_check_says_what_to_do_about_each_failure(run, config):
    rows = {row["name"]: row for row in json.loads(run("check", "--config", config, "--json", code=1))}
    assert not rows["destinations"]["ok"]
    assert "[[peer]]" in rows["destinations"]["hint"]
    assert rows["ledger"]["ok"]


def test_hints_are_printed_to_the_letter(run, config):
    """A hint holds TOML, which looks like markup to the library that prints it."""
    assert 'add a [[peer]] with roles = ["source"]' in run("check", "--config", config, code=1)


def test_a_missing_configuration_is_one_line_and_exit_3(monkeypatch, capsys, tmp_path):
    assert run_main(monkeypatch, "status", "--config", str(tmp_path / "absent.toml")) == 3
    assert capsys.readouterr().err.strip().count("\n") == 0


def test_an_unknown_study_is_named_and_exit_1(monkeypatch, capsys, config):
    assert run_main(monkeypatch, "studies", "1.2.3", "--config", config) == 1
    assert "1.2.3" in capsys.readouterr().err
