"""Who observed what in which images, and who made the document from them."""

from __future__ import annotations

from tests.dicom.builders import image_uid
from tests.dicom.cases import CASES, Case, not_an_image, two_hands, two_images
from tests.dicom.sr_cases import every_case, made
from tests.dicom.tree import codes_of, comments, groups, items


@every_case
def test_every_container_is_separate_and_the_procedure_is_named(name):
    """Continuous content loses the concept names in plain renderers."""
    document = made(CASES[name]())
    containers = [document, *(item for item in items(document) if item.ValueType == "CONTAINER")]
    assert {container.ContinuityOfContent for container in containers} == {"SEPARATE"}
    assert len(list(items(document, "121058"))) == 1


def test_each_algorithm_is_named_alike_in_the_tree_and_as_equipment():
    """IHE AIR: one contribution an algorithm, its Device UID that of the weights."""
    case = two_hands()
    document = made(case)
    equipment = document.ContributingEquipmentSequence
    assert [item.DeviceUID for item in equipment] == [m.device_uid for m in case.report.bundle.models]
    told = {item.TextValue for item in items(document, "111001")}
    assert told == {item.ManufacturerModelName for item in equipment}
    versions = {item.TextValue for item in items(document, "111003")}
    assert versions == {item.SoftwareVersions for item in equipment}
    parameters = {item.TextValue for item in items(document, "111002")}
    said = " ".join(comments(document))
    assert all(f"Device UID {item.DeviceUID}." in said for item in equipment)
    assert "operating point 50.0 %" in parameters
    bundle = case.report.bundle
    assert f"Bundle {bundle.name} {bundle.version}, SHA-256 {bundle.sha256}." in comments(document)


def test_an_instance_that_is_no_image_is_referred_to_and_explained():
    """It has no group: a group without region opens as a black image."""
    document = made(not_an_image())
    assert groups(document) == []
    assert not list(items(document, "111028"))
    [reference] = [item for item in items(document) if item.ValueType == "COMPOSITE"]
    assert reference.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == image_uid(1)


def test_each_image_is_in_the_library_with_its_size():
    document = made(two_images())
    [library] = items(document, "111028")
    entries = [item for item in items(library) if item.ValueType == "IMAGE"]
    assert [e.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for e in entries] == [
        image_uid(1),
        image_uid(2),
    ]
    assert codes_of(library, "111027") == ["24028007", "7771000"]


def test_a_source_that_is_missing_costs_only_its_descriptors():
    case = two_images()
    document = made(Case(case.report, {image_uid(2): case.sources[image_uid(2)]}))
    assert len(groups(document)) == 2
