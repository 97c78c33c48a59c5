"""What this node makes says so, and is known again as made by an AI."""

from __future__ import annotations

from dataclasses import replace

from pydicom.dataset import Dataset

from ra_node.dicom.provenance import is_ai_made, observer_uid, stamp_equipment
from ra_node.dicom.reading.selection_attributes import header_of
from ra_node.dicom.sr.tid_1500_document import build_sr
from tests.dicom.builders import BUNDLE, PRODUCER, source
from tests.dicom.cases import CASES


def stamped(producer=PRODUCER, bundle=BUNDLE) -> Dataset:
    made = Dataset()
    stamp_equipment(made, producer, bundle)
    return made


def test_the_node_is_the_equipment_and_each_model_contributed():
    made = stamped()
    assert made.Manufacturer == "ra-node"
    assert made.SoftwareVersions == [f"ra-node {PRODUCER.software_version}", "bundle demo 1.0"]
    assert [item.DeviceUID for item in made.ContributingEquipmentSequence] == ["2.25.501", "2.25.502"]
    purposes = {
        item.PurposeOfReferenceCodeSequence[0].CodeValue for item in made.ContributingEquipmentSequence
    }
    assert purposes == {"109102"}


def test_the_device_uid_is_that_of_the_weights_whatever_else_changes():
    renamed = replace(BUNDLE, models=tuple(replace(model, version="2.0") for model in BUNDLE.models))
    first, second = (stamped(bundle=bundle).ContributingEquipmentSequence for bundle in (BUNDLE, renamed))
    assert [item.DeviceUID for item in first] == [item.DeviceUID for item in second]
    assert [item.SoftwareVersions for item in second] == ["2.0", "2.0"]


def test_the_observer_changes_with_any_of_the_weights_and_only_then():
    first = observer_uid(PRODUCER, BUNDLE)
    renamed = replace(BUNDLE, name="other", version="2.0", sha256="ef" * 32, notice="")
    assert observer_uid(PRODUCER, renamed) == first
    recognition, staging = BUNDLE.models
    retrained = replace(BUNDLE, models=(recognition, replace(staging, device_uid="2.25.503")))
    assert observer_uid(PRODUCER, retrained) != first
    assert observer_uid(replace(PRODUCER, device_uid="2.25.78"), BUNDLE) != first


def test_an_institution_is_named_only_where_there_is_one():
    assert "InstitutionName" not in stamped()
    assert stamped(replace(PRODUCER, institution="Clinic")).InstitutionName == "Clinic"


def test_every_report_of_this_node_is_known_as_ai_made():
    """Or the node would answer its own answers when the PACS routes them back."""
    for case in (make() for make in CASES.values()):
        assert is_ai_made(header_of(build_sr(case.report, case.sources, PRODUCER)))
        assert not any(is_ai_made(header_of(received)) for received in case.sources.values())


def test_a_radiograph_is_not_ai_made():
    assert not is_ai_made(header_of(source()))
