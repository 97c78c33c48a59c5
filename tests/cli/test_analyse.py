"""Pictures of `ra-node hands --picture`."""

from __future__ import annotations

from pathlib import Path

from ra_node.services.offline_analysis import picture_names


def test_files_of_one_name_in_two_folders_have_two_pictures():
    """The second overwrote the first."""
    assert picture_names([Path("A/1.dcm"), Path("B/1.dcm")]) == ["A_1.dcm", "B_1.dcm"]
    assert picture_names([Path("A/1.dcm"), Path("A/2.dcm")]) == ["1.dcm", "2.dcm"]
    assert picture_names([Path("/x/A/1.dcm"), Path("/y/A/1.dcm")]) == ["x_A_1.dcm", "y_A_1.dcm"]
    assert len(set(picture_names([Path("/A/1.dcm"), Path("A/1.dcm"), Path("../A/1.dcm")]))) == 3
