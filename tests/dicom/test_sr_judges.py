"""Independent judges of the structured reports: dciodvfy, dcentvfy, dsrdump, dsr2html, PixelMed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ra_node.dicom.sr import build_sr
from tests.conftest import absent
from tests.dicom.builders import PRODUCER
from tests.dicom.cases import CASES

PIXELMED = Path("/usr/share/java/pixelmed.jar")
LIMITS = [f"-Djdk.xml.xpath{name}=0" for name in ("TotalOpLimit", "ExprOpLimit", "ExprGrpLimit")]
DEVICE_UID = re.compile(r"ContributingEquipmentSequence\(0018,a001\)\[\d+\]/DeviceUID")
OUTSIDE_THE_TEMPLATE = re.compile(
    r'/(CODE \((69896004|258214002),SCT,"[A-Za-z ]+"\)(/TEXT \(\d+,DCM,"Algorithm \w+"\))?'
    r'|TEXT \((121106,DCM,"Comment"|122405,DCM,"Algorithm Manufacturer")\)): Content Item not in template$'
)
"""Free-named evaluations, comments, and the manufacturer, which TID 4019 got in 2023."""

every_case = pytest.mark.parametrize("name", CASES)


@pytest.fixture
def files(tmp_path: Path):
    """Write the sources and both reports of a case; return sources and reports."""

    def write(name: str) -> tuple[list[Path], list[Path]]:
        case = CASES[name]()
        made = [*case.sources.values()] + [
            build_sr(case.report, case.sources, PRODUCER, comprehensive3d=choice) for choice in (True, False)
        ]
        paths = [tmp_path / f"{number}.dcm" for number in range(len(made))]
        for dataset, path in zip(made, paths, strict=True):
            dataset.save_as(path, enforce_file_format=True)
        return paths[: len(case.sources)], paths[len(case.sources) :]

    return write


def complaints(*command: str) -> list[str]:
    """Error and warning lines of a dicom3tools program."""
    done = subprocess.run(command, capture_output=True, check=False)
    lines = (done.stdout + done.stderr).decode("utf-8", errors="replace").splitlines()
    return [line for line in lines if line.startswith(("Error", "Warning"))]


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


def test_a_plain_renderer_names_result_side_and_probability(files, tmp_path, require_tool):
    """dsr2html is what a reader without a viewer for reports sees."""
    page = tmp_path / "page.html"
    subprocess.run(
        [require_tool("dsr2html"), files("two_hands")[1][0], page], check=True, capture_output=True
    )
    text = page.read_text(encoding="utf-8", errors="replace")
    for wanted in (
        "Right hand: rheumatoid arthritis present (probability 87.0 %",
        "Left hand: rheumatoid arthritis absent (probability 8.2 %",
        "Probability",
        "Stage 3",
        "Stage 0",
        "not a medical device",
    ):
        assert wanted in text


@pytest.mark.parametrize("name", ["two_hands", "one_refused"])
def test_pixelmed_finds_the_template_and_no_error(name, files):
    """TID 1500 by the only public validator of templates; seven seconds a file."""
    if shutil.which("java") is None or not PIXELMED.exists():
        absent("java or the jar of PixelMed is not installed")
    validator = "com.pixelmed.validate.DicomSRValidator"
    command = ["java", *LIMITS, "-cp", str(PIXELMED), validator, str(files(name)[1][0])]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    lines = (done.stdout + done.stderr).splitlines()
    assert "Found Root Template TID_1500 (MeasurementReport)" in lines
    assert "Root Template Validation Complete" in lines
    found = [line for line in lines if line.startswith(("Error", "Warning")) or "Exception" in line]
    assert [line for line in found if not OUTSIDE_THE_TEMPLATE.search(line)] == []
