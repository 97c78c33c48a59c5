"""The bench of a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ra_node.ledger.database.engine import open_ledger
from ra_node.ledger.storage.durable_files import Files
from tests.ledger.builders import FakeClock
from tests.services.builders import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    clock = FakeClock()
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite3", clock)
    yield Bench(tmp_path, ledger, Files(tmp_path), clock)
    ledger.close()
