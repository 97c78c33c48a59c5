"""One PACS and one node for all tests that do not break them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import find_tool
from tests.node.harness import Node, Orthanc
from tests.node.ohif import DICOMWEB


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """A real Orthanc that runs for the whole session."""
    plugins = [DICOMWEB] if DICOMWEB.exists() else []
    pacs = Orthanc(find_tool("Orthanc"), tmp_path_factory.mktemp("orthanc"), plugins=plugins)
    pacs.start()
    yield pacs
    pacs.stop()


@pytest.fixture(scope="session")
def node(orthanc: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A whole node that answers to that Orthanc."""
    running = Node(
        tmp_path_factory.mktemp("node"),
        destinations=[("pacs", orthanc.ae_title, orthanc.dicom_port)],
    )
    running.start()
    yield running
    running.stop()
