"""Independent validators of a report that names an earlier one."""

from __future__ import annotations

import subprocess
from datetime import date

import pytest

from ra_node.dicom.plain_text import report_text
from ra_node.dicom.sr.tid_1500_document import build_sr
from tests.dicom.builders import EARLIER, PRODUCER, both_hands, image, image_uid, report, source
from tests.dicom.test_sr_validators import DEVICE_UID, complaints

FOLLOWED = report(image(*both_hands()), study_date=date(2026, 11, 23), prior=EARLIER)


@pytest.fixture
def files(tmp_path):
    """The report as both SOP classes."""
    paths = []
    for choice in (True, False):
        made = build_sr(FOLLOWED, {image_uid(1): source()}, PRODUCER, comprehensive3d=choice)
        paths.append(tmp_path / f"{choice}.dcm")
        made.save_as(paths[-1], enforce_file_format=True)
    return paths


def test_dciodvfy_and_dsrdump_find_no_fault(files, require_tool):
    for path in files:
        found = complaints(require_tool("dciodvfy"), "-new", str(path))
        assert [line for line in found if not DEVICE_UID.search(line)] == []
        dumped = subprocess.run([require_tool("dsrdump"), "+Pc", path], capture_output=True, check=False)
        assert dumped.returncode == 0
        assert [line for line in dumped.stderr.splitlines() if line.startswith((b"E:", b"F:"))] == []


def test_a_plain_renderer_says_the_change_and_the_other_bundle(files, tmp_path, require_tool):
    page = tmp_path / "page.html"
    subprocess.run([require_tool("dsr2html"), files[0], page], check=True, capture_output=True)
    text = page.read_text(encoding="utf-8", errors="replace")
    for wanted in ("study of 2026-01-05", "made by another bundle (demo 0.9)", "stage 2 to 3 (+1)"):
        assert wanted in text


def test_the_plain_text_says_it_below_the_summary():
    text = " ".join(report_text(FOLLOWED).split())
    assert "Earlier report of this node: study of 2026-01-05." in text
    assert "Right hand, from 2026-01-05 to 2026-11-23: probability of RA 61 % to 87 %" in text
    assert "Left hand, from" not in text
