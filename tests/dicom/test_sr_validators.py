"""Independent validators of the structured reports: dciodvfy, dcentvfy, dsrdump, dsr2html, PixelMed."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import pytest
from pydicom import dcmread

from ra_node.dicom.sr.tid_1500_document import build_sr
from ra_node.domain.report import HandVerdict
from ra_node.domain.texts.percents import coded_percents
from tests.conftest import absent
from tests.dicom.builders import EARLIER, PRODUCER, report
from tests.dicom.cases import CASES, Case
from tests.dicom.tree import comments

PIXELMED = Path("/usr/share/java/pixelmed.jar")
LIMITS = [f"-Djdk.xml.xpath{name}=0" for name in ("TotalOpLimit", "ExprOpLimit", "ExprGrpLimit")]
FAST = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
"""A run is too short to earn what the second compiler costs."""
DEVICE_UID = re.compile(r"ContributingEquipmentSequence\(0018,a001\)\[\d+\]/DeviceUID")
OUTSIDE_THE_TEMPLATE = re.compile(
    r'/(CODE \((69896004|258214002),SCT,"[A-Za-z ]+"\)(/TEXT \(\d+,DCM,"Algorithm \w+"\))?'
    r'|CODE \(130401,DCM,"Visual explanation"\)(/TEXT \(121106,DCM,"Comment"\)'
    r'|/CODE \(363698007,SCT,"Finding Site"\)(/CODE \(272741003,SCT,"Laterality"\))?)?'
    r'|TEXT \(121111,DCM,"Summary"\)'
    r'|TEXT \(121106,DCM,"Comment"\)(/(COMPOSITE|IMAGE) \(260753009,SCT,"Source"\))?'
    r'|TEXT \(122405,DCM,"Algorithm Manufacturer"\)): Content Item not in template$'
)
"""Free-named evaluations with what qualifies them, comments, the summary before them, and the manufacturer of
TID 4019 since 2023."""

every_case = pytest.mark.parametrize("name", CASES)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[list[Path], list[Path]]]:
    """Write the sources and both reports of a case, once for all validators; return sources and reports."""

    @cache
    def write(name: str) -> tuple[list[Path], list[Path]]:
        case, folder = CASES[name](), tmp_path_factory.mktemp(name)
        made = [*case.sources.values()] + [
            build_sr(case.report, case.sources, PRODUCER, comprehensive3d=choice) for choice in (True, False)
        ]
        paths = [folder / f"{number}.dcm" for number in range(len(made))]
        for dataset, path in zip(made, paths, strict=True):
            dataset.save_as(path, enforce_file_format=True)
        return paths[: len(case.sources)], paths[len(case.sources) :]

    return write


def complaints(*command: str) -> list[str]:
    """Error and warning lines of a dicom3tools program."""
    done = subprocess.run(command, capture_output=True, check=False)
    lines = (done.stdout + done.stderr).decode("utf-8", errors="replace").splitlines()
    return [line for line in lines if line.startswith(("Error", "Warning"))]


def pixelmed(path: Path) -> list[str]:
    """What PixelMed's validator says of an object with a template."""
    if shutil.which("java") is None or not PIXELMED.exists():
        absent("java or the jar of PixelMed is not installed")
    validator = "com.pixelmed.validate.DicomSRValidator"
    command = ["java", *LIMITS, *FAST, "-cp", str(PIXELMED), validator, str(path)]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    return (done.stdout + done.stderr).splitlines()


@every_case
def test_dciodvfy_finds_nothing_but_the_device_uid(name, files, require_tool):
    """The Device UID of contributing equipment is what IHE AIR asks for."""
    tool = require_tool("dciodvfy")
    for path in files(name)[1]:
        assert [line for line in complaints(tool, "-new", str(path)) if not DEVICE_UID.search(line)] == []


@every_case
def test_dcentvfy_finds_one_patient_and_one_study(name, files, require_tool):
    tool = require_tool("dcentvfy")
    sources, reports = files(name)
    found = complaints(tool, *(str(path) for path in [*sources, reports[0]]))
    replaced = f"was referenced - {CASES[name]().report.predecessor_sr_uid} "
    assert [line for line in found if "<AccessionNumber>" not in line and replaced not in line] == []


@every_case
def test_dsrdump_reads_every_report(name, files, require_tool):
    """Value types and relationships are those of the SOP class."""
    tool = require_tool("dsrdump")
    for path in files(name)[1]:
        done = subprocess.run([tool, "+Pc", str(path)], capture_output=True, check=False)
        assert done.returncode == 0
        assert [line for line in done.stderr.splitlines() if line.startswith((b"E:", b"F:"))] == []


@every_case
def test_a_plain_renderer_shows_every_sentence_and_names_every_number(name, files, tmp_path, require_tool):
    """dsr2html is what a reader without a viewer for reports sees: nothing of the result may get lost."""
    page = tmp_path / "page.html"
    subprocess.run([require_tool("dsr2html"), files(name)[1][0], page], check=True, capture_output=True)
    shown = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.read_text(errors="replace"))).split())
    case = CASES[name]()
    for sentence in comments(dcmread(files(name)[1][0])):
        assert " ".join(sentence.split()) in shown
    for hand in case.report.hands:
        if (
            hand.verdict in (HandVerdict.PRESENT, HandVerdict.ABSENT)
            and hand.recognition is not None
            and hand.staging is not None
        ):
            value = coded_percents(hand.recognition.probability, hand.recognition.threshold)[0]
            assert f"{value} %" in shown
            assert f"Stage: Stage {hand.staging.stage} " in shown


def every_group() -> Case:
    """Images of several cases and an earlier report in one, so that one run sees a group of every kind."""
    images, sources = [], {}
    for case in (
        CASES[name]() for name in ("explained_hands", "one_refused", "no_hands", "side_undetermined")
    ):
        for found in case.report.images:
            uid = f"2.25.30{len(images)}"
            images.append(replace(found, sop_instance_uid=uid))
            sources[uid] = case.sources[found.sop_instance_uid]
    return Case(report(*images, study_date=date(2026, 11, 23), prior=EARLIER), sources)


PIXELMED_CASES = {
    "every_group": every_group,
    "not_an_image": CASES["not_an_image"],
}
if os.environ.get("RA_NODE_PIXELMED_ALL") == "1":
    PIXELMED_CASES |= CASES


@pytest.mark.parametrize("name", PIXELMED_CASES)
def test_pixelmed_finds_the_template_and_no_error(name, tmp_path):
    """TID 1500 by the only public validator of templates; RA_NODE_PIXELMED_ALL=1 takes every case too."""
    case, path = PIXELMED_CASES[name](), tmp_path / "sr.dcm"
    build_sr(case.report, case.sources, PRODUCER).save_as(path, enforce_file_format=True)
    lines = pixelmed(path)
    assert "Found Root Template TID_1500 (MeasurementReport)" in lines
    assert "Root Template Validation Complete" in lines
    found = [line for line in lines if line.startswith(("Error", "Warning")) or "Exception" in line]
    assert [line for line in found if not OUTSIDE_THE_TEMPLATE.search(line)] == []
