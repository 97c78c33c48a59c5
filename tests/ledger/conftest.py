"""Every claim about the ledger holds on both databases."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger, open_ledger
from tests.conftest import absent
from tests.ledger.builders import FakeClock
from tests.ledger.server import find_programs, postgresql


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    programs = find_programs()
    if programs is None:
        absent("PostgreSQL (initdb, pg_ctl) is not installed")
    assert programs is not None
    with postgresql(programs) as url:
        yield url


@pytest.fixture(scope="session")
def server_ledger_url(server: str) -> str:
    """A database whose tables are made once."""
    url = create_database(server, "shared")
    open_ledger(url).close()
    return url


@pytest.fixture(scope="session")
def server_ledger(server_ledger_url: str) -> Iterator[Ledger]:
    """The ledger there, opened once; `ledger` empties it before each test."""
    opened = open_ledger(server_ledger_url)
    yield opened
    opened.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(
    request: pytest.FixtureRequest, tmp_path: Path, made_file: Path, clock: FakeClock
) -> Iterator[Ledger]:
    """An empty ledger of the newest version."""
    if request.param == "sqlite":
        shutil.copy(made_file, tmp_path / "ledger.sqlite")
        opened = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite", clock)
        yield opened
        opened.close()
    else:
        shared: Ledger = request.getfixturevalue("server_ledger")
        with shared.write() as connection:
            connection.execute(
                text("SET LOCAL session_replication_role = replica")
            )  # events are kept otherwise
            for table in reversed(schema.metadata.sorted_tables):
                connection.execute(table.delete())
        yield replace(shared, clock=clock)


@pytest.fixture
def url(ledger: Ledger) -> str:
    """Where another process opens the same ledger."""
    return ledger.engine.url.render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def bare_url(server: str) -> str:
    """A database for tests that begin without tables."""
    return create_database(server, "bare")


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.sqlite"
    bare: str = request.getfixturevalue("bare_url")
    run(bare, "DROP SCHEMA public CASCADE")
    run(bare, "CREATE SCHEMA public")
    return bare


def create_database(server: str, name: str) -> str:
    run(server, f"CREATE DATABASE {name}")
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def run(url: str, statement: str) -> int:
    """Run one statement outside any ledger; give the number in its first row, 0 if it has none."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        done = connection.execute(text(statement))
        number = int(done.scalar() or 0) if done.returns_rows else 0
    engine.dispose()
    return number
