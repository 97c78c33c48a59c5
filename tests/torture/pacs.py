"""A real Orthanc for one part of the proof."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import find_tool
from tests.node.harness import Orthanc


class pacs:  # noqa: N801 - reads as the context manager that it is
    """Runs while the block does."""

    def __init__(self, folder: Path) -> None:
        self._orthanc = Orthanc(find_tool("Orthanc"), folder / "orthanc")

    def __enter__(self) -> Orthanc:
        self._orthanc.start()
        return self._orthanc

    def __exit__(self, *_: object) -> None:
        self._orthanc.stop()
