"""One age from a header that may tell several: the impossible is said, and contradictions are never used."""

from __future__ import annotations

import pytest

from ra_node.domain.patient.age import Age, age_in_study, age_of

DAY = ("20260105", "20260105")


@pytest.mark.parametrize(
    ("stated", "born", "years"),
    [
        ("012Y", "", 12.0),
        ("150M", "", 12.5),
        ("012W", "", 0.2),
        ("400D", "", 1.1),
        ("045y", "", 45.0),
        ("", "20110105", 15.0),
        ("", "2011.01.05", 15.0),
        ("014Y", "20110106", 15.0),
        ("", "", None),
    ],
)
def test_an_age_is_read_in_every_unit_or_counted_from_the_dates(
    stated: str, born: str, years: float | None
) -> None:
    """A birth date counts to the tenth of a year; Patient's Age counts completed units."""
    found = age_of(stated, born, DAY)
    assert (found.years, found.note) == (years, "")


@pytest.mark.parametrize(
    ("stated", "born", "taken_on", "note"),
    [
        ("150Y", "", DAY, "Patient's Age is 150 years"),
        ("999M", "17000101", DAY, ""),
        ("-05Y", "", DAY, "Patient's Age is not an age"),
        ("adult", "", DAY, "Patient's Age is not an age"),
        ("12", "", DAY, "Patient's Age is not an age"),
        ("", "19000101", DAY, "the birth date is a placeholder"),
        ("", "00010101", DAY, "the dates give an age of 2025 years"),
        ("", "19600231", DAY, "the birth date is a placeholder"),
        ("", "unknown", DAY, "the birth date is not a date"),
        ("", "20270101", DAY, "the birth date is after the exposure"),
        ("", "18500101", DAY, "the dates give an age of 176 years"),
        ("", "20110105", ("", ""), ""),
    ],
)
def test_an_impossible_age_is_said_and_not_used(
    stated: str, born: str, taken_on: tuple[str, ...], note: str
) -> None:
    found = age_of(stated, born, taken_on)
    if stated == "999M":
        assert found.years == pytest.approx(83.2, abs=0.1)
        return
    assert (found.years, found.claims, found.note) == (None, (), note)


def test_a_placeholder_beside_a_stated_age_leaves_the_age() -> None:
    assert age_of("012Y", "19000101", DAY).years == 12.0


@pytest.mark.parametrize(
    ("stated", "born", "taken_on"),
    [("045Y", "20110105", DAY), ("012Y", "19600101", DAY), ("", "20110105", ("20260105", "20230105"))],
)
def test_ages_more_than_a_year_apart_contradict_each_other(
    stated: str, born: str, taken_on: tuple[str, ...]
) -> None:
    """Also where the study's date and that of the exposure lie apart."""
    found = age_of(stated, born, taken_on)
    assert found.years is None
    assert len(found.claims) >= 2
    assert found.note.startswith("the header gives the ages ")


def test_images_of_one_study_share_their_age() -> None:
    """An image without an age has that of the others; two ages contradict each other."""
    known, none = Age(12.0, (12.0,)), Age()
    assert age_in_study([none, known]).years == 12.0
    assert age_in_study([none, none]).years is None
    assert age_in_study([known, Age(45.0, (45.0,))]) == Age(
        None, (12.0, 45.0), "the header gives the ages 12 and 45"
    )


def test_no_date_of_the_header_is_in_a_note() -> None:
    notes = [age_of("", born, DAY).note for born in ("19000101", "20270203", "Smith", "18500304")]
    assert not any(born in " ".join(notes) for born in ("19000101", "20270203", "Smith", "18500304"))
