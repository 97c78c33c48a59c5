"""The demo ends when the report and the first image of the overlay of every study are in its archive."""

from __future__ import annotations

from itertools import permutations

from pydicom.dataset import Dataset

from ra_node.domain.result_objects import ObjectKind, class_of
from ra_node.services.demo import is_complete


def result(folder, kind: ObjectKind, study: str, number: int):
    made, path = Dataset(), folder / f"{kind}-{study}.dcm"
    made.SOPClassUID, made.SOPInstanceUID = class_of(kind).sop_class_uid, f"1.2.3.{study}.{number}"
    made.StudyInstanceUID, made.InstanceNumber = study, number
    made.ensure_file_meta()
    made.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    made.save_as(path, enforce_file_format=True)
    return path


def test_the_demo_waits_for_both_kinds_of_every_study_in_any_order(tmp_path):
    """It counted two objects a study: the second image of one study stood for the overlay of another."""
    rated = [
        result(tmp_path, ObjectKind.SR, "1", 1),
        result(tmp_path, ObjectKind.OVERLAY_DETAIL, "1", 2),
        result(tmp_path, ObjectKind.OVERLAY, "1", 1),
    ]
    refused = [result(tmp_path, ObjectKind.SR, "2", 1), result(tmp_path, ObjectKind.OVERLAY, "2", 1)]
    needed = {rated[0], rated[2], *refused}
    for order in list(permutations([*rated, *refused]))[::7]:
        for count in range(len(order) + 1):
            assert is_complete(order[:count], {"1", "2"}) == needed.issubset(order[:count])
