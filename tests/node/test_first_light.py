"""A hand study sent by a real modality comes back to a real PACS as a report and an overlay."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest
from pydicom import dcmread

from ra_node.dicom.reading.instance_equality import same_pixels
from tests.conftest import find_tool, wait_until
from tests.node.harness import Node, Orthanc, run_tool
from tests.node.studies import two_hands


def store(port: int, *files: Path, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Send as the modality STORESCU does."""
    storescu = find_tool("storescu")
    argv = [
        storescu,
        "-aet",
        "STORESCU",
        "-aec",
        "RA_NODE",
        *options,
        "127.0.0.1",
        str(port),
        *map(str, files),
    ]
    return run_tool(argv)


def answered(orthanc: Orthanc, study_uid: str, images: int = 0) -> bool:
    """The PACS holds one report and the two images of its overlay, beside the images of the study."""
    held = orthanc.instances_of(study_uid)
    return len(held.get("SR", [])) == 1 and sum(map(len, held.values())) == images + 3


@pytest.fixture(scope="module")
def study(orthanc: Orthanc, node: Node, tmp_path_factory: pytest.TempPathFactory):
    """One two-hand study that was sent to the PACS and to the node, and is answered."""
    folder = tmp_path_factory.mktemp("study")
    image = two_hands(seed=11)
    source = folder / "source.dcm"
    image.save_as(source, enforce_file_format=True)
    assert store(orthanc.dicom_port, source).returncode == 0
    assert store(node.port, source).returncode == 0
    uid = str(image.StudyInstanceUID)
    wait_until(lambda: answered(orthanc, uid, images=1), "report and overlay in the PACS", 600)
    held = orthanc.instances_of(uid)
    files = {}
    for modality, instances in held.items():
        contents = [orthanc.file(instance) for instance in instances]
        first = min(contents, key=lambda content: int(dcmread(io.BytesIO(content)).InstanceNumber or 0))
        files[modality] = folder / f"{modality}.dcm"
        files[modality].write_bytes(first)
    return uid, source, files


def test_the_pacs_holds_source_report_and_overlay_in_one_study(orthanc, study):
    uid, _, files = study
    (found,) = orthanc.find("Study", {"StudyInstanceUID": uid})
    assert len(found["Series"]) == 3
    assert sorted(files) == ["DX", "OT", "SR"]


def test_what_the_pacs_holds_equals_what_the_node_sent(node, study):
    """Orthanc keeps the data set of each object as it came."""
    _, _, files = study
    sent = {}
    for path in (node.folder / "state" / "results").rglob("*.dcm"):
        dataset = dcmread(path)
        sent[str(dataset.SOPInstanceUID)] = dataset
    for modality in ("SR", "OT"):
        held = dcmread(files[modality])
        assert held == sent[str(held.SOPInstanceUID)]


def test_the_judges_find_no_fault(study):
    """dciodvfy, dcentvfy and dsrdump on the objects as the PACS gives them back."""
    _, source, files = study
    for path in (source, *files.values()):
        said = run_tool([find_tool("dciodvfy"), "-new", str(path)])
        faults = [
            line
            for line in (said.stdout + said.stderr).splitlines()
            if line.startswith(("Error", "Warning")) and "/DeviceUID" not in line
        ]
        assert faults == []
        assert said.returncode == 0
    said = run_tool([find_tool("dcentvfy"), *map(str, (source, files["SR"], files["OT"]))])
    assert not [line for line in said.stderr.splitlines() if line.startswith("Error")]
    assert run_tool([find_tool("dsrdump"), "+Pc", str(files["SR"])]).returncode == 0


def test_a_plain_report_renderer_shows_both_hands_with_probability_and_stage(study, tmp_path):
    _, _, files = study
    page = tmp_path / "sr.html"
    assert run_tool([find_tool("dsr2html"), str(files["SR"]), str(page)]).returncode == 0
    text = page.read_text(encoding="utf-8", errors="replace")
    assert "Right hand" in text
    assert "Left hand" in text
    assert text.count("Probability") >= 2
    assert "Stage" in text
    assert "imulated lesions" in text


def test_a_repeat_is_answered_once(orthanc, node, study):
    uid, source, _ = study
    assert store(node.port, source).returncode == 0
    settled_again = two_hands(seed=12)
    other = source.with_name("other.dcm")
    settled_again.save_as(other, enforce_file_format=True)
    assert store(node.port, other).returncode == 0
    wait_until(lambda: answered(orthanc, str(settled_again.StudyInstanceUID)), "the answer to the next study")
    assert answered(orthanc, uid, images=1)


def test_the_routed_back_overlay_is_acknowledged_and_not_answered(orthanc, node, study):
    """A PACS that routes everything sends our own objects back to us."""
    uid, _, files = study
    packed = ("-xt",)  # storescu proposes JPEG-LS only when told to
    assert store(node.port, files["OT"], options=packed).returncode == 0
    marker = two_hands(seed=13)
    path = files["OT"].with_name("marker.dcm")
    marker.save_as(path, enforce_file_format=True)
    store(node.port, path)
    wait_until(lambda: answered(orthanc, str(marker.StudyInstanceUID)), "the answer to a later study")
    assert answered(orthanc, uid, images=1)


def test_a_late_image_makes_a_revision_that_names_its_predecessor(orthanc, node, tmp_path):
    first = two_hands(seed=21)
    late = two_hands(seed=22)
    late.StudyInstanceUID = first.StudyInstanceUID
    for name, image in (("first", first), ("late", late)):
        image.save_as(tmp_path / f"{name}.dcm", enforce_file_format=True)
    uid = str(first.StudyInstanceUID)
    store(node.port, tmp_path / "first.dcm")
    wait_until(lambda: answered(orthanc, uid), "the first answer")
    store(node.port, tmp_path / "late.dcm")
    wait_until(lambda: len(orthanc.instances_of(uid).get("SR", [])) == 2, "the revision")
    reports = [dcmread(io.BytesIO(orthanc.file(one))) for one in orthanc.instances_of(uid)["SR"]]
    (revision,) = [report for report in reports if "PredecessorDocumentsSequence" in report]
    (original,) = [report for report in reports if "PredecessorDocumentsSequence" not in report]
    series = revision.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == original.SOPInstanceUID


def test_received_bytes_are_stored_as_they_came(node, study):
    _, source, _ = study
    kept = (node.folder / "state" / "inbox").rglob("*.dcm")
    assert any(same_pixels(source, path) and dcmread(path) == dcmread(source) for path in kept)
