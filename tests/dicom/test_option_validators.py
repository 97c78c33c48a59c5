"""Independent validators of the optional objects: dciodvfy, dcentvfy, dsrdump, PixelMed."""

from __future__ import annotations

import re
import subprocess

import numpy as np
import pytest

from ra_node.dicom.encapsulated_pdf import build_pdf
from ra_node.dicom.key_object import build_key_object
from ra_node.dicom.overlay.secondary_capture import build_overlay
from ra_node.dicom.presentation_state import build_presentations
from tests.dicom.builders import PRODUCER
from tests.dicom.cases import CASES
from tests.dicom.test_sr_validators import DEVICE_UID, complaints, pixelmed

PICTURE = np.full((60, 40, 3), 90, np.uint8)
BOTH_SIDES = re.compile(r"</Laterality\(0020,0060\)> - is only permitted to be empty when actually unknown")
"""A presentation state of both hands, or of one whose side is not known, has an empty Laterality."""


@pytest.fixture
def files(tmp_path):
    """Write sources, overlay and options of a case, in this order."""

    def write(name):
        case = CASES[name]()
        overlay = build_overlay(PICTURE, case.report, case.sources, PRODUCER)
        made = {
            **{f"source{number}": source for number, source in enumerate(case.sources.values())},
            "overlay": overlay,
            "key": build_key_object(case.report, overlay, case.sources, PRODUCER),
            "pdf": build_pdf(case.report, PICTURE, case.sources, PRODUCER),
        }
        for number, state in enumerate(build_presentations(case.report, case.sources, PRODUCER)):
            made[f"state{number}"] = state
        for kind, dataset in made.items():
            dataset.save_as(tmp_path / f"{kind}.dcm", enforce_file_format=True)
        return {kind: tmp_path / f"{kind}.dcm" for kind in made}

    return write


@pytest.mark.parametrize("name", CASES)
def test_each_object_is_valid_and_all_are_of_one_study(name, files, require_tool):
    made = files(name)
    for kind, path in made.items():
        if not kind.startswith(("source", "overlay")):
            found = complaints(require_tool("dciodvfy"), "-new", str(path))
            assert [
                line for line in found if not DEVICE_UID.search(line) and not BOTH_SIDES.search(line)
            ] == []
    found = complaints(require_tool("dcentvfy"), *map(str, made.values()))
    assert [line for line in found if "<AccessionNumber>" not in line] == []


def test_dcmtk_and_pixelmed_read_the_key_object(files, require_tool):
    path = files("two_hands")["key"]
    assert (
        subprocess.run([require_tool("dsrdump"), "+Pc", path], capture_output=True, check=False).returncode
        == 0
    )
    lines = pixelmed(path)
    assert "Found Root Template TID_2010 (KeyObjectSelection)" in lines
    assert [line for line in lines if line.startswith(("Error", "Warning")) or "Exception" in line] == []
