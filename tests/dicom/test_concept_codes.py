"""The codes are those of the public dictionaries, and each value has one meaning."""

from __future__ import annotations

from pydicom.sr.coding import Code

from ra_node.dicom import concept_codes as codes
from ra_node.domain.laterality.evidence import Side


def all_codes() -> list[Code]:
    found = [value for value in vars(codes).values() if isinstance(value, Code)]
    return [*found, *codes.STAGE_CODES]


def test_each_code_has_one_meaning():
    meanings: dict[tuple[str, str], set[str]] = {}
    for code in all_codes():
        meanings.setdefault((code.value, code.scheme_designator), set()).add(code.meaning)
    assert all(len(said) == 1 for said in meanings.values())


def test_no_code_is_private():
    """Private schemes draw warnings from every validator."""
    assert {code.scheme_designator for code in all_codes()} <= {"SCT", "DCM", "UCUM", "UMLS", "RFC5646"}


def test_lengths_fit_their_value_representations():
    assert all(len(code.value) <= 16 and len(code.meaning) <= 64 for code in all_codes())


def test_a_side_has_its_own_site_and_no_side_is_just_a_hand():
    assert codes.hand_site(Side.RIGHT).meaning == "Right hand"
    assert codes.hand_site(Side.LEFT).meaning == "Left hand"
    assert codes.hand_site(None).meaning == "Hand"
    assert (codes.side_code(Side.RIGHT), codes.side_code(Side.LEFT)) == (codes.RIGHT, codes.LEFT)


def test_an_unknown_modality_is_other():
    assert codes.modality_code("DX").value == "DX"
    assert codes.modality_code("").value == "OT"


def test_a_code_item_holds_value_scheme_and_meaning():
    item = codes.code_item(codes.PERCENT)
    assert (item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning) == ("%", "UCUM", "Percent")
