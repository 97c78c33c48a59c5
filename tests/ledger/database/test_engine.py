"""The ledger opens itself, keeps its transactions whole and says what may pass by itself."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from ra_node.errors import Fatal
from ra_node.ledger import migrations
from ra_node.ledger.database import engine as engine_module
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger, LedgerUnavailable, ledger_version, open_ledger
from ra_node.ledger.database.events import record, timeline
from tests.ledger.builders import deadline
from tests.ledger.conftest import run
from tests.ledger.processes import run_together

OPEN = """
import alembic.command
from ra_node.ledger.database.engine import open_ledger
from ra_node.ledger.database.events import record
GO
ledger = open_ledger(sys.argv[1])
record(ledger, "node_started", "1.2.3")
"""


def test_an_empty_database_gets_the_tables_of_the_schema(empty_url):
    """Migrations and the tables that the code uses are the same thing."""
    ledger = open_ledger(empty_url)
    with ledger.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": False})
        assert compare_metadata(context, schema.metadata) == []
    assert ledger_version(ledger) == migrations.HEAD
    ledger.close()


def test_head_is_the_last_migration():
    """A new migration without a new HEAD would never run."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == migrations.HEAD


def test_opening_again_changes_nothing(empty_url):
    """What is in the ledger survives the next start."""
    first = open_ledger(empty_url)
    record(first, "node_started", "1.2.3")
    first.close()
    second = open_ledger(empty_url)
    assert [event.what for event in timeline(second, "1.2.3")] == ["node_started"]
    second.close()


def test_two_processes_may_open_an_empty_database_at_once(empty_url):
    """All roles start together on a fresh machine: one migrates, the others wait for it."""
    run_together(OPEN, empty_url)
    ledger = open_ledger(empty_url)
    assert len(timeline(ledger, "1.2.3")) == 2
    ledger.close()


def test_a_ledger_at_its_newest_version_opens_without_alembic(tmp_path):
    """The listener is ready in about a second; Alembic alone would cost a third of it."""
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    open_ledger(url).close()
    program = (
        "import sys; from ra_node.ledger.database.engine import open_ledger; "
        f"open_ledger({url!r}).close(); sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=300).returncode == 0


def test_a_ledger_of_a_newer_node_is_refused(empty_url):
    """An old node must not write what it does not understand."""
    open_ledger(empty_url).close()
    run(empty_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Fatal, match="found 9999"):
        open_ledger(empty_url)


@pytest.mark.parametrize("url", ["mysql://host/name", "sqlite://", "sqlite:///:memory:"])
def test_another_database_is_refused(url):
    """Nothing that forgets, and nothing that was never tried."""
    with pytest.raises(Fatal, match="ledger url: expected"):
        open_ledger(url)


def test_a_password_stays_out_of_the_message():
    """An operator pastes messages into tickets."""
    with pytest.raises(Fatal) as caught:
        open_ledger("mysql://user:secret@host/name")
    assert "secret" not in str(caught.value)


def test_sqlite_keeps_every_commit_through_a_power_cut(tmp_path):
    """WAL with synchronous=FULL (2) on every connection, and foreign keys are held."""
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    for _ in range(2):
        with ledger.read() as one, ledger.read() as other:
            for connection in (one, other):
                found = [
                    connection.execute(text(f"PRAGMA {name}")).scalar()
                    for name in ("journal_mode", "synchronous", "foreign_keys")
                ]
                assert found == ["wal", 2, 1]
    ledger.close()


def test_the_file_of_the_ledger_is_private(tmp_path):
    """Only the node's own account reads which studies it had."""
    ledger = open_ledger(f"sqlite:///{tmp_path}/state/ledger.sqlite")
    record(ledger, "node_started")
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "state").iterdir()}
    assert len(modes) == 3
    assert set(modes.values()) == {0o600}
    ledger.close()


def test_an_error_leaves_nothing_of_its_transaction(ledger):
    """One use is one transaction."""

    def use():
        with ledger.write() as connection:
            connection.execute(schema.event.insert(), [{"at": 0.0, "what": "node_started", "detail": "{}"}])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    with ledger.read() as connection:
        assert connection.execute(select(schema.event)).all() == []


def test_a_reader_does_not_wait_for_a_writer(ledger):
    """The operator page answers while an instance is being kept."""
    with ledger.write() as connection:
        connection.execute(schema.event.insert(), [{"at": 0.0, "what": "half", "detail": "{}"}])
        with ledger.read() as reader:
            assert reader.execute(select(schema.event)).all() == []


def test_writers_take_turns_instead_of_failing(ledger):
    """Read, then write, from many threads at once: nobody is refused and no count is lost."""
    with ledger.write() as connection:
        connection.execute(schema.mark.insert(), [{"name": "count", "event_id": 0}])

    def add_one() -> None:
        for _ in range(5):
            with ledger.write() as connection:
                row = connection.execute(select(schema.mark).with_for_update()).one()
                connection.execute(schema.mark.update().values(event_id=row.event_id + 1))

    threads = [threading.Thread(target=add_one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    with ledger.read() as connection:
        assert connection.execute(select(schema.mark.c.event_id)).scalar() == 30


def test_a_locked_ledger_is_worth_another_try(tmp_path, monkeypatch):
    """A writer that hangs must not look like a broken installation."""
    monkeypatch.setattr(engine_module, "BUSY_TIMEOUT_S", 0.05)
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    first, second = open_ledger(url), open_ledger(url)
    with first.write(), pytest.raises(LedgerUnavailable, match="locked"):
        record(second, "node_started")
    first.close()
    second.close()


def test_a_full_disk_is_worth_another_try(tmp_path):
    """The instance is refused for now, and nothing of it stays."""
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    with ledger.read() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar()

    def fill(full: Ledger) -> None:
        with full.write() as connection:
            connection.execute(text(f"PRAGMA max_page_count = {pages}"))
            row = {"at": 0.0, "what": "x" * 100_000, "detail": "{}"}
            connection.execute(schema.event.insert(), [row])

    with pytest.raises(LedgerUnavailable, match="full"):
        fill(ledger)
    with ledger.read() as connection:
        assert connection.execute(select(schema.event)).all() == []
    ledger.close()


def test_a_server_that_is_gone_is_worth_another_try(tmp_path):
    """PostgreSQL may be restarting."""
    with pytest.raises(LedgerUnavailable):
        open_ledger(f"postgresql+pg8000://ledger@/postgres?unix_sock={tmp_path}/none")


@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), ConnectionResetError(104, "reset")])
def test_a_bare_error_of_the_drivers_socket_is_worth_another_try(server_ledger_url, error):
    """pg8000 wraps most of them, and lets some out of a connection that the server has just closed."""
    ledger = open_ledger(server_ledger_url)
    try:
        with pytest.raises(LedgerUnavailable, match="expected a working ledger"), ledger.read():
            raise error
        with ledger.read() as connection:
            assert connection.execute(text("SELECT 1")).scalar() == 1
    finally:
        ledger.close()


def test_a_connection_that_the_server_closed_is_replaced(server_ledger_url):
    """A restart of PostgreSQL needs no restart of the node."""
    ledger = open_ledger(server_ledger_url)
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    run(server_ledger_url, f"SELECT pg_terminate_backend(pid) {others}")
    time_left = deadline()
    while run(server_ledger_url, f"SELECT count(*) {others}") > 0:
        assert time_left(), "the server did not close its connections"
    assert ledger_version(ledger) == migrations.HEAD
    ledger.close()


def write(ledger, *statements):
    with ledger.write() as connection:
        for statement in statements:
            connection.execute(statement)


def test_a_deadlock_is_worth_another_try(server_ledger_url):
    """PostgreSQL ends one of two transactions that wait for each other; it may be tried again."""
    ledger = open_ledger(server_ledger_url)
    deadlock = text("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$")
    with pytest.raises(LedgerUnavailable):
        write(ledger, deadlock)
    ledger.close()


def test_a_wrong_statement_is_not_worth_another_try(ledger):
    """A programming error must be seen, not tried for ever."""
    row = schema.event.insert().values(id=1, at=0.0, what="twice", detail="{}")
    with pytest.raises(IntegrityError):
        write(ledger, row, row)
