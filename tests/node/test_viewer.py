"""What a radiologist sees in OHIF of an answered study: the report, the overlay, the reason."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from ra_node.domain.joints import JOINTS
from tests.conftest import find_tool, wait_until
from tests.node.harness import Node, Orthanc, run_tool
from tests.node.ohif import (
    IMAGE,
    OVERLAY,
    PATIENCE_MS,
    REPORT,
    Viewer,
    browsing,
    find_viewer,
    fitted,
    likeness,
    serving,
)
from tests.node.studies import two_hands
from training.phantom.film import WHITE
from training.phantom.negatives import draw_other
from training.phantom.study import ImageRecipe, wrap

ANSWERED_S = 600.0
SEEN_S = PATIENCE_MS / 1000
GREYS = 100
"""Levels of brightness that a radiograph on the screen has at least; a blank viewport has a handful."""


def one_hand_cut() -> Dataset:
    """Two hands of which the right one lies half outside the image."""
    whole = two_hands(seed=502)
    return wrap(whole.pixel_array[:, 115:], ImageRecipe("viewer: a hand cut off"), white=WHITE)


STUDIES = {
    "two hands": two_hands(seed=501),
    "no hand": wrap(draw_other("spine", 800, 960), ImageRecipe("viewer: no hand"), white=WHITE),
    "one hand cut": one_hand_cut(),
}


@pytest.fixture(scope="module")
def answered(orthanc: Orthanc, node: Node, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The studies in the PACS with their answers; gives their UIDs by name."""
    find_viewer()
    folder = tmp_path_factory.mktemp("viewer")
    for name, image in STUDIES.items():
        path = folder / f"{name}.dcm"
        image.save_as(path, enforce_file_format=True)
        for title, port in ((orthanc.ae_title, orthanc.dicom_port), ("RA_NODE", node.port)):
            assert _store(path, title, port) == 0
    uids = {name: str(image.StudyInstanceUID) for name, image in STUDIES.items()}
    for name, uid in uids.items():
        wait_until(lambda uid=uid: set(orthanc.instances_of(uid)) == {"DX", "OT", "SR"}, name, ANSWERED_S)
    return uids


def _store(path: Path, ae_title: str, port: int) -> int:
    storescu = [find_tool("storescu"), "-aet", "STORESCU", "-aec", ae_title]
    return run_tool([*storescu, "127.0.0.1", str(port), str(path)]).returncode


@pytest.fixture(scope="module")
def viewer(orthanc: Orthanc, answered: dict[str, str]) -> Iterator[Viewer]:
    """One browser for all studies."""
    with serving(find_viewer(), orthanc.http_port) as address, browsing() as page:
        yield Viewer(page, address)


def sees_a_radiograph(viewer: Viewer) -> None:
    """The viewport is not blank."""
    wait_until(lambda: len(set(viewer.picture().ravel().tolist())) > GREYS, "a picture", SEEN_S)


def sees_the_overlay(viewer: Viewer, orthanc: Orthanc, study_uid: str) -> None:
    """The viewport shows the overlay of the PACS whole, and not smaller than its words can be read."""
    instances = orthanc.instances_of(study_uid)["OT"]
    instance = min(instances, key=lambda one: int(one["MainDicomTags"]["InstanceNumber"]))
    overlay = dcmread(io.BytesIO(orthanc.file(instance))).pixel_array
    viewer.show(OVERLAY)
    rows, columns = viewer.picture().shape
    expected = fitted(overlay, rows, columns)
    wait_until(lambda: likeness(viewer.picture(), expected) > 0.9, "the overlay", SEEN_S)
    assert min(rows / overlay.shape[0], columns / overlay.shape[1]) > 0.25


def test_the_report_shows_side_and_probability_beside_the_outline_of_each_hand(viewer, answered):
    viewer.open(answered["two hands"])
    viewer.show(REPORT)
    wait_until(lambda: len(_labels(viewer)) == 2, "the words of both hands", SEEN_S)
    left, right = _labels(viewer)
    assert _percent(left) < 50 < _percent(right)
    joints = [label for label in viewer.labels() if "joint" in label or "Thumb" in label]
    assert 0 < len(joints) < len(JOINTS)
    assert viewer.outlines() == 2 + len(joints)
    sees_a_radiograph(viewer)


def _labels(viewer: Viewer) -> list[str]:
    """The words of the left hand, then of the right."""
    found = viewer.labels()
    return [label for side in ("Left hand", "Right hand") for label in found if side in label]


def _percent(label: str) -> float:
    """The number of a label such as "Probability: 99.90 %"."""
    return float(label.partition("Probability:")[2].partition("%")[0])


def test_the_overlay_shows_whole_and_large_enough_to_read(viewer, answered, orthanc):
    viewer.open(answered["two hands"])
    sees_the_overlay(viewer, orthanc, answered["two hands"])


def test_a_study_without_a_hand_shows_its_image_as_a_whole_and_no_number_and_the_overlay_says_why(
    viewer, answered, orthanc
):
    """The report has no words in this viewer, which shows only numbers; the reason is on the overlay."""
    viewer.open(answered["no hand"])
    viewer.show(REPORT)
    assert viewer.outlines() == 1
    sees_a_radiograph(viewer)
    assert "Probability" not in "".join(viewer.labels())
    sees_the_overlay(viewer, orthanc, answered["no hand"])


def test_a_refused_hand_has_neither_outline_nor_number_beside_a_hand_that_has_both(viewer, answered, orthanc):
    viewer.open(answered["one hand cut"])
    viewer.show(REPORT)
    wait_until(lambda: _labels(viewer), "the words of the rated hand", SEEN_S)
    joints = [label for label in viewer.labels() if "joint" in label or "Thumb" in label]
    assert viewer.outlines() == 1 + len(joints)
    numbers = [label for label in _labels(viewer) if "Probability" in label]
    assert len(numbers) == 1
    assert "Left hand" in numbers[0]
    sees_a_radiograph(viewer)
    sees_the_overlay(viewer, orthanc, answered["one hand cut"])


def test_the_image_itself_opens_untouched(viewer, answered):
    """Our objects beside it do not keep the viewer from showing the radiograph."""
    viewer.open(answered["two hands"])
    viewer.show(IMAGE)
    sees_a_radiograph(viewer)
    assert viewer.labels() == []
