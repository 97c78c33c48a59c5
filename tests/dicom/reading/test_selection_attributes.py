"""The header tells selection what the data set says, converted or as stored."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom import config, dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from ra_node.dicom.concept_codes import PROCESSING_EQUIPMENT, code_item
from ra_node.dicom.reading.selection_attributes import header_of
from ra_node.domain.laterality.evidence import UNDEFINED, SideHeader
from tests.dicom.builders import COLUMNS, DX, ROWS, SERIES, STUDY, image_uid, source

ACQUISITION = Code("109101", "DCM", "Acquisition Equipment")


def stored(dataset: Dataset) -> Dataset:
    """The data set with its values still as bytes, as a reader has it."""
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return dcmread(BytesIO(buffer.getvalue()))


def equipment(purpose: Code, manufacturer: str, device_uid: str = "") -> Dataset:
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [code_item(purpose)]
    item.Manufacturer = manufacturer
    if device_uid:
        item.DeviceUID = device_uid
    return item


def test_stored_and_converted_values_give_the_same_header():
    dataset = source(
        side="L", ContributingEquipmentSequence=[equipment(PROCESSING_EQUIPMENT, "Maker", "2.25.5")]
    )
    assert header_of(stored(dataset)) == header_of(dataset)


def test_every_attribute_arrives():
    found = header_of(
        stored(
            source(
                side="R",
                ContributingEquipmentSequence=[
                    equipment(PROCESSING_EQUIPMENT, "Maker", "2.25.5"),
                    equipment(ACQUISITION, "Detector works", "2.25.6"),
                ],
                SeriesDescription="Hand p.a.",
                NumberOfFrames=2,
            )
        )
    )
    assert (found.sop_instance_uid, found.sop_class_uid) == (image_uid(1), DX)
    assert (found.study_instance_uid, found.series_instance_uid) == (STUDY, SERIES)
    assert (found.rows, found.columns, found.frames, found.has_pixels) == (ROWS, COLUMNS, 2, True)
    assert found.image_type == ("ORIGINAL", "PRIMARY", "")
    assert found.anatomic_region_codes == ("85562004 SCT",)
    assert found.presentation_intent == "FOR PRESENTATION"
    assert found.contributing_purposes == ("109102 DCM", "109101 DCM")
    assert found.contributing_manufacturers == ("Maker", "Detector works")
    assert found.processing_device_uids == ("2.25.5",)
    assert found.descriptions == ("Hand p.a.", "Both hands")
    assert found.side == SideHeader("R", "", ("L", "F"))
    assert (found.modality, found.body_part, found.burned_in_annotation) == ("DX", "HAND", "NO")


def test_an_empty_data_set_has_an_empty_header():
    found = header_of(Dataset())
    assert (found.sop_class_uid, found.rows, found.frames, found.has_pixels) == ("", 0, 1, False)
    assert found.side == SideHeader()


def test_the_header_names_no_patient():
    """It is logged and compared; nothing in it may identify anybody."""
    text = repr(header_of(source()))
    assert "Phantom^Hand" not in text
    assert "P-1" not in text


def test_side_letters_are_read_in_any_case():
    small = source()
    small["ImageLaterality"] = DataElement("ImageLaterality", "CS", "l", validation_mode=config.IGNORE)
    assert header_of(small).side.image_laterality == "L"


def test_a_free_text_in_the_place_of_a_side_is_told_as_no_term():
    """It would stand in the report, in the table of an archive run and in the ledger."""
    found = header_of(stored(source(side="L", ImageLaterality="L DOE", PatientOrientation=["RICHARD", "F"])))
    assert found.side.image_laterality == UNDEFINED
    assert found.side.patient_orientation == (UNDEFINED, "F")


def test_whom_an_object_names_is_read_and_not_shown():
    found = header_of(stored(source(OtherPatientIDs="P-7", IssuerOfPatientID="Ward 3")))
    assert found.identity.patient_id == "p-1"
    assert found.identity.other_ids == ("p-7",)
    assert found.identity.issuer == "ward 3"
    assert "p-1" not in repr(found)
    assert "19600101" not in repr(found)


def test_every_statement_about_the_shape_of_a_pixel_arrives():
    """Rows first, as spacing and as a ratio; what is no pair of positive numbers is none."""
    odd = source(ImagerPixelSpacing=None)
    odd.add_new("PixelSpacing", "LO", ["0,2", "0,15"])
    odd.PixelAspectRatio = [4, 3]
    odd.add_new("NominalScannedPixelSpacing", "LO", ["0", "0.1"])
    assert header_of(odd).pixel_aspects == pytest.approx((4 / 3, 4 / 3))
