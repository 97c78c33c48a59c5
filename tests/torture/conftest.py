"""One PACS for the torture's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import find_tool
from tests.node.harness import Orthanc


@pytest.fixture(scope="session")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """A real Orthanc of the torture's own."""
    running = Orthanc(find_tool("Orthanc"), tmp_path_factory.mktemp("pacs"))
    running.start()
    yield running
    running.stop()
