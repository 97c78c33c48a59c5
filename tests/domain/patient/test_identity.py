"""Two objects name one patient however they write it, and two patients whatever they share."""

from __future__ import annotations

import pytest

from ra_node.domain.patient.identity import Identity, differences, has_orders, identity, is_placeholder

JANE = {
    "patient_id": "4711",
    "issuer": "HOSPITAL",
    "birth_date": "19610203",
    "sex": "F",
    "accession": "A1",
    "names": ["Müller^Jane^Ann"],
}


def person(**changes: object) -> Identity:
    return identity(**{**JANE, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"names": ["MULLER^JANE"]},
        {"names": ["Mueller^Jane^Ann^Dr"]},
        {"names": ["Müller^Jane^A^^"]},
        {"names": ["Müller, Jane Ann"]},
        {"names": ["Jane^Müller"]},
        {"names": ["Müller"]},
        {"names": ["M\ufffdller^Jane"]},
        {"names": ["M?ller^Jane"]},
        {"names": [""]},
        {"names": ["Müller^Jane^Ann", "穆勒^简"]},
        {"names": ["穆勒^简"]},
        {"names": ["MÜLLER^Jane"]},
        {"patient_id": " 4711 "},
        {"patient_id": ""},
        {"patient_id": "4712", "other_ids": ["4711"]},
        {"issuer": "hospital "},
        {"issuer": ""},
        {"birth_date": ""},
        {"birth_date": "1961.02.03"},
        {"birth_date": "19000101"},
        {"birth_date": "00000000"},
        {"sex": ""},
        {"sex": "O"},
        {"accession": ""},
        {"accession": "A2"},
    ],
)
def test_what_is_only_written_differently_or_missing_is_no_difference(changes):
    assert differences([person(), person(**changes)]) == ()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"patient_id": "4712"}, ("Patient ID",)),
        ({"patient_id": "UNKNOWN"}, ("Patient ID",)),
        ({"issuer": "ELSEWHERE"}, ("Issuer of Patient ID",)),
        ({"names": ["Müller^John"]}, ("Patient's Name",)),
        ({"names": ["Smith^Jane"]}, ("Patient's Name",)),
        ({"birth_date": "19610204"}, ("Patient's Birth Date",)),
        ({"sex": "M"}, ("Patient's Sex",)),
        ({"patient_id": "", "accession": "A2"}, ("Accession Number",)),
        ({"names": ["Doe^Joe"], "birth_date": "19500101"}, ("Patient's Name", "Patient's Birth Date")),
    ],
)
def test_another_patient_is_told_by_the_attributes_that_differ(changes, named):
    assert differences([person(), person(), person(**changes)]) == named


def test_names_of_one_spelling_in_latin_differ_by_their_ideographs():
    one, other = (person(names=["Wang^Li", name]) for name in ("王^丽", "王^莉"))
    assert differences([one, other]) == ("Patient's Name",)


def test_twins_of_one_initial_each_are_two():
    assert differences([person(names=["DOE^TWIN A"]), person(names=["DOE^TWIN B"])]) == ("Patient's Name",)


def test_a_universal_issuer_counts_more_than_its_name():
    same = [person(issuer=name, universal_issuer="1.2.3 ISO") for name in ("HOSPITAL", "Hospital North")]
    assert differences(same) == ()
    assert differences([same[0], person(universal_issuer="1.2.4 ISO")]) == ("Issuer of Patient ID",)


def test_two_orders_of_one_patient_are_no_conflict_and_told_apart():
    assert has_orders([person(), person(accession="A2")])
    assert not has_orders([person(), person(accession="")])


def test_hashes_are_compared_like_what_they_are_made_of():
    def keyed(value: str) -> str:
        return f"{hash(value):x}"

    people = [person(), person(names=["MULLER^JANE"]), person(names=["Smith^Jane"], other_ids=["4712"])]
    assert differences([one.hashed(keyed) for one in people[:2]]) == ()
    assert differences([one.hashed(keyed) for one in people]) == ("Patient's Name",)
    moved = [person(patient_id="4712").hashed(keyed), people[2].hashed(keyed)]
    assert "Patient ID" not in differences(moved)


def test_an_identity_is_never_shown():
    assert "4711" not in repr(person())
    assert "MULLER" not in repr(person())


@pytest.mark.parametrize(
    "patient_id",
    ["", " ", "-", "0", "000000", "9999", "XXXX", "n/a", "N.A.", "UNKNOWN", "unk", "None", "NULL",
     "Anonymous", "ANON", "TEST", "Test Patient", "TRAUMA", "TRAUMA-17", "Unknown 3", "Spare 1"],
)  # fmt: skip
def test_a_placeholder_names_nobody(patient_id):
    assert is_placeholder(patient_id, ["SPARE 1"])


@pytest.mark.parametrize("patient_id", ["4711", "P-1", "PHANTOM-7", "10", "ANON0042", "Testa 5", "SPARE 2"])
def test_an_id_names_somebody(patient_id):
    assert not is_placeholder(patient_id, ["SPARE 1"])
