"""The reports of the cases as they are read back, and a test of every case."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from ra_node.dicom.sr.tid_1500_document import build_sr
from tests.dicom.builders import PRODUCER
from tests.dicom.cases import CASES, Case
from tests.dicom.tree import read_back


def made(case: Case, **options: object) -> Dataset:
    """The document of a case as a reader gets it; `options` are those of `build_sr`."""
    return read_back(build_sr(case.report, case.sources, PRODUCER, **options))  # type: ignore[arg-type]


every_case = pytest.mark.parametrize("name", CASES)
