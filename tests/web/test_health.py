"""Health is true: it says yes only while it is so, and no more than words to strangers."""

import os

import pytest

from ra_node.ledger.database.engine import LedgerUnavailable
from ra_node.services.jobs.liveness import present
from tests.web.conftest import browser
from tests.web.hospital import Hospital


def ask(hospital, path):
    with browser(hospital, address="203.0.113.7") as stranger:
        answer = stranger.get(path)
    return answer.status_code, answer.text


def test_a_node_with_all_its_roles_is_ready(hospital):
    assert ask(hospital, "/readyz")[0] == 503
    with hospital.working():
        assert ask(hospital, "/readyz") == (
            200,
            "ledger ok\ndisk ok\nlisten ok\nwork ok\ndeliver ok\nschedule ok\nbundle ok\n",
        )
    assert ask(hospital, "/readyz")[0] == 503


@pytest.mark.parametrize("role", ["listen", "work", "deliver", "schedule"])
def test_each_missing_role_is_named(hospital, role):
    run = hospital.settings.node.data_dir / "run" / "host"
    others = [name for name in ("listen", "work", "deliver", "schedule") if name != role]
    with present(run, f"{others[0]}-1-a"), present(run, f"{others[1]}-1-a"), present(run, f"{others[2]}-1-a"):
        status, text = ask(hospital, "/readyz")
    assert status == 503
    assert f"{role} FAILED\n" in text
    assert all(f"{name} ok\n" in text for name in others)


def test_a_worker_that_is_still_loading_its_bundle_is_not_ready(hospital):
    run = hospital.settings.node.data_dir / "run" / "host"
    with present(run, "work-1-a"):
        text = ask(hospital, "/readyz")[1]
    assert "work ok\n" in text
    assert "bundle FAILED\n" in text


def test_what_a_killed_worker_left_behind_makes_nobody_ready(hospital):
    """Its lock is free, though its files are there until the scheduler tidies up."""
    run = hospital.settings.node.data_dir / "run" / "host"
    run.mkdir(parents=True)
    with hospital.working():
        for path in (hospital.settings.node.data_dir / "run").glob("*/*.*"):
            (run / path.name).write_bytes(path.read_bytes())
    status, text = ask(hospital, "/readyz")
    assert status == 503
    assert "work FAILED\n" in text
    assert "bundle FAILED\n" in text


def test_a_full_disk_is_not_ready(tmp_path):
    hospital = Hospital(tmp_path)
    (tmp_path / "other").mkdir()
    full = Hospital(tmp_path / "other")
    object.__setattr__(full.desk.health, "has_room", lambda: False)
    with full.working():
        status, text = ask(full, "/readyz")
    assert (status, "disk FAILED\n" in text) == (503, True)
    for one in (hospital, full):
        one.close()


def test_a_ledger_that_is_away_is_neither_alive_nor_ready(hospital, monkeypatch):
    assert ask(hospital, "/healthz") == (200, "ledger ok\n")

    def away(*_):
        raise LedgerUnavailable("postgresql+pg8000://user:secret@host is gone")

    monkeypatch.setattr("ra_node.services.monitoring.health.ledger_version", away)
    monkeypatch.setattr("ra_node.services.monitoring.health.expect_writable", away)
    assert ask(hospital, "/healthz") == (503, "ledger FAILED\n")
    with hospital.working():
        status, text = ask(hospital, "/readyz")
    assert status == 503
    assert "secret" not in text


def test_a_ledger_that_takes_no_writes_is_alive_and_not_ready(hospital):
    from ra_node.ledger.database.engine import expect_writable

    expect_writable(hospital.state.ledger)
    with hospital.state.ledger.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
        connection.rollback()
    try:
        status, text = ask(hospital, "/readyz")
    finally:
        hospital.state.ledger.engine.dispose()
    assert status == 503
    assert "ledger" in text


def test_a_role_that_stands_stopped_is_named_though_its_process_lives(hospital):
    run = hospital.settings.node.data_dir / "run" / "host"
    with hospital.working():
        (owner,) = run.parent.glob("*/schedule-*.lock")
        beat = owner.parent / f"{owner.stem.rsplit('-', 1)[0]}.beat"
        beat.touch()
        assert ask(hospital, "/readyz")[0] == 200
        os.utime(beat, (1, 1))
        status, text = ask(hospital, "/readyz")
    assert status == 503
    assert "schedule FAILED\n" in text
    assert "schedule stalled: FAILED\n" in text
