"""The bench of a test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ra_node.ledger.database.engine import open_ledger
from ra_node.ledger.storage.durable_files import Files
from tests.ledger.builders import FakeClock
from tests.services.builders import Bench


@pytest.fixture
def bench(tmp_path: Path, made_file: Path) -> Iterator[Bench]:
    clock = FakeClock()
    shutil.copy(made_file, tmp_path / "ledger.sqlite3")
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite3", clock)
    yield Bench(tmp_path, ledger, Files(tmp_path), clock)
    ledger.close()
