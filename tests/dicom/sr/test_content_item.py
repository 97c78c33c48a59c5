"""Content items are written once and put in place often, and nobody can tell."""

from __future__ import annotations

from itertools import combinations

import highdicom.sr as hd
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from ra_node.dicom import concept_codes as codes
from ra_node.dicom.sr.content_item import (
    CONTAINS,
    Item,
    code,
    container,
    finding_site,
    own_text,
    put_tree,
    text,
)
from tests.dicom.tree import read_back

SENTENCES = st.text(st.characters(codec="latin-1", exclude_categories=("Cc",)), min_size=1, max_size=40)


def document(root: Item, character_set: str = "ISO_IR 192") -> Dataset:
    made = Dataset()
    made.SpecificCharacterSet = character_set
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.34", "2.25.1"
    made.file_meta = Dataset()
    made.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    put_tree(made, root)
    return made


def by_highdicom(sentence: str) -> Dataset:
    """The tree of `tree` without anything of ours."""
    inner = hd.CodeContentItem(name=codes.FINDING, value=codes.PRESENT, relationship_type=CONTAINS)
    comment = hd.TextContentItem(name=codes.COMMENT, value=sentence, relationship_type=CONTAINS)
    inner.ContentSequence = hd.ContentSequence([comment])
    site = hd.FindingSite(codes.RIGHT_HAND, laterality=codes.RIGHT)
    root = hd.ContainerContentItem(
        codes.IMAGING_MEASUREMENTS, is_content_continuous=False, template_id="1500"
    )
    root.ContentSequence = hd.ContentSequence([inner, site, comment])
    return root


def tree(sentence: str) -> Item:
    comment = text(codes.COMMENT, sentence)
    finding = code(codes.FINDING, codes.PRESENT, children=[comment])
    rows = [finding, finding_site(codes.RIGHT_HAND, codes.RIGHT), comment]
    return container(codes.IMAGING_MEASUREMENTS, rows, "1500", relation=None)


@given(SENTENCES)
def test_a_written_tree_is_the_one_that_highdicom_makes(sentence):
    """Before it is saved as well as after, whatever was written before."""
    plain = document(container(codes.IMAGING_MEASUREMENTS, [], relation=None))
    plain.update(by_highdicom(sentence))
    made = document(tree(sentence))
    assert read_back(made) == read_back(plain)
    assert made.ContentSequence[2].TextValue == read_back(plain).ContentSequence[2].TextValue


@given(SENTENCES)
def test_the_same_item_is_written_in_the_character_set_of_each_document(sentence):
    """A byte of one set is another letter in the next."""
    for character_set in ("ISO_IR 100", "ISO_IR 192", "ISO_IR 100"):
        back = read_back(document(tree(sentence), character_set))
        assert back.ContentSequence[0].ContentSequence[0].TextValue == sentence.rstrip(" ")


def test_all_text_of_a_tree_is_known_before_it_is_written():
    assert {"größer", "Present", "Right hand"} <= set(own_text([tree("größer")]))


def test_no_two_codes_differ_in_their_meaning_alone():
    """They would count as the same item, of which the first is kept."""
    ours = [value for value in vars(codes).values() if isinstance(value, Code)]
    ours += [*codes.STAGE_CODES, *codes.LATERALITY_CODES.values()]
    ours += [codes.modality_code(name) for name in ("CR", "DX", "RG", "CT", "MR", "US", "XX")]
    assert all(a.meaning == b.meaning for a, b in combinations(ours, 2) if a == b)
