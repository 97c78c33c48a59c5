"""What a destination stored comes back as it was sent, or the row says what the PACS did to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import Comprehensive3DSRStorage

from ra_node.network.scp.loopback_archive import Behaviour, LoopbackArchive
from ra_node.network.scu.c_store import PeerAddress
from ra_node.services.preflight.roundtrip import changed, check_roundtrip
from tests.dicom.builders import source
from tests.network.conftest import peer_at
from tests.node.harness import Orthanc

Tool = Callable[[str], str]


@pytest.fixture
def results(tmp_path: Path) -> tuple[str, list[Path]]:
    """Two objects of one study, as `ra-node analyse` leaves them."""
    paths = []
    for number in (1, 2):
        one = source()
        one.SOPInstanceUID = f"{one.SOPInstanceUID}.{number}"
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
        if number == 2:  # a report, of a class that nobody asks a PACS for by default
            del one.PixelData
            one.Modality = "SR"
            one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = Comprehensive3DSRStorage
        paths.append(tmp_path / f"{number}.dcm")
        one.save_as(paths[-1], enforce_file_format=True)
    return str(one.StudyInstanceUID), paths


def slow(peer: PeerAddress) -> PeerAddress:
    return replace(peer, acse_timeout_s=60.0, dimse_timeout_s=60.0)


def test_orthanc_gives_back_what_it_was_given(
    results: tuple[str, list[Path]], require_tool: Tool, tmp_path: Path
):
    pacs = Orthanc(
        require_tool("Orthanc"), tmp_path / "orthanc", modalities={"node": ("RANODE", "127.0.0.1", 1)}
    )
    pacs.start()
    try:
        row = check_roundtrip(slow(peer_at(pacs.dicom_port, ae_title=pacs.ae_title)), *results)
    finally:
        pacs.stop()
    assert row.ok, row
    assert row.found.startswith(
        "stored 2 objects, C-FIND finds them, C-GET returned them unchanged; delete there"
    )


def test_a_destination_that_answers_no_query_has_stored_and_nobody_looked(
    results: tuple[str, list[Path]], tmp_path: Path
):
    with LoopbackArchive(tmp_path / "archive") as archive:
        row = check_roundtrip(slow(peer_at(archive.port)), *results)
    assert row.ok
    assert row.found.startswith("stored 2 objects; not verified")


def test_a_destination_that_refuses_fails_with_its_status(results: tuple[str, list[Path]], tmp_path: Path):
    with LoopbackArchive(tmp_path / "archive", behaviour=Behaviour(statuses=(0xA900,))) as archive:
        row = check_roundtrip(slow(peer_at(archive.port)), *results)
    assert not row.ok
    assert "0xA900" in row.found


def test_what_a_pacs_changed_is_named(results: tuple[str, list[Path]]):
    """But for what it may say anew, such as where to retrieve the object."""
    _, (path, _) = results
    sent, back = dcmread(path), dcmread(path)
    back.RetrieveAETitle = "PACS"
    assert changed(sent, back) == []
    back.PatientID = "ANOTHER"
    del back.PixelData
    assert changed(sent, back) == ["PatientID", "PixelData"]
