"""The help of each command is its manual, and with --json nothing but JSON comes out."""

from __future__ import annotations

import inspect
import json
import shutil

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from ra_node.bootstrap.node_context import open_state
from ra_node.bootstrap.web import passwords
from ra_node.cli.app import app, main
from ra_node.cli.exit_codes import Exit, exit_of
from ra_node.cli.help_pages import commands_of
from ra_node.domain.reader_study.roles import AccountRole
from ra_node.errors import Fatal, Refused, Retryable
from ra_node.services.reader_studies.adjudication import sign
from ra_node.settings.node import load_settings
from tests.ledger.builders import answered_study
from tests.node.harness import REPOSITORY
from tests.services.reader_studies.builders import ANNA, BEN, new_study, whole
from training.phantom.recipe import PhantomRecipe
from training.phantom.study import phantom_study

COMMANDS = dict(commands_of(app))
WITH_JSON = {
    path for path, info in COMMANDS.items() if "as_json" in inspect.signature(info.callback).parameters
}
BUNDLE = REPOSITORY / "config" / "bundles" / "demo"


def run(*words: str) -> tuple[int, str, str]:
    """Run a command in this process: exit code, output, and errors; the log, which `main` sets up, apart."""
    with capture_logs():
        result = CliRunner(env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"}).invoke(app, list(words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("path", sorted(COMMANDS))
def test_the_help_of_a_command_describes_it_with_examples_and_exit_codes(path):
    """A new command without an example gets one in `ra_node.cli.help_pages.PAGES`."""
    code, text, _ = run(*path.split(), "--help")
    words = " ".join(text.split())
    assert code == 0
    assert f"Example: ra-node {path}" in words, f"no example of `{path}` in ra_node.cli.help_pages.PAGES"
    assert "Exit codes: 0 done; 1 " in words
    assert "[]" not in words.replace("[OPTIONS]", ""), "the library took brackets for markup"
    described = text.split("╭")[0].split("Usage:")[1].splitlines()[1:]
    assert len(" ".join(described).split()) >= 5
    assert not [line for line in text.splitlines() if line.startswith("│ --") and line.count("  ") < 2]


def test_the_help_of_all_tells_where_the_configuration_is_and_how_to_complete():
    _, text, _ = run("--help")
    words = " ".join(text.split())
    assert "RA_NODE_CONFIG" in words
    assert "--install-completion" in words
    assert "3 the configuration or the installation is wrong" in words


@pytest.mark.parametrize(
    ("error", "code"),
    [(Refused("x"), Exit.FAILED), (Fatal("x"), Exit.CONFIGURATION), (Retryable("x"), Exit.NOT_NOW)],
)
def test_each_kind_of_error_has_its_exit_code(error, code):
    assert exit_of(error) is code


def test_a_wrong_option_is_exit_2():
    assert run("status", "--no-such-option")[0] == Exit.USAGE


def test_a_ledger_that_is_away_is_exit_4(tmp_path, monkeypatch, capsys):
    config = tmp_path / "node.toml"
    config.write_text('[ledger]\nurl = "postgresql+pg8000://nobody@127.0.0.1:1/none"\n')
    monkeypatch.setattr("sys.argv", ["ra-node", "studies", "--config", str(config)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == Exit.NOT_NOW
    assert capsys.readouterr().err.strip()


pytestmark = pytest.mark.usefixtures("networks_loaded_once")


def reader_study(config, folder):
    """A reader study that is made, and one that two readers have read and signed."""
    settings = load_settings(config)
    for name in ("anna", "ben"):
        passwords(settings).set_role(name, AccountRole.READER)
    state = open_state(settings)
    new_study(state.ledger, state.files, 1, name="made", readers=(ANNA,))
    read = new_study(state.ledger, state.files, 1, name="read")
    (folder / "state" / "reader-studies" / read.id / "detector").mkdir()
    for who in (ANNA, BEN):
        read.read(who, lambda _n, _o: whole(1))
    for who in (ANNA, BEN):
        sign(state.ledger, read.id, who)
    state.ledger.close()


@pytest.fixture(scope="module")
def words_for(tmp_path_factory):
    """How each command with --json is called in a test, and the exit codes that may come."""
    folder = tmp_path_factory.mktemp("node")
    config = folder / "node.toml"
    config.write_text(
        f'[node]\ndata_dir = "state"\nport = 0\n[models]\nbundle = "{BUNDLE}"\ndevice = "cpu"\n'
    )
    (image,) = phantom_study(PhantomRecipe(rows=500, columns=600, seed=3))
    image.save_as(folder / "one.dcm", enforce_file_format=True)
    bundle = shutil.copytree(BUNDLE, folder / "bundle")
    for words in (("install", str(bundle)), ("promote", "demo"), ("promote", "demo")):
        assert run("bundle", *words, "--config", str(config))[0] == 0
    reader_study(config, folder)
    answered_study(open_state(load_settings(config)).ledger, "2.25.7", ())
    (folder / "merge.txt").write_text("A\n\nB\n\n")
    calls = {
        "audit": ((), {0}),
        "check": ((), {1}),
        "ready": ((), {4}),
        "status": ((), {0}),
        "studies": ((), {0}),
        "requeue": (("1.2.3",), {1}),
        "patient merge": (("--from-file", str(folder / "merge.txt")), {0}),
        "withdraw": (("2.25.7", "--reason", "why"), {0}),
        "drop": (("1.2.3",), {1}),
        "purge": (("--dry-run",), {0}),
        "scrub": ((), {0, 1}),
        "clock": ((), {0, 1}),
        "hands": ((str(folder / "one.dcm"),), {0}),
        "analyse": ((str(folder / "one.dcm"), "--table-only", "--out", str(folder / "out")), {0}),
        "reader-study create": (("one", str(folder / "one.dcm")), {0}),
        "reader-study list": ((), {0}),
        "reader-study show": (("read",), {0}),
        "reader-study add-reader": (("made", "ben"), {0}),
        "reader-study close": (("read", "anna"), {0}),
        "reader-study export": (("read", "--out", str(folder / "export")), {0}),
        "bundle verify": ((str(bundle),), {0}),
        "bundle install": ((str(bundle),), {0}),
        "bundle list": ((), {0}),
        "bundle history": ((), {0}),
        "bundle promote": (("demo",), {0}),
        "bundle rollback": ((), {0}),
    }
    return {
        path: ([*path.split(), *words, "--config", str(config), "--json"], codes)
        for path, (words, codes) in calls.items()
    }


@pytest.mark.parametrize("path", sorted(WITH_JSON))
def test_with_json_nothing_else_comes_out(words_for, path):
    """A new command with --json is called in `words_for`."""
    words, codes = words_for[path]
    code, text, _ = run(*words)
    assert code in codes
    assert [json.loads(line) for line in text.splitlines()]


def test_a_script_can_ask_every_command_that_answers():
    """What answers a question or changes something says so in JSON too; roles and pages for people do not."""
    silent = {
        "demo",
        "run",
        "listen",
        "work",
        "deliver",
        "schedule",
        "web",
        "web-password",
        "init",
        "backup",
        "restore",
        "adopt",
        "conformance",
        "guide",
        "reader-study work",
    }
    assert set(COMMANDS) - silent - WITH_JSON == set()
