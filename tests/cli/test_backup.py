"""A ledger is copied while it is written to, and a copy put back loses no image that came after it."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ra_node.bootstrap.node_context import new_owner, open_state, presence_folder
from ra_node.cli.app import app
from ra_node.ledger.database.events import record, timeline
from ra_node.ledger.patient_key import KEY_FILE, open_secret
from ra_node.services.jobs.liveness import present
from ra_node.settings.node import Settings, load_settings
from tests.ledger.builders import FakeClock, keep
from tests.services.answers import answered, study
from tests.services.builders import Bench


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "node.toml"
    path.write_text('[node]\ndata_dir = "state"\n')
    return path


def run(config: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, [*words, "--config", str(config)])
    return done.exit_code, done.output + str(done.exception or "")


def received(settings: Settings, uid: str) -> Path:
    """An image with its row, as the listener keeps it."""
    state = open_state(settings)
    path = state.files.write(b"an image", "inbox/2026-11-23", ".dcm")
    keep(state.ledger, uid, path=path)
    state.ledger.close()
    return state.files.path(path)


def test_a_copy_made_under_load_is_whole_and_private(config: Path, tmp_path: Path):
    ledger = open_state(load_settings(config)).ledger
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            record(ledger, "step", "1.2.3")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        code, said = run(config, "backup", str(tmp_path / "copy"))
    finally:
        stop.set()
        writer.join(60)
        ledger.close()
    assert code == 0, said
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600
    with closing(sqlite3.connect(tmp_path / "copy")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".copy")] == []
    code, said = run(config, "backup", str(tmp_path / "copy"))
    assert (code, "there already" in said) == (1, True)


def test_what_came_after_the_backup_is_set_aside_and_nothing_is_removed(config: Path, tmp_path: Path):
    """The sender was told Success, so the image must not fall to the sweep."""
    settings = load_settings(config)
    before = received(settings, "1.2.3.1")
    assert run(config, "backup", str(tmp_path / "copy"))[0] == 0
    after = received(settings, "1.2.3.2")
    code, said = run(config, "restore", str(tmp_path / "copy"))
    assert code == 0, said
    assert "1 images arrived after this backup" in said
    assert (before.exists(), after.exists()) == (True, False)
    (aside,) = (settings.node.data_dir / "unlisted").iterdir()
    assert aside.read_bytes() == b"an image"
    state = open_state(settings)
    assert len([one for one in timeline(state.ledger, "1.2.3") if one.what == "instance_stored"]) == 1
    state.ledger.close()
    (kept,) = settings.node.data_dir.glob("*.before-restore-1")
    assert (kept / "ledger.sqlite3").exists()


def test_nothing_is_restored_under_a_running_role(config: Path, tmp_path: Path):
    settings = load_settings(config)
    received(settings, "1.2.3.1")
    assert run(config, "backup", str(tmp_path / "copy"))[0] == 0
    with present(presence_folder(settings), new_owner("listen")):
        code, said = run(config, "restore", str(tmp_path / "copy"))
    assert code == 1
    assert "stop the node first" in said
    assert not list(settings.node.data_dir.glob("*.before-restore-*"))


def test_what_is_no_ledger_is_refused_before_anything_moves(config: Path, tmp_path: Path):
    settings = load_settings(config)
    received(settings, "1.2.3.1")
    (tmp_path / "letter").write_text("Dear colleague" * 100)
    code, said = run(config, "restore", str(tmp_path / "letter"))
    assert code == 1
    assert "expected a copy of a ledger" in said
    assert not list(settings.node.data_dir.glob("*.before-restore-*"))


@contextmanager
def opened(config: Path) -> Iterator[Bench]:
    """The node of a configuration, without processes."""
    state, clock = open_state(load_settings(config)), FakeClock()
    try:
        yield Bench(state.files.data_dir, replace(state.ledger, clock=clock), state.files, clock)
    finally:
        state.ledger.close()


@pytest.fixture
def bench(config: Path) -> Iterator[Bench]:
    with opened(config) as made:
        yield made


def on_a_new_machine(folder: Path) -> tuple[Path, Path]:
    """A configuration whose data folder has never been there; gives both."""
    path = folder / "elsewhere" / "node.toml"
    path.parent.mkdir()
    path.write_text('[node]\ndata_dir = "deep/state"\n')
    return path, load_settings(path).node.data_dir


def test_a_restored_node_finds_the_earlier_report_of_a_patient(bench: Bench, config: Path, tmp_path: Path):
    """The key that patients are hashed with comes along, for its owner alone, and stays out of the ledger."""
    secret = open_secret(bench.folder / KEY_FILE)
    first = answered(bench, study(1, "20260105"), secret=secret)
    assert run(config, "backup", str(tmp_path / "copy"))[0] == 0
    config, folder = on_a_new_machine(tmp_path)
    code, said = run(config, "restore", str(tmp_path / "copy"))
    assert code == 0, said
    assert "files that it names are not in" in said
    assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
    assert all(secret not in path.read_bytes() for path in folder.glob("ledger.*"))
    with opened(config) as new:
        again = answered(new, study(2), secret=open_secret(folder / KEY_FILE))
    assert again.prior is not None
    assert again.prior.study_instance_uid == first.study_instance_uid


def test_another_key_is_kept_with_the_ledger_that_it_belongs_to(bench: Bench, config: Path, tmp_path: Path):
    open_secret(bench.folder / KEY_FILE)
    assert run(config, "backup", str(tmp_path / "copy"))[0] == 0
    config, folder = on_a_new_machine(tmp_path)
    open_state(load_settings(config)).ledger.close()
    own = open_secret(folder / KEY_FILE)
    assert run(config, "restore", str(tmp_path / "copy"))[0] == 0
    assert open_secret(folder / KEY_FILE) == open_secret(bench.folder / KEY_FILE)
    (kept,) = folder.glob("*.before-restore-1")
    assert open_secret(kept / KEY_FILE) == own


def test_a_copy_without_a_key_leaves_the_key_and_says_where_one_is_missing(
    bench: Bench, config: Path, tmp_path: Path
):
    """Copies of earlier versions held none."""
    answered(bench, study(1), secret=b"k" * 32)
    assert run(config, "backup", str(tmp_path / "copy"))[0] == 0
    own = open_secret(bench.folder / KEY_FILE)
    assert "patient.key" not in run(config, "restore", str(tmp_path / "copy"))[1]
    assert open_secret(bench.folder / KEY_FILE) == own
    elsewhere, _ = on_a_new_machine(tmp_path)
    assert "copy patient.key to" in run(elsewhere, "restore", str(tmp_path / "copy"))[1]


def test_a_server_is_left_to_its_own_tools(tmp_path: Path):
    config = tmp_path / "server.toml"
    config.write_text('[node]\ndata_dir = "state"\n[ledger]\nurl = "postgresql+pg8000://u@127.0.0.1:1/ra"\n')
    code, said = run(config, "backup", str(tmp_path / "copy"))
    assert code == 1
    assert "pg_dump" in said
    assert "patient.key" in said
