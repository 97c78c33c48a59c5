"""A PACS says what it has of a study; silence, errors and other studies are no answer."""

from __future__ import annotations

from ra_node.dicom.present_patient import KEYS, read_present
from ra_node.network.scu.patient_query import ask_study
from tests.network.conftest import peer_at
from tests.network.scu.test_c_find import pacs  # noqa: F401 - the fixture
from tests.ports import free_port


def test_the_question_names_every_attribute_and_the_answer_those_that_are_given(pacs):  # noqa: F811
    match = {"StudyInstanceUID": "1.2", "PatientID": "P-2", "PatientName": "A^B", "AccessionNumber": ""}
    port, asked = pacs({"STUDY": [match]})
    (found,) = ask_study(peer_at(port), "1.2", KEYS)
    assert read_present(found) == {"PatientID": "P-2", "PatientName": "A^B"}
    assert {keyword for keyword in KEYS if keyword in asked[0]} == set(KEYS)


def test_no_match_is_an_answer_and_an_error_or_another_study_is_none(pacs):  # noqa: F811
    assert ask_study(peer_at(pacs({})[0]), "1.2", KEYS) == []
    assert ask_study(peer_at(pacs({}, last=0xA700)[0]), "1.2", KEYS) is None
    assert ask_study(peer_at(pacs({"STUDY": [{"StudyInstanceUID": "1.3"}]})[0]), "1.2", KEYS) is None
    assert ask_study(peer_at(pacs({}, find=False)[0]), "1.2", KEYS) is None
    assert ask_study(peer_at(free_port()), "1.2", KEYS) is None
