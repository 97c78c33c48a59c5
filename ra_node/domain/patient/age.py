"""The patient's age at the exposure, from all attributes that give it.

Impossible ages and placeholders are reported and never used; ages that differ by more than a year
contradict each other, and none of them is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

OLDEST_YEARS = 120.0
MOST_APART_YEARS = 1.01
"""Patient's Age is in completed units: it may be almost a year below the age by dates."""

_PLACEHOLDERS = frozenset(
    {"18000101", "18991230", "18991231", "19000101", "19000102", "19010101", "11111111", "99991231"}
)
"""Placeholder birth dates."""

_UNITS_A_YEAR = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}


@dataclass(frozen=True, slots=True)
class Age:
    """`years` where the header gives one age; `claims` are all possible ones; `note` says what is wrong."""

    years: float | None = None
    claims: tuple[float, ...] = ()
    note: str = ""


def age_of(stated: str, birth_date: str, taken_on: tuple[str, ...]) -> Age:
    """Compare Patient's Age (0010,1010; PS3.5, VR AS) with the birth date (0010,0030) at the days `taken_on`.

    Days are as DICOM writes them, "" where absent. `note` is an English sentence without its stop, and
    holds nothing of the header but ages.
    """
    notes: list[str] = []
    told = _stated(stated, notes)
    counted = _counted(birth_date, taken_on, notes)
    claims = tuple(round(years, 1) for years in (*told, *counted))
    return _agreed(claims, notes[0] if notes else "")


def age_in_study(ages: Iterable[Age]) -> Age:
    """One age for the images of a study: images without age get that of the others."""
    told = list(ages)
    note = next((age.note for age in told if age.note), "")
    return _agreed(tuple(years for age in told for years in age.claims), note)


def _agreed(claims: tuple[float, ...], note: str) -> Age:
    if not claims:
        return Age(note=note)
    low, high = min(claims), max(claims)
    if high - low > MOST_APART_YEARS:
        return Age(None, claims, f"the header gives the ages {low:g} and {high:g}")
    return Age(claims[-1], claims, note)


def _stated(text: str, notes: list[str]) -> list[float]:
    """Patient's Age in years; none where it is absent, invalid or impossible."""
    if not text:
        return []
    found = re.fullmatch(r"(\d{1,3})([DWMY])", text.upper())
    if found is None:
        notes.append("Patient's Age is not an age")
        return []
    years = int(found[1]) / _UNITS_A_YEAR[found[2]]
    if years > OLDEST_YEARS:
        notes.append(f"Patient's Age is {years:.0f} years")
        return []
    return [years]


def _counted(birth_date: str, taken_on: tuple[str, ...], notes: list[str]) -> list[float]:
    """Years from birth to each day of the exposure; none where a date is absent or impossible."""
    if not birth_date:
        return []
    born = None if birth_date in _PLACEHOLDERS else _day(birth_date)
    if born is None:
        notes.append(
            "the birth date is a placeholder" if birth_date.isdigit() else "the birth date is not a date"
        )
        return []
    days = [day for text in taken_on if (day := _day(text)) is not None]
    found = [(day - born).days / 365.25 for day in days]
    possible = [years for years in found if 0 <= years <= OLDEST_YEARS]
    if found and not possible:
        late = "the birth date is after the exposure"
        notes.append(late if found[0] < 0 else f"the dates give an age of {found[0]:.0f} years")
    return possible


def _day(text: str) -> date | None:
    """A DICOM date, also as ACR-NEMA wrote it (1994.02.27)."""
    try:
        return datetime.strptime(text.replace(".", ""), "%Y%m%d").date()  # noqa: DTZ007 - a date has no zone
    except ValueError:
        return None
