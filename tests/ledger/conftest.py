"""Every claim about the ledger holds on both databases."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from ra_node.ledger import schema
from ra_node.ledger.engine import Ledger, open_ledger
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
    """A database whose tables are made once; `url` empties it before each test."""
    url = create_database(server, "shared")
    open_ledger(url).close()
    return url


@pytest.fixture(scope="session")
def made_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file whose tables are made once; `url` copies it for each test."""
    path = tmp_path_factory.mktemp("made") / "ledger.sqlite"
    open_ledger(f"sqlite:///{path}").close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, made_file: Path) -> str:
    """An empty ledger of the newest version."""
    if request.param == "sqlite":
        shutil.copy(made_file, tmp_path / "ledger.sqlite")
        return f"sqlite:///{tmp_path}/ledger.sqlite"
    shared: str = request.getfixturevalue("server_ledger_url")
    tables = ", ".join(f'"{table.name}"' for table in schema.metadata.sorted_tables)
    run(shared, f"TRUNCATE {tables} RESTART IDENTITY")
    return shared


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.sqlite"
    return create_database(request.getfixturevalue("server"), f"empty_{abs(hash(str(tmp_path)))}")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ledger(url: str, clock: FakeClock) -> Iterator[Ledger]:
    opened = open_ledger(url, clock)
    yield opened
    opened.close()


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
